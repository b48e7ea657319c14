#include "harness/instruments/quant_diff_codes.hpp"

#include <algorithm>
#include <cassert>
#include <limits>

#include "harness/instruments/quant_diff_faults.hpp"

namespace refute::instruments {
namespace {

using tensor::DType;

bool plain_float(const tensor::TensorType& type) {
  const auto* dtype = std::get_if<DType>(&type);
  return dtype && (*dtype == DType::f64 || *dtype == DType::f32 || *dtype == DType::f16 ||
                   *dtype == DType::bf16);
}

/// Further beyond its limit; a limit of zero is exceeded without measure.
bool worse(const CodeFault& a, const CodeFault& b) {
  return double{a.error} * b.limit > double{b.error} * a.limit;
}

void keep_worst(std::optional<CodeFault>& kept, const std::optional<CodeFault>& other) {
  if (other && (!kept || worse(*other, *kept))) kept = other;
}

}  // namespace

void CodeCheck::add(const CodeCheck& later) {
  blocks += later.blocks;
  elements += later.elements;
  over_bound += later.over_bound;
  not_nearest += later.not_nearest;
  blocks_not_nearest += later.blocks_not_nearest;
  requantised += later.requantised;
  differing += later.differing;
  other_scales += later.other_scales;
  refitted += later.refitted;
  over_by_choice += later.over_by_choice;
  stored.add(later.stored);
  again.add(later.again);
  keep_worst(worst_over_bound, later.worst_over_bound);
  keep_worst(worst_not_nearest, later.worst_not_nearest);
  keep_worst(worst_differing, later.worst_differing);
  keep_worst(worst_over_by_choice, later.worst_over_by_choice);
}

void note_over_bound(CodeCheck& check, const CodeFault& fault) {
  ++check.over_bound;
  keep_worst(check.worst_over_bound, fault);
}

void note_not_nearest(CodeCheck& check, const CodeFault& fault) {
  ++check.not_nearest;
  keep_worst(check.worst_not_nearest, fault);
}

void note_differing(CodeCheck& check, const CodeFault& fault) {
  ++check.differing;
  keep_worst(check.worst_differing, fault);
}

float beyond_middle(std::span<const float> levels, float x, float y) {
  auto level = std::ranges::lower_bound(levels, y);
  if (level == levels.end() || (level != levels.begin() && *level - y > y - *(level - 1))) --level;
  const auto [begin, end] = std::ranges::equal_range(levels, *level);
  float beyond = -std::numeric_limits<float>::infinity();
  if (end != levels.end()) beyond = std::max(beyond, x - 0.5f * (*level + *end));
  if (begin != levels.begin()) beyond = std::max(beyond, 0.5f * (*level + *(begin - 1)) - x);
  return beyond;
}

float companion_value(const tensor::Companion& scales, std::size_t index) {
  tensor::ModelTensor plain;
  plain.type = scales.type;
  plain.bytes = scales.bytes;
  plain.count = scales.bytes.size() / tensor::bytes_of(scales.type);
  float value = 0;
  (void)tensor::dequantize(plain, index, {&value, 1});
  return value;
}

bool has_code_check(const tensor::ModelTensor& reference, const tensor::ModelTensor& other) {
  if (!plain_float(reference.type)) return false;
  if (const auto* dtype = std::get_if<DType>(&other.type)) {
    const bool narrow = *dtype == DType::f16 || *dtype == DType::bf16;
    return narrow && reference.type != other.type;
  }
  if (std::holds_alternative<tensor::GroupedNf4>(other.type)) return other.nested == nullptr;
  return tensor::has_values(other.type);
}

CodeCheck check_codes(const tensor::ModelTensor& other, std::size_t first, std::span<const float> x,
                      std::span<const float> y, bool thorough) {
  assert(x.size() == y.size());
  if (const auto* format = std::get_if<kernels::GgmlFormat>(&other.type))
    return check_ggml_blocks(other, *format, first, x, y, thorough);
  if (const auto* fp8 = std::get_if<tensor::ScaledFp8>(&other.type))
    return check_fp8(other, *fp8, first, x, y);
  if (const auto* nf4 = std::get_if<tensor::GroupedNf4>(&other.type))
    return check_nf4(other, nf4->block, first, x, y);
  if (const auto* dtype = std::get_if<DType>(&other.type))
    return check_narrow_floats(other, *dtype, first, x, y);
  return {};
}

}  // namespace refute::instruments
