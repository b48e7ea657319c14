#include "harness/worker/protocol.hpp"

#include <cerrno>
#include <cfloat>
#include <cstdio>
#include <exception>

#include <fmt/format.h>
#include <unistd.h>

#include "harness/json/json.hpp"
#include "harness/worker/context.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/external_subject.hpp"
#include "harness/worker/parameter_rule.hpp"

namespace refute::worker {
namespace {

constexpr int kRecordFd = 3;

/// Reads all of stdin, up to the bound.
Result<std::string> read_stdin() {
  std::string text;
  char buffer[1 << 14];
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{"stdin cannot be read", "hand over one job as JSON"};
    if (n == 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
    if (text.size() > kMaxJobBytes)
      return Error{"the job is larger than 1 MiB", "a job is a few hundred bytes"};
  }
}

const Row& row_of(const Table& table, const Job& job) {
  if (job.contract.text != table.contract) {
    throw JobError(fmt::format("{} serves contract {}, not {}", table.worker, table.contract,
                               job.contract.text));
  }
  for (const Row& row : table.rows) {
    if (row.claim == job.claim.text) return row;
  }
  throw JobError(fmt::format("{} has no row for claim {}; `--list` shows those it has",
                             table.worker, job.claim.text));
}

/// A name that is not in the table is a mistake in the job, never a reason to run something else.
void require_known(const Row& row, const Job& job) {
  const bool external = !job.external_subject.empty();
  switch (job.arm) {
    case Arm::subject:
    case Arm::negated:
      if (external || row.subjects.contains(job.subject.text)) return;
      throw JobError(fmt::format("{} knows no subject `{}`", row.claim, job.subject.text));
    case Arm::mutant:
      if (row.mutants.contains(job.mutant.text)) return;
      throw JobError(fmt::format("{} knows no mutant `{}`", row.claim, job.mutant.text));
    case Arm::control:
      if (row.controls.contains(job.subject.text)) return;
      throw JobError(fmt::format("{} knows no control `{}`", row.claim, job.subject.text));
  }
}

/// A flag at the link of some kernel can flush subnormals in the whole process. Nothing judged in
/// such a process counts.
void require_subnormals() {
  volatile float least = FLT_MIN;
  volatile float half = least / 2.0f;
  volatile float back = half * 2.0f;
  if (half == 0.0f || back != least)
    throw JobError("this process flushes subnormals to zero; link without fast-math");
}

Value words(const Words& words) {
  Value list = Value::List{};
  for (std::string_view word : words) list.push(word);
  return list;
}

int list(const Table& table) {
  const std::string text = json::dump(list_of(table)) + "\n";
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0
             ? kExitOk
             : kExitBug;
}

int run(const Table& table) {
  const auto text = read_stdin();
  if (!text)
    return fmt::print(stderr, "{}: {}; {}\n", table.worker, text.error().what, text.error().hint),
           kExitJobError;
  const auto job = parse_job(*text);
  if (!job)
    return fmt::print(stderr, "{}: {}; {}\n", table.worker, job.error().what, job.error().hint),
           kExitJobError;
  require_subnormals();
  const Outcome outcome = run_job(table, *job);
  if (write_record(json::dump(record_of(*job, outcome)))) return kExitOk;
  fmt::print(stderr, "{}: the record cannot be written to file descriptor 3 (by hand: add 3>&1)\n",
             table.worker);
  return kExitJobError;
}

int help(const Table& table, std::FILE* out) {
  fmt::print(out,
             "{} tries to break the claims of contract {}. Refute starts it; by hand:\n\n"
             "  {} --list                    what it can check, as JSON\n"
             "  {} --run < job.json 3>&1     one job; the record comes on file descriptor 3\n\n"
             "harness/PROTOCOL.md describes both. Claims:\n",
             table.worker, table.contract, table.worker, table.worker);
  for (const Row& row : table.rows) fmt::print(out, "  {:26} {}\n", row.claim, row.help);
  return out == stdout ? kExitOk : kExitUsage;
}

int dispatch(int argc, char** argv, const Table& table) {
  const std::string_view option = argc == 2 ? argv[1] : "";
  if (option == "--list") return list(table);
  if (option == "--run") return run(table);
  if (option == "--help" || option == "-h") return help(table, stdout);
  return help(table, stderr);
}

}  // namespace

namespace {

Verdict verdict_of(const Row& row, Context& context) {
  try {
    return row.falsify(context);
  } catch (const SubjectDeclined& declined) {
    return Declined{declined.reason, declined.what()};
  }
}

}  // namespace

Outcome run_job(const Table& table, const Job& job) {
  const Row& row = row_of(table, job);
  require_known(row, job);
  Context context(job);
  (void)take_bad_end();  // of a job before, in a test
  Outcome outcome = context.outcome(verdict_of(row, context));
  // The server is gone with the falsifier's scope. What it refuted stands without its end.
  const auto bad_end = take_bad_end();
  if (bad_end && !std::holds_alternative<Refuted>(outcome.verdict)) throw SubjectFailure(*bad_end);
  return outcome;
}

Value record_of(const Job& job, const Outcome& outcome) {
  const auto* refutation = std::get_if<Refuted>(&outcome.verdict);
  const auto* decline = std::get_if<Declined>(&outcome.verdict);
  Value r;
  r.set("protocol", kProtocolVersion);
  r.set("job", job.id);
  r.set("nonce", job.nonce);
  r.set("claim", job.claim.text);
  r.set("subject", job.subject.text);
  r.set("outcome", to_string(outcome.verdict));
  r.set("message", refutation ? refutation->message : decline ? decline->message : "");
  r.set("reason", decline ? to_string(decline->reason) : "");
  r.set("cases", outcome.coverage.cases);
  r.set("comparisons", outcome.coverage.comparisons);
  r.set("discards", outcome.coverage.discards);
  r.set("shrinks", outcome.coverage.shrinks);
  r.set("domain", to_string(outcome.domain));
  r.set("agreement", to_string(outcome.agreement));
  r.set("result_digest", outcome.result_digest.text);
  Value inputs = Value::List{};
  for (const InputDigest& input : outcome.inputs) {
    inputs.push(Value::Map{{"name", Value(input.name)}, {"sha256", Value(input.sha256.text)}});
  }
  r.set("inputs", std::move(inputs));
  r.set("measurements", outcome.measurements);
  Value read = Value::List{};
  for (const std::string& name : outcome.parameters_read) read.push(name);
  r.set("parameters_read", std::move(read));
  r.set("counterexample", refutation ? refutation->counterexample : Value());
  r.set("environment", outcome.environment);
  return r;
}

Value rule_value(const ParameterRule& rule) {
  Value v;
  v.set("kind", to_string(rule.kind));
  if (rule.least != 0 || rule.most != 0) {
    v.set("least", rule.least);
    v.set("most", rule.most);
  }
  if (rule.words.size() > 0) v.set("words", words(rule.words));
  if (!rule.pattern.empty()) v.set("pattern", rule.pattern);
  if (!rule.example.empty()) v.set("example", rule.example);
  return v;
}

Value list_of(const Table& table) {
  Value v;
  v.set("protocol", kProtocolVersion);
  v.set("kind", "falsifier");
  v.set("worker", table.worker);
  v.set("contract", table.contract);
  Value source = Value::Map{};
  if (!table.build.source_cpu.empty()) source.set("cpu", table.build.source_cpu);
  if (!table.build.source_cuda.empty()) source.set("cuda", table.build.source_cuda);
  if (!source.as_map()->empty()) v.set("source", std::move(source));
  Value toolchain;
  toolchain.set("compiler", table.build.compiler);
  toolchain.set("flags", table.build.flags);
  toolchain.set("sanitizers", table.build.sanitizers);
  v.set("toolchain", std::move(toolchain));
  Value rows = Value::List{};
  for (const Row& row : table.rows) {
    Value r;
    r.set("claim", row.claim);
    r.set("help", row.help);
    r.set("subjects", words(row.subjects));
    r.set("mutants", words(row.mutants));
    r.set("controls", words(row.controls));
    r.set("parameters", words(row.parameters));
    r.set("fixtures", words(row.fixtures));
    r.set("operations", words(row.operations));
    r.set("exclusive", row.exclusive);
    rows.push(std::move(r));
  }
  v.set("rows", std::move(rows));
  if (table.parameters.empty()) return v;
  Value rules = Value::Map{};
  for (const ParameterRule& rule : table.parameters) rules.set(rule.name, rule_value(rule));
  v.set("parameters", std::move(rules));
  return v;
}

bool write_record(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(kRecordFd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

int protocol_main(int argc, char** argv, const Table& table) {
  try {
    return dispatch(argc, argv, table);
  } catch (const JobError& e) {
    fmt::print(stderr, "{}: {}\n", table.worker, e.what());
    return kExitJobError;
  } catch (const SubjectFailure& e) {
    fmt::print(stderr, "{}: the subject failed: {}\n", table.worker, e.what());
    return kExitSubjectFailed;
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}: a bug in this falsifier: {}\n", table.worker, e.what());
    return kExitBug;
  } catch (...) {
    fmt::print(stderr, "{}: a bug in this falsifier: an unknown object was thrown\n", table.worker);
    return kExitBug;
  }
}

}  // namespace refute::worker
