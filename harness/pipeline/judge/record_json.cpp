#include "harness/pipeline/judge/record_json.hpp"

#include <fmt/format.h>

#include "harness/digest/sha256.hpp"
#include "harness/json/json.hpp"
#include "harness/pipeline/judge/strict_map.hpp"

namespace refute::pipeline {
namespace {

using Map = Value::Map;

// What a verdict carries beside its word.
Value detail(const Survived&) {
  return Map{};
}
Value detail(const Refuted& r) {
  return Map{{"message", r.message}, {"counterexample", r.counterexample}};
}
Value detail(const Declined& d) {
  return Map{{"reason", to_string(d.reason)}, {"message", d.message}};
}
Value detail(const Crashed& c) {
  return Map{{"signal", c.signal}, {"exit_status", c.exit_status}, {"message", c.message}};
}
Value detail(const TimedOut& t) {
  return Map{{"limit_s", t.limit_s}};
}
Value detail(const Broken& b) {
  return Map{{"message", b.message}};
}
Value detail(const Nondeterministic& n) {
  return Map{{"message", n.message}};
}

Value to_value(const Coverage& c) {
  return Map{{"cases", c.cases},
             {"comparisons", c.comparisons},
             {"discards", c.discards},
             {"shrinks", c.shrinks}};
}

Value to_value(const std::vector<InputDigest>& inputs) {
  Value list = Value::List{};
  for (const InputDigest& input : inputs) {
    list.push(Map{{"name", input.name}, {"sha256", input.sha256.text}});
  }
  return list;
}

Value to_value(const std::vector<std::string>& names) {
  return Value::List(names.begin(), names.end());
}

Value to_value(const Provenance& p) {
  return Map{{"claim", p.claim.text}, {"source", p.source.text}, {"architecture", p.architecture}};
}

Value to_value(const Evidence& e) {
  const Outcome& o = e.outcome;
  return Map{
      {"schema", kRecordSchema},
      {"contract", e.contract.text},
      {"claim", e.claim.text},
      {"subject", e.subject.text},
      {"arm", to_string(e.arm)},
      {"mutant", e.mutant.text},
      {"seed", std::to_string(e.seed.value)},
      {"outcome", to_string(o.verdict)},
      {"detail", std::visit([](const auto& v) { return detail(v); }, o.verdict)},
      {"coverage", to_value(o.coverage)},
      {"domain", to_string(o.domain)},
      {"agreement", to_string(o.agreement)},
      {"result_digest", o.result_digest.text},
      {"inputs", to_value(o.inputs)},
      {"measurements", o.measurements},
      {"parameters_read", to_value(o.parameters_read)},
      {"provenance", to_value(e.provenance)},
  };
}

int small_integer(StrictMap& map, std::string_view key) {
  const std::int64_t wide = map.integer(key);
  if (wide < -1024 || wide > 1024) map.fail(key, "is no signal and no exit status");
  return static_cast<int>(wide);
}

Verdict read_verdict(std::size_t word, StrictMap& d) {
  switch (word) {
    case 0:
      return Survived{};
    case 1:
      return Refuted{d.text("message"), d.any("counterexample")};
    case 2: {
      const auto reason = static_cast<DeclineReason>(d.word("reason", kDeclineReasonNames));
      return Declined{reason, d.text("message")};
    }
    case 3: {
      const int signal = small_integer(d, "signal");
      return Crashed{signal, small_integer(d, "exit_status"), d.text("message")};
    }
    case 4:
      return TimedOut{d.number("limit_s")};
    case 5:
      return Broken{d.text("message")};
    default:
      return Nondeterministic{d.text("message")};
  }
}

Verdict take_verdict(StrictMap& map) {
  const std::size_t word = map.word("outcome", kVerdictNames);
  StrictMap d = map.map("detail");
  Verdict verdict = read_verdict(word, d);
  d.finish();
  map.absorb(d);
  return verdict;
}

Coverage take_coverage(StrictMap& map) {
  StrictMap c = map.map("coverage");
  Coverage coverage;
  coverage.cases = c.count("cases");
  coverage.comparisons = c.count("comparisons");
  coverage.discards = c.count("discards");
  coverage.shrinks = c.count("shrinks");
  c.finish();
  map.absorb(c);
  return coverage;
}

std::vector<InputDigest> take_inputs(StrictMap& map) {
  std::vector<InputDigest> inputs;
  for (const Value& item : map.list("inputs")) {
    StrictMap entry(item, "record.inputs");
    const std::string name = entry.text("name");
    inputs.push_back({name, entry.digest("sha256")});
    entry.finish();
    map.absorb(entry);
  }
  return inputs;
}

std::vector<std::string> take_names(StrictMap& map, std::string_view key) {
  std::vector<std::string> names;
  for (const Value& item : map.list(key)) {
    const std::string* name = item.as_string();
    if (name == nullptr) map.fail(key, "holds something that is no text");
    names.push_back(name == nullptr ? "" : *name);
  }
  return names;
}

Provenance take_provenance(StrictMap& map) {
  StrictMap p = map.map("provenance");
  Provenance provenance;
  provenance.claim = p.digest_or_none("claim");
  provenance.source = p.digest_or_none("source");
  provenance.architecture = p.text("architecture");
  p.finish();
  map.absorb(p);
  return provenance;
}

Evidence take_evidence(StrictMap& map) {
  Evidence e;
  if (map.integer("schema") != kRecordSchema) {
    map.fail("schema", fmt::format("is not {}, the one that this refute reads", kRecordSchema));
  }
  e.contract = {map.text("contract")};
  e.claim = {map.text("claim")};
  e.subject = {map.text("subject")};
  e.arm = static_cast<Arm>(map.word("arm", kArmNames));
  e.mutant = {map.text("mutant")};
  e.seed = {map.number_text("seed")};
  Outcome& o = e.outcome;
  o.verdict = take_verdict(map);
  o.coverage = take_coverage(map);
  o.domain = static_cast<Domain>(map.word("domain", kDomainNames));
  o.agreement = static_cast<Agreement>(map.word("agreement", kAgreementNames));
  o.result_digest = map.digest_or_none("result_digest");
  o.inputs = take_inputs(map);
  o.measurements = map.any("measurements");
  o.parameters_read = take_names(map, "parameters_read");
  e.provenance = take_provenance(map);
  return e;
}

}  // namespace

std::string record_json(const Evidence& evidence) {
  return json::dump(to_value(evidence));
}

Digest record_digest(const Evidence& evidence) {
  return sha256_of(record_json(evidence));
}

Evidence with_record(Evidence evidence) {
  evidence.record = record_digest(evidence);
  return evidence;
}

Result<Evidence> parse_record(std::string_view line) {
  Result<Value> value = json::parse(line, {.bytes = 4u << 20});
  if (!value) return value.take_error();
  StrictMap map(*value, "record");
  Evidence evidence = take_evidence(map);
  if (std::optional<Error> error = map.finish()) return *std::move(error);
  if (record_json(evidence) != line) {
    return Error{"record: the line is not in canonical form (order of members, spelling, spaces)",
                 ""};
  }
  evidence.record = sha256_of(line);
  return evidence;
}

}  // namespace refute::pipeline
