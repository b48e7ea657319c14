#include "harness/pipeline/judge/sample_test.hpp"

#include "harness/digest/claim_digest.hpp"
#include "harness/pipeline/judge/record_json.hpp"
#include "harness/pipeline/judge/requirement.hpp"

namespace refute::pipeline::sample {
namespace {

Claim base(const std::string& id, const std::string& rule) {
  Claim claim;
  claim.id = {id};
  claim.rule = rule;
  claim.prediction = rule;
  claim.if_fails = "the codec is wrong";
  claim.subjects = {{"cpu_scalar"}, {"cpu_simd"}};
  claim.machine_read = true;
  claim.clause = Value::Map{{"id", id}, {"rule", rule}};
  return claim;
}

}  // namespace

Claim encode_claim() {
  Claim claim = base("FALSIFY-CRUX-B-11-004", "every f16 value encodes to the nearest E4M3 code");
  claim.mutants = {{"ties_away"}, {"truncate"}};
  claim.requirements[Level::partial_algorithm_level] = {};
  claim.requirements[Level::functional].live = true;
  claim.requirements[Level::discharged].agreement = "exhaustive";
  return claim;
}

Claim round_trip_claim() {
  Claim claim = base("FALSIFY-CRUX-B-11-001", "absmax round trip keeps the relative error <= 1 %");
  claim.expect = Expect::refuted;
  claim.control = SubjectName{"five_mantissa_bits"};
  claim.requirements[Level::partial_algorithm_level] = {};
  claim.requirements[Level::functional].fixture = "minilm-l6-v2";
  return claim;
}

Claim device_claim() {
  Claim claim = base("FALSIFY-CRUX-B-11-009", "the device encodes as the oracle does");
  claim.subjects = {{"cpu_scalar"}, {"cuda"}};
  claim.mutants = {{"truncate"}};
  claim.requirements[Level::partial_algorithm_level].subjects = {{"cpu_scalar"}};
  claim.requirements[Level::functional].device = "cuda";
  claim.requirements[Level::functional].min_sm = 90;
  claim.requirements[Level::functional].subjects = {{"cuda"}};
  return claim;
}

Contract contract() {
  return {{"CRUX-B-11"},
          "1.0.0",
          "contracts/crux-B-11-v1.yaml",
          {round_trip_claim(), encode_claim(), device_claim()}};
}

Today today() {
  Today today;
  for (const Claim& claim : contract().claims) {
    Binding& binding = today.bound[claim.id];
    binding.subjects = {{"cpu_scalar"}, {"cpu_simd"}, {"cuda"}};
    binding.sources = {{"cpu", {kCpuSource}}, {"cuda", {kCudaSource}}};
  }
  today.fixtures = {{"minilm-l6-v2", {kMiniLm}}};
  today.architecture = "sm_90a";
  return today;
}

Evidence record(const Claim& claim, const std::string& subject, Verdict verdict, Arm arm,
                const std::string& mutant) {
  Evidence e;
  e.contract = {"CRUX-B-11"};
  e.claim = claim.id;
  e.subject = {subject};
  e.arm = arm;
  e.mutant = {mutant};
  e.seed = {0x9e3779b97f4a7c15};
  e.outcome.verdict = std::move(verdict);
  e.outcome.coverage = {65536, 131072, 0, 0};
  e.outcome.domain = Domain::exhaustive;
  e.outcome.agreement = Agreement::bytewise;
  e.outcome.result_digest = {std::string(64, 'f')};
  e.outcome.measurements = Value::Map{{"relative_error", 0.02646}, {"worst_row", 117}};
  e.outcome.parameters_read = {"cases"};
  e.provenance.claim = claim_digest(claim);
  const bool cuda = backend_of(e.subject) == "cuda";
  e.provenance.source = {cuda ? kCudaSource : kCpuSource};
  if (cuda) e.provenance.architecture = "sm_90a";
  return with_record(std::move(e));
}

Refuted counterexample() {
  return {"element 31 of 384: got 0x1.cp+3, wanted 0x1.dp+3",
          Value::Map{{"seed", "42"}, {"x", "0x1.cep+3"}}};
}

std::vector<Evidence> power(const Claim& claim) {
  if (claim.expect == Expect::refuted) {
    return {record(claim, claim.control->text, Survived{}, Arm::control)};
  }
  std::vector<Evidence> all;
  for (const MutantName& mutant : claim.mutants) {
    all.push_back(
        record(claim, claim.subjects.front().text, counterexample(), Arm::mutant, mutant.text));
  }
  for (const SubjectName& subject : claimed_subjects(claim)) {
    all.push_back(record(claim, subject.text, counterexample(), Arm::negated));
  }
  return all;
}

std::vector<Evidence> full(const Claim& claim) {
  std::vector<Evidence> all = power(claim);
  for (const SubjectName& subject : claimed_subjects(claim)) {
    const bool survives = claim.expect == Expect::survived;
    Evidence e = record(claim, subject.text, survives ? Verdict(Survived{}) : counterexample());
    if (!survives) {
      e.outcome.domain = Domain::fixture;
      e.outcome.agreement = Agreement::none;
      e.outcome.inputs = {{"minilm-l6-v2", {kMiniLm}}};
    }
    all.push_back(with_record(std::move(e)));
  }
  return all;
}

std::vector<Evidence> operator+(std::vector<Evidence> a, const std::vector<Evidence>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::vector<Evidence> operator+(std::vector<Evidence> a, const Evidence& b) {
  a.push_back(b);
  return a;
}

Evidence attested(Evidence evidence, const std::vector<char>& machines) {
  evidence = with_record(std::move(evidence));
  for (const char machine : machines) {
    evidence.attestations.push_back({{std::string(64, machine)}, evidence.record});
  }
  return evidence;
}

}  // namespace refute::pipeline::sample
