#pragma once

#include <string>
#include <vector>

#include "harness/model/contract.hpp"
#include "harness/model/diagnostic.hpp"
#include "harness/pipeline/execute/registry.hpp"

namespace refute::pipeline {

/// A subject that a claim is tried against.
struct BoundSubject {
  SubjectName name;
  std::string server;  ///< path of the subject server that computes; empty: the falsifier's own
  Digest source;       ///< what the evidence rests on
  /// The worker itself says what its evidence rests on. Else `source` is the digest of a file, and
  /// a script may change behind it.
  bool declared = false;
};

/// A claim and the row that tries to refute it. Points into the contracts and the registry that it
/// was bound from.
struct BoundClaim {
  const Contract* contract = nullptr;
  const Claim* claim = nullptr;
  const WorkerInfo* worker = nullptr;
  const Row* row = nullptr;
  std::vector<BoundSubject> subjects;  ///< the claim's in its order, then subject servers
};

struct Bindings {
  std::vector<BoundClaim> bound;  ///< in the order of the contracts
  Diagnostics diagnostics;        ///< RF08xx, in the order of the contracts
};

/// Joins claims and rows by id, and compares what each side says of the other. Not called `bind`:
/// that would find std::bind through its arguments.
Bindings bind_claims(const std::vector<Contract>& contracts, const Registry& registry);

bool has_errors(const Diagnostics& diagnostics);

}  // namespace refute::pipeline
