#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace refute {

/// A string with a meaning of its own, so that a claim id cannot be handed over where a subject is
/// wanted.
template <class Tag>
struct Name {
  std::string text;

  bool empty() const { return text.empty(); }
  auto operator<=>(const Name&) const = default;
};

using ContractId = Name<struct ContractTag>;  ///< "CRUX-B-11"
using ClaimId = Name<struct ClaimTag>;        ///< "FALSIFY-CRUX-B-11-001", "C-NF4-002"
using SubjectName =
    Name<struct SubjectTag>;                ///< "cpu_scalar", "cpu_simd", "cuda", or somebody's own
using MutantName = Name<struct MutantTag>;  ///< "ties_away"
using Digest =
    Name<struct DigestTag>;  ///< SHA-256 in 64 lower-case hex digits; empty when there is none

/// The one number from which every generated input follows.
struct Seed {
  std::uint64_t value = 0;
  auto operator<=>(const Seed&) const = default;
};

}  // namespace refute
