#pragma once

#include "harness/model/contract.hpp"
#include "harness/model/ids.hpp"

namespace refute {

/// What a record's freshness rests on: the claim's normalised clause and the equation it binds to,
/// not the file that they stand in. Limits, prose in `test:` and typed statuses are not part of it.
Digest claim_digest(const Claim& claim);

}  // namespace refute
