#include "harness/instruments/quant_diff_census.hpp"

namespace refute::instruments {
namespace {

/// Takes what is finite as F64 out of the infinite ones. What is adjusted is no F64 any more.
void tell_wide_apart(SideCensus& side, const tensor::ModelTensor& tensor, std::size_t first,
                     std::span<const float> values) {
  for (std::size_t at = 0; at < values.size(); ++at) {
    const auto wide = tensor::beyond_f32(tensor, first + at, values.subspan(at));
    if (!wide) return;
    at += *wide;
    ++side.beyond_f32;
    --(values[at] > 0 ? side.counts.positive_infinity : side.counts.negative_infinity);
  }
}

}  // namespace

SideCensus census_of(const tensor::ModelTensor& tensor, const Adjustment& adjusted,
                     std::size_t first, std::span<const float> values) {
  SideCensus side{.counts = metrics::census(values), .first = {}};
  if (!side.counts.first) return side;
  side.first = first + *side.counts.first;
  if (!adjusted.any()) tell_wide_apart(side, tensor, first, values);
  return side;
}

void add_side(SideCensus& side, const SideCensus& later) {
  side.counts.nan += later.counts.nan;
  side.counts.positive_infinity += later.counts.positive_infinity;
  side.counts.negative_infinity += later.counts.negative_infinity;
  side.beyond_f32 += later.beyond_f32;
  if (!side.first) side.first = later.first;
}

}  // namespace refute::instruments
