#include "harness/pipeline/execute/plan.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fnmatch.h>

#include "harness/digest/claim_digest.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/model/near_miss.hpp"

namespace refute::pipeline {
namespace {

/// The first 64 bits of a digest.
std::uint64_t leading_bits(const Digest& digest) {
  std::uint64_t bits = 0;
  std::from_chars(digest.text.data(), digest.text.data() + 16, bits, 16);
  return bits;
}

bool matches(const std::string& glob, const std::string& text) {
  return ::fnmatch(glob.c_str(), text.c_str(), 0) == 0;
}

bool matches_any(const std::vector<std::string>& globs, const std::string& text) {
  return globs.empty() ||
         std::ranges::any_of(globs, [&](const std::string& glob) { return matches(glob, text); });
}

bool named(const std::vector<std::string>& names, const std::string& text) {
  return names.empty() || std::ranges::find(names, text) != names.end();
}

bool selected(const BoundClaim& bound, const Selection& selection) {
  const Claim& claim = *bound.claim;
  if (!matches_any(selection.claims, claim.id.text)) return false;
  if (selection.level && !claim.requirements.contains(*selection.level)) return false;
  return shard_of(bound.contract->id, claim.id, selection.shard.count) == selection.shard.index;
}

Error no_match(std::string_view what, const std::string& word,
               const std::vector<std::string>& known) {
  const std::string near = near_miss(word, known);
  return {fmt::format("no {} matches '{}'", what, word),
          near.empty() ? "refute list shows what there is" : did_you_mean(near)};
}

std::optional<Error> check_selection(const std::vector<BoundClaim>& bound,
                                     const Selection& selection) {
  std::vector<std::string> ids, subjects;
  for (const BoundClaim& b : bound) {
    ids.push_back(b.claim->id.text);
    for (const BoundSubject& subject : b.subjects) subjects.push_back(subject.name.text);
  }
  for (const std::string& glob : selection.claims) {
    const bool used =
        std::ranges::any_of(ids, [&](const std::string& id) { return matches(glob, id); });
    if (!used) return no_match("claim", glob, ids);
  }
  for (const std::string& subject : selection.subjects) {
    if (std::ranges::find(subjects, subject) == subjects.end())
      return no_match("subject", subject, subjects);
  }
  return std::nullopt;
}

Value plain_parameters(const Claim& claim) {
  Value parameters{Value::Map{}};
  for (const Parameter& parameter : claim.parameters)
    parameters.set(parameter.name, parameter.value);
  return parameters;
}

/// Makes the jobs of one claim, which differ only in subject, arm and mutant.
class ClaimPlan {
 public:
  ClaimPlan(const BoundClaim& bound, const PlanOptions& options, std::vector<PlannedJob>& out)
      : bound_(bound),
        options_(options),
        out_(out),
        digest_(claim_digest(*bound.claim)),
        parameters_(plain_parameters(*bound.claim)) {}

  void add(const BoundSubject& subject, Arm arm, MutantName mutant = {}) {
    PlannedJob planned;
    Job& job = planned.job;
    job.contract = bound_.contract->id;
    job.claim = bound_.claim->id;
    job.subject = subject.name;
    job.arm = arm;
    job.mutant = std::move(mutant);
    job.seed = job_seed(job.contract, job.claim, job.subject, options_.run_seed);
    job.parameters = parameters_;
    job.external_subject = subject.server;
    job.threads = bound_.row->exclusive ? options_.threads : 1;
    job.limits = bound_.claim->limits;
    job.id = job_id(job);
    planned.worker = bound_.worker->path;
    planned.provenance = {digest_, subject.source, ""};
    planned.exclusive = bound_.row->exclusive;
    planned.declared = subject.declared;
    planned.fixtures_wanted = bound_.row->fixtures;
    out_.push_back(std::move(planned));
  }

 private:
  const BoundClaim& bound_;
  const PlanOptions& options_;
  std::vector<PlannedJob>& out_;
  Digest digest_;
  Value parameters_;
};

void plan_vacuity(const BoundClaim& bound, const std::vector<BoundSubject>& subjects,
                  ClaimPlan& plan) {
  const Claim& claim = *bound.claim;
  if (claim.expect == Expect::refuted) {
    if (claim.control)
      plan.add({*claim.control, "", source_of(*bound.worker, *claim.control),
                declares_source(*bound.worker, *claim.control)},
               Arm::control);
    return;
  }
  // Mutants stand in for the claim's first subject, whichever subjects were selected: they are
  // about the check.
  for (const MutantName& mutant : claim.mutants)
    plan.add(bound.subjects.front(), Arm::mutant, mutant);
  for (const BoundSubject& subject : subjects) plan.add(subject, Arm::negated);
}

void plan_claim(const BoundClaim& bound, const PlanOptions& options, std::vector<PlannedJob>& out) {
  std::vector<BoundSubject> subjects;
  for (const BoundSubject& subject : bound.subjects) {
    if (named(options.selection.subjects, subject.name.text)) subjects.push_back(subject);
  }
  if (subjects.empty()) return;
  ClaimPlan plan(bound, options, out);
  for (const BoundSubject& subject : subjects) plan.add(subject, Arm::subject);
  if (options.vacuity) plan_vacuity(bound, subjects, plan);
}

std::optional<unsigned> parse_part(std::string_view text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0) return std::nullopt;
  return number;
}

}  // namespace

Result<Shard> parse_shard(std::string_view text) {
  const std::size_t slash = text.find('/');
  const Error error{fmt::format("'{}' is no shard", text), "write K/N with 1 ≤ K ≤ N, such as 2/5"};
  if (slash == std::string_view::npos) return error;
  const auto index = parse_part(text.substr(0, slash)), count = parse_part(text.substr(slash + 1));
  if (!index || !count || *index > *count) return error;
  return Shard{*index, *count};
}

unsigned shard_of(const ContractId& contract, const ClaimId& claim, unsigned count) {
  const Digest digest =
      Sha256().field("refute shard v1").field(contract.text).field(claim.text).finish();
  return static_cast<unsigned>(leading_bits(digest) % count) + 1;
}

Seed job_seed(const ContractId& contract, const ClaimId& claim, const SubjectName& subject,
              Seed run_seed) {
  return {leading_bits(Sha256()
                           .field("refute seed v1")
                           .field(contract.text)
                           .field(claim.text)
                           .field(subject.text)
                           .field(run_seed.value)
                           .finish())};
}

std::string job_id(const Job& job) {
  return Sha256()
      .field("refute job v1")
      .field(job.contract.text)
      .field(job.claim.text)
      .field(job.subject.text)
      .field(to_string(job.arm))
      .field(job.mutant.text)
      .field(job.seed.value)
      .finish()
      .text;
}

Result<std::vector<PlannedJob>> plan(const std::vector<BoundClaim>& bound,
                                     const PlanOptions& options) {
  if (auto error = check_selection(bound, options.selection)) return std::move(*error);
  std::vector<PlannedJob> jobs;
  for (const BoundClaim& claim : bound) {
    if (selected(claim, options.selection)) plan_claim(claim, options, jobs);
  }
  return jobs;
}

void attach(std::vector<PlannedJob>& jobs, const Fixtures& fixtures) {
  for (PlannedJob& planned : jobs) {
    for (const std::string& name : planned.fixtures_wanted) {
      const auto path = fixtures.paths.find(name);
      if (path == fixtures.paths.end()) continue;
      planned.job.fixtures[name] = path->second;
      planned.fixture_digests[name] = fixtures.digests.at(name);
    }
  }
}

}  // namespace refute::pipeline
