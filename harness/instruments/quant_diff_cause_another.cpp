// Tensors that were mixed up.

#include <fmt/format.h>

#include "harness/instruments/quant_diff_cause_guesses.hpp"
#include "harness/tensor/text.hpp"

namespace refute::instruments {
namespace {

/// Whether the other tensor of `pair` could stand in the place of the one under question.
bool may_be_mixed_up(const CauseSearch& search, const TensorPair& pair) {
  const tensor::ModelTensor* here = search.pair().other;
  return pair.other && pair.other != here && pair.other->shape == here->shape &&
         pair.other->type == here->type;
}

}  // namespace

std::optional<Cause> values_of_another(CauseSearch& search, std::span<const TensorPair> pairs) {
  for (const TensorPair& pair : pairs) {
    if (!may_be_mixed_up(search, pair)) continue;
    const auto error = search.explains(search.other(*pair.other));
    if (!error) continue;
    // The other way round, the two have changed places.
    std::size_t enough = 4 * pair.reference->count;
    CauseSearch back(pair, search.band(), enough);
    const bool swapped = pair.reference->shape == search.pair().reference->shape &&
                         back.explains(back.other(*search.pair().other)).has_value();
    const std::string name = tensor::printable(pair.other->name);
    return Cause{swapped ? "it has changed places with " + name
                         : "its values stand in " + name + ", and others here",
                 *error};
  }
  return std::nullopt;
}

}  // namespace refute::instruments
