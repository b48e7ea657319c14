#include <algorithm>
#include <map>

#include "harness/pipeline/judge/evidence.hpp"
#include "harness/pipeline/judge/record_json.hpp"

namespace refute::pipeline {

std::vector<Evidence> merge(std::vector<Evidence> evidence) {
  std::map<Digest, Evidence> by_record;
  for (Evidence& e : evidence) {
    if (e.record.empty()) e = with_record(std::move(e));
    std::vector<Attestation> attestations = std::move(e.attestations);
    Evidence& kept = by_record.try_emplace(e.record, std::move(e)).first->second;
    std::erase_if(attestations, [&](const Attestation& a) { return a.record != kept.record; });
    kept.attestations.insert(kept.attestations.end(), attestations.begin(), attestations.end());
  }
  std::vector<Evidence> merged;
  for (auto& [record, e] : by_record) {
    std::ranges::sort(e.attestations);
    e.attestations.erase(std::ranges::unique(e.attestations).begin(), e.attestations.end());
    merged.push_back(std::move(e));
  }
  return merged;
}

}  // namespace refute::pipeline
