#include "harness/digest/claim_digest.hpp"

#include "harness/digest/sha256.hpp"

namespace refute {

Digest claim_digest(const Claim& claim) {
  return Sha256().field("refute claim v1").value(claim.clause).finish();
}

}  // namespace refute
