#include "harness/instruments/quant_diff_band.hpp"

#include <cmath>

#include "kernels/ggml.hpp"

namespace refute::instruments {
namespace {

using kernels::GgmlFormat;
using tensor::DType;
using tensor::TensorType;

constexpr double kE4m3High = 0.125 / 3.4641016151377544;  // 2^-3/√12
// Rows of trained weights have heavier tails than N(0, 1), and blocks pay for their peaks: over the
// matrices of a trained encoder (all-MiniLM-L6-v2) each block format was off by up to 1.22 times
// what N(0, 1) gives. The table allows 1.1 times.
constexpr double kTrained = 1.25 / 1.1;
// 40 seeds of 2^18 values of N(0, 1) lie in [0.0918, 0.0924].
constexpr ErrorBand kNf4 = {0.9 * 0.0921, 1.25 * 0.0921};

ErrorBand band_of(GgmlFormat format) {
  const kernels::GgmlFormatInfo& info = kernels::ggml_info(format);
  if (info.block_size == 1) return {info.error_low, info.error_high};
  return {info.error_low, kTrained * info.error_high};
}

/// Binary digits of a significand, and the largest exponent: what decides whether one type of plain
/// numbers holds every value of another.
struct Plain {
  int digits, exponent;
};

std::optional<Plain> plain(DType type) {
  switch (type) {
    case DType::f64:
      return Plain{53, 1023};
    case DType::f32:
      return Plain{24, 127};
    case DType::bf16:
      return Plain{8, 127};
    case DType::f16:
      return Plain{11, 15};
    case DType::f8_e4m3:
      return Plain{4, 8};
    case DType::f8_e5m2:
      return Plain{3, 15};
    case DType::boolean:
    case DType::u8:
    case DType::i8:
    case DType::u16:
    case DType::i16:
    case DType::u32:
    case DType::i32:
    case DType::u64:
    case DType::i64:
      return std::nullopt;
  }
  return std::nullopt;
}

bool holds_all_of(DType narrow, DType wide) {
  if (narrow == wide) return true;
  const auto n = plain(narrow), w = plain(wide);
  return n && w && n->digits <= w->digits && n->exponent <= w->exponent;
}

/// What storing arbitrary floats as this type costs.
std::optional<ErrorBand> cost_of(const TensorType& type) {
  if (const auto* format = std::get_if<GgmlFormat>(&type)) return band_of(*format);
  if (const auto* fp8 = std::get_if<tensor::ScaledFp8>(&type)) {
    const double high = fp8->format == kernels::Fp8Format::e4m3 ? kE4m3High : 2 * kE4m3High;
    return ErrorBand{high / 2, high};
  }
  if (std::holds_alternative<tensor::GroupedNf4>(type)) return kNf4;
  const auto* dtype = std::get_if<DType>(&type);
  if (dtype == nullptr) return std::nullopt;
  // Codes that were cast without a scale; where the scales are missing, the error is beyond it.
  if (*dtype == DType::f8_e4m3) return ErrorBand{kE4m3High / 2, kE4m3High};
  if (*dtype == DType::f8_e5m2) return ErrorBand{kE4m3High, 2 * kE4m3High};
  if (*dtype == DType::f16) return band_of(GgmlFormat::f16);
  if (*dtype == DType::bf16) return band_of(GgmlFormat::bf16);
  if (*dtype == DType::f32 || *dtype == DType::f64) return ErrorBand{0, 0x1p-24};
  return std::nullopt;
}

}  // namespace

std::optional<ErrorBand> expected_band(const TensorType& reference, const TensorType& other) {
  const auto* from = std::get_if<DType>(&reference);
  const auto* to = std::get_if<DType>(&other);
  if (reference == other && tensor::has_values(reference)) return ErrorBand{0, 0};
  if (from && to && !tensor::is_floating(reference) && !tensor::is_floating(other))
    return ErrorBand{0, 0};
  if (from && to && holds_all_of(*from, *to)) return ErrorBand{0, 0};
  const auto cost = cost_of(other);
  if (!cost) return std::nullopt;
  if (from && (*from == DType::f32 || *from == DType::f64)) return cost;
  // Values with few digits of their own may survive another type with few digits unharmed.
  if (from) return to ? ErrorBand{0, cost->high} : *cost;
  const auto before = cost_of(reference);
  if (!before) return std::nullopt;
  return ErrorBand{0, std::hypot(before->high, cost->high)};
}

BandVerdict judge_band(const std::optional<ErrorBand>& band, metrics::Metric relative_error) {
  if (!band || !relative_error.defined()) return BandVerdict::none;
  if (band->lossless()) {
    return relative_error.at_most(0) ? BandVerdict::exact : BandVerdict::above;
  }
  if (!relative_error.at_most(band->high)) return BandVerdict::above;
  return relative_error.at_least(band->low) ? BandVerdict::inside : BandVerdict::below;
}

}  // namespace refute::instruments
