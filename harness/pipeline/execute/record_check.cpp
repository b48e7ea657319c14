#include "harness/pipeline/execute/record_check.hpp"

#include <algorithm>
#include <csignal>

#include <fmt/format.h>

#include "harness/json/json.hpp"
#include "harness/pipeline/execute/ending.hpp"
#include "harness/pipeline/execute/fields.hpp"
#include "harness/pipeline/execute/worker_info.hpp"

namespace refute::pipeline {
namespace {

// A worker can say these three of itself; the rest is for us to find out.
constexpr std::array<std::string_view, 3> kWords = {"survived", "refuted", "declined"};

Outcome verdict_only(Verdict verdict) {
  Outcome outcome;
  outcome.verdict = std::move(verdict);
  return outcome;
}

Outcome broken(std::string message) {
  return verdict_only(Broken{std::move(message)});
}

void check_echo(Fields& fields, std::string_view name, const std::string& wanted) {
  const std::string given = fields.text(name);
  if (fields.good() && given != wanted) {
    fields.fail(fmt::format("the record is about another {}: \"{}\"",
                            name == "nonce" ? "process" : name, given.substr(0, 80)));
  }
}

void check_identity(Fields& fields, const Job& job) {
  if (const std::uint64_t protocol = fields.count("protocol");
      fields.good() && protocol != kProtocol) {
    fields.fail(
        fmt::format("the record speaks protocol {}, refute speaks {}", protocol, kProtocol));
  }
  check_echo(fields, "job", job.id);
  check_echo(fields, "nonce", job.nonce);
  check_echo(fields, "claim", job.claim.text);
  check_echo(fields, "subject", job.subject.text);
}

Verdict read_verdict(Fields& fields) {
  const std::size_t word = fields.word("outcome", kWords);
  const std::string message = fields.optional_text("message");
  const std::string reason = fields.optional_text("reason");
  const Value& counterexample = fields.any("counterexample");
  if (!fields.good() || word == 0) return Survived{};
  if (message.empty())
    fields.fail(fmt::format("the record says {} without a \"message\"", kWords[word]));
  if (word == 1) {
    if (counterexample.is_null())
      fields.fail("the record says refuted without a \"counterexample\"");
    return Refuted{message, counterexample};
  }
  const auto at = std::ranges::find(kDeclineReasonNames, reason);
  if (at == kDeclineReasonNames.end())
    fields.fail(fmt::format("\"reason\" is no word of the protocol: \"{}\"", reason));
  return Declined{static_cast<DeclineReason>(at - kDeclineReasonNames.begin()), message};
}

std::vector<InputDigest> read_inputs(Fields& fields) {
  std::vector<InputDigest> inputs;
  const Value::List& list = fields.optional_list("inputs");
  for (std::size_t i = 0; i < list.size(); ++i) {
    Fields item(list[i], fmt::format("inputs/{}/", i));
    inputs.push_back({item.filled_text("name"), item.digest("sha256")});
    item.close();
    if (!item.good()) fields.fail(item.problem());
  }
  std::ranges::sort(inputs, {}, &InputDigest::name);
  return inputs;
}

Outcome read_outcome(Fields& fields) {
  Outcome outcome;
  outcome.verdict = read_verdict(fields);
  outcome.coverage = {fields.count("cases"), fields.count("comparisons"),
                      fields.optional_count("discards"), fields.optional_count("shrinks")};
  outcome.domain = static_cast<Domain>(fields.word("domain", kDomainNames));
  outcome.agreement = static_cast<Agreement>(fields.word("agreement", kAgreementNames));
  outcome.result_digest = {fields.optional_text("result_digest")};
  if (!outcome.result_digest.empty() && !looks_like_digest(outcome.result_digest.text)) {
    fields.fail("\"result_digest\" must be a SHA-256 in 64 lower-case hex digits, or empty");
  }
  outcome.inputs = read_inputs(fields);
  outcome.measurements = fields.optional_map("measurements");
  outcome.parameters_read = fields.optional_texts("parameters_read");
  std::ranges::sort(outcome.parameters_read);
  outcome.environment = fields.optional_map("environment");
  return outcome;
}

void check_sense(Fields& fields, const Outcome& outcome) {
  const bool survived = std::holds_alternative<Survived>(outcome.verdict);
  const bool declined = std::holds_alternative<Declined>(outcome.verdict);
  if (!declined && outcome.coverage.cases == 0) {
    fields.fail(
        fmt::format("the record says {}, and that no case was run", to_string(outcome.verdict)));
  }
  if (survived && outcome.coverage.comparisons == 0)
    fields.fail("the record says survived, and that nothing was compared");
  if (outcome.domain == Domain::fixture && !std::holds_alternative<Declined>(outcome.verdict) &&
      outcome.inputs.empty()) {
    fields.fail("the record speaks of a fixture and names no input");
  }
}

/// Rapidcheck's own limit: beyond it the generator does not fit the property.
constexpr std::uint64_t kMostDiscardsPerCase = 10;

std::string names_of(const Value& parameters) {
  std::string names;
  for (const auto& [name, value] : *parameters.as_map())
    names += (names.empty() ? "" : ", ") + name;
  return names;
}

/// A survival that counts for its claim must have been work on that claim. A mutant that survives
/// counts for nothing, whatever its record says.
void check_work(Fields& fields, const Job& job, const Outcome& outcome) {
  if (!std::holds_alternative<Survived>(outcome.verdict)) return;
  if (job.arm != Arm::subject && job.arm != Arm::control) return;
  const bool given = job.parameters.is_map() && !job.parameters.as_map()->empty();
  if (given && outcome.parameters_read.empty()) {
    fields.fail(
        fmt::format("the record says survived, and that none of the contract's parameters was read "
                    "(\"parameters_read\" is empty; there are {})",
                    names_of(job.parameters)));
  }
  const Coverage& c = outcome.coverage;
  if (c.discards / kMostDiscardsPerCase >= c.cases && c.discards > kMostDiscardsPerCase * c.cases) {
    fields.fail(
        fmt::format("the record says survived with {} cases while {} were discarded: more than {} "
                    "for each case, so next to nothing was tried",
                    c.cases, c.discards, kMostDiscardsPerCase));
  }
}

Outcome from_record(const Job& job, const std::string& record) {
  auto document = json::parse(record, {.bytes = kRecordLimit, .depth = 64, .nodes = 200'000});
  if (!document)
    return broken(fmt::format("the record is not one JSON document: {}", document.error().what));
  Fields fields(*document);
  check_identity(fields, job);
  Outcome outcome = read_outcome(fields);
  fields.close();
  check_sense(fields, outcome);
  check_work(fields, job, outcome);
  if (!fields.good()) return broken(fields.problem());
  return outcome;
}

/// Status 64 without a record (EX_USAGE in sysexits.h): the worker cannot do what it was asked for,
/// a parameter of the wrong kind as a rule. That is a mistake in the contract and no crash.
constexpr int kJobError = 64;

std::string last_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  const std::size_t at = text.rfind('\n');
  return at == std::string::npos ? text : text.substr(at + 1);
}

Outcome from_exit(const Job& job, const ChildResult& child, int status) {
  if (child.record_over_limit)
    return broken(fmt::format("the record is longer than {} bytes", kRecordLimit));
  if (child.record.empty() && status == 0)
    return broken("the worker exited with status 0 and wrote no record");
  if (child.record.empty() && status == kJobError)
    return broken(
        fmt::format("the job cannot be done as it is stated: {}", last_line(child.err.text())));
  if (child.record.empty())
    return verdict_only(
        Crashed{0, status, fmt::format("exited with status {} and wrote no record", status)});
  Outcome outcome = from_record(job, child.record);
  if (status == 0 || std::holds_alternative<Broken>(outcome.verdict)) return outcome;
  return broken(fmt::format("the record says {}, and the worker exited with status {}",
                            to_string(outcome.verdict), status));
}

struct FromEnd {
  const Job& job;
  const ChildResult& child;

  Outcome operator()(const Exited& exited) const { return from_exit(job, child, exited.status); }
  Outcome operator()(const Signalled& s) const {
    return verdict_only(Crashed{s.signal, 0, describe_end(child.end, job.limits)});
  }
  Outcome operator()(const OverTime&) const { return verdict_only(TimedOut{job.limits.time_s}); }
  Outcome operator()(const OverMemory&) const {
    return verdict_only(Crashed{SIGKILL, 0, describe_end(child.end, job.limits)});
  }
  Outcome operator()(const Stopped&) const { return broken("the run was stopped"); }
  Outcome operator()(const NotStarted& n) const { return broken(n.error.what); }
};

}  // namespace

Outcome outcome_of(const Job& job, const ChildResult& child) {
  return std::visit(FromEnd{job, child}, child.end);
}

std::optional<std::string> difference(const Outcome& first, const Outcome& second) {
  if (first.verdict.index() != second.verdict.index()) {
    return fmt::format("{} at first, {} on a second run with the same seed",
                       to_string(first.verdict), to_string(second.verdict));
  }
  const auto differs = [](std::string_view what) {
    return fmt::format("two runs with the same seed differ in {}", what);
  };
  if (first.verdict != second.verdict) return differs("message or counterexample");
  if (first.result_digest != second.result_digest) return differs("result_digest");
  if (first.coverage != second.coverage) return differs("their counts");
  if (first.domain != second.domain || first.agreement != second.agreement)
    return differs("domain or agreement");
  if (first.inputs != second.inputs) return differs("the inputs read");
  if (first.measurements != second.measurements) return differs("measurements");
  if (first.parameters_read != second.parameters_read) return differs("the parameters read");
  return std::nullopt;
}

}  // namespace refute::pipeline
