#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "harness/model/outcome.hpp"
#include "harness/worker/context.hpp"
#include "harness/worker/tensor_case.hpp"

namespace refute::worker {

/// What checking one case came to.
struct CasePassed {};
struct CaseDiscarded {};  ///< outside the claim's domain; better: generate inside it
struct CaseFailed {
  std::string message;
  Value detail;  ///< what goes into the counterexample under "element"
  std::optional<std::uint64_t>
      offender;  ///< index of the element to blame: shrinking tries it alone
};
using CaseResult = std::variant<CasePassed, CaseDiscarded, CaseFailed>;

/// Checks one case. `values` is its expansion, valid during the call; it may be called many more
/// times while shrinking.
using CaseCheck = std::function<CaseResult(const TensorCase& c, std::span<const float> values)>;

/// Runs `cases` cases from the space, or the job's replay alone, and shrinks the first that fails
/// over shape, family, seed and few elements. Survived only if as many cases passed as were asked
/// for. Cases, discards and shrinks are counted in the context. RapidCheck does the drawing and
/// shrinking, with our seed and our counts: its environment variable RC_PARAMS has no effect here.
Verdict check_property(Context& context, std::uint64_t cases, const CaseSpace& space,
                       const CaseCheck& check);

/// The failure that a comparison left behind, for returning from a check.
CaseFailed failed(const Comparator& compare);

}  // namespace refute::worker
