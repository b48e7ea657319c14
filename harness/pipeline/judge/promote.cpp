#include "harness/pipeline/judge/promote.hpp"

#include <algorithm>
#include <map>

#include "harness/digest/claim_digest.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/pipeline/judge/judge.hpp"
#include "harness/pipeline/judge/ledger_json.hpp"

namespace refute::pipeline {
namespace {

/// Declined, timed out and broken runs are no evidence of anything.
bool is_evidence(const Evidence& e) {
  const Verdict& v = e.outcome.verdict;
  return !std::holds_alternative<Declined>(v) && !std::holds_alternative<TimedOut>(v) &&
         !std::holds_alternative<Broken>(v);
}

/// Knows of each record whether it is fresh today.
class Sieve {
 public:
  Sieve(const std::vector<Contract>& contracts, const Today& today) : today_(today) {
    for (const Contract& contract : contracts) {
      for (const Claim& claim : contract.claims) {
        digests_[{contract.id, claim.id}] = claim_digest(claim);
      }
    }
  }

  bool is_fresh(const Evidence& e) const {
    const auto digest = digests_.find({e.contract, e.claim});
    const auto binding = today_.bound.find(e.claim);
    return digest != digests_.end() && binding != today_.bound.end() &&
           freshness(digest->second, binding->second, today_, e).fresh();
  }

 private:
  const Today& today_;
  std::map<std::pair<ContractId, ClaimId>, Digest> digests_;
};

bool knows(const Evidence& committed, const std::vector<Attestation>& attestations) {
  return std::ranges::all_of(attestations, [&](const Attestation& a) {
    return std::ranges::find(committed.attestations, a) != committed.attestations.end();
  });
}

}  // namespace

Result<Promotion> plan_promotion(const std::vector<Contract>& contracts, const Today& today,
                                 const std::vector<Evidence>& committed,
                                 const std::vector<Evidence>& run) {
  const Sieve sieve(contracts, today);
  Promotion promotion;
  std::map<Digest, Evidence> kept;
  for (Evidence& e : merge(committed)) {
    if (sieve.is_fresh(e)) {
      kept.emplace(e.record, std::move(e));
    } else {
      ++promotion.dropped;
    }
  }
  std::vector<Evidence> all;
  for (Evidence& e : merge(run)) {
    if (!is_evidence(e) || !sieve.is_fresh(e)) {
      ++promotion.left_out;
      continue;
    }
    const auto old = kept.find(e.record);
    promotion.added += old == kept.end();
    promotion.attested += old != kept.end() && !knows(old->second, e.attestations);
    all.push_back(std::move(e));
  }
  for (auto& [record, e] : kept) all.push_back(std::move(e));
  promotion.records = static_cast<int>(all.size());
  Result<EvidenceFiles> files = to_files(all);
  if (!files) return files.take_error();
  promotion.files = *std::move(files);
  promotion.ledger = judge(contracts, today, all);
  promotion.ledger_text = ledger_json(promotion.ledger, sha256_of(promotion.files.at(kManifest)));
  return promotion;
}

}  // namespace refute::pipeline
