#pragma once

#include <string>
#include <vector>

#include "harness/model/ids.hpp"
#include "harness/model/job.hpp"
#include "harness/model/outcome.hpp"

namespace refute {

/// The digests on which a record's freshness rests.
struct Provenance {
  Digest claim;   ///< the normalised clause and its equation
  Digest source;  ///< the worker's source closure for the subject's backend, compiler and numeric
                  ///< flags
  std::string architecture;  ///< of the device, for GPU evidence ("sm_90a"); else empty
  bool operator==(const Provenance&) const = default;
};

/// A machine that reproduced the record byte for byte.
struct Attestation {
  Digest machine;
  Digest record;
  auto operator<=>(const Attestation&) const = default;
};

/// One job and what came of it: the unit that levels are computed from.
struct Evidence {
  ContractId contract;
  ClaimId claim;
  SubjectName subject;
  Arm arm = Arm::subject;
  MutantName mutant;
  Seed seed;
  Outcome outcome;
  Provenance provenance;
  Digest record;  ///< of the canonical record, which holds no clock, host, path or duration
  std::vector<Attestation> attestations;
};

}  // namespace refute
