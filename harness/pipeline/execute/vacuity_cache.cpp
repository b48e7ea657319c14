#include "harness/pipeline/execute/vacuity_cache.hpp"

#include "harness/digest/sha256.hpp"
#include "harness/json/json.hpp"
#include "harness/pipeline/execute/fields.hpp"
#include "harness/pipeline/execute/record_check.hpp"

namespace refute::pipeline {
namespace {

// What a device does is not covered by these digests, so its jobs are always run; so is what the
// claim itself asks. The digest of a file says nothing of the scripts and libraries behind it: a
// falsifier that became vacuous there would go on living by what it once refuted.
bool cacheable(const PlannedJob& planned) {
  const Job& job = planned.job;
  return planned.declared && job.arm != Arm::subject && !job.subject.text.starts_with("cuda") &&
         !job.replay;
}

std::string key_of(const PlannedJob& planned) {
  Sha256 hash;
  hash.field("refute vacuity v1")
      .field(planned.job.id);  // contract, claim, subject, arm, mutant and seed
  hash.field(planned.provenance.claim.text).field(planned.provenance.source.text);
  for (const auto& [name, digest] : planned.fixture_digests) hash.field(name).field(digest.text);
  return hash.finish().text;
}

bool lasting(const Outcome& outcome) {
  return std::holds_alternative<Survived>(outcome.verdict) ||
         std::holds_alternative<Refuted>(outcome.verdict);
}

}  // namespace

VacuityCache::VacuityCache(LineCache& cache) : cache_(cache) {
  for (const Value& line : cache.lines()) {
    Fields fields(line);
    const std::string key = fields.filled_text("key");
    Entry entry{fields.filled_text("nonce"), fields.filled_text("record")};
    if (fields.good()) {
      entries_[key] = std::move(entry);
    } else {
      cache.warn("an entry is ignored: " + fields.problem());
    }
  }
}

std::optional<Outcome> VacuityCache::find(const PlannedJob& planned) const {
  if (!cacheable(planned)) return std::nullopt;
  const auto at = entries_.find(key_of(planned));
  if (at == entries_.end()) return std::nullopt;
  Job job = planned.job;
  job.nonce = at->second.nonce;
  ChildResult child;
  child.end = Exited{0};
  child.record = at->second.record;
  Outcome outcome = outcome_of(job, child);
  if (!lasting(outcome)) {
    cache_.warn("an entry is ignored: its record does not fit its job");
    return std::nullopt;
  }
  return outcome;
}

void VacuityCache::remember(const PlannedJob& planned, const std::string& nonce,
                            const std::string& record, const Outcome& outcome) {
  if (!cacheable(planned) || !lasting(outcome)) return;
  const std::string key = key_of(planned);
  entries_[key] = {nonce, record};
  Value line;
  line.set("key", key);
  line.set("nonce", nonce);
  line.set("record", record);
  cache_.append(line);
}

}  // namespace refute::pipeline
