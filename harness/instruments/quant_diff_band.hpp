#pragma once

// What error is to be expected of a healthy quantiser, by format.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "harness/metrics/metric.hpp"
#include "harness/tensor/tensor_type.hpp"

namespace refute::instruments {

/// Of the relative error ‖d‖/‖reference‖.
struct ErrorBand {
  double low = 0, high = 0;
  bool lossless() const { return high == 0; }
};

/// The band for trained weights: from 10 % below to 25 % above what N(0, 1) gives for the block
/// formats and NF4, ±10 % for F16 and BF16; [2^-3/√12/2, 2^-3/√12] for E4M3 and twice that for
/// E5M2, which hold for any smooth density (uniform error inside a binade). [0, 0] where every
/// value of the reference's type exists in the other one, where both are one type, and between
/// whole numbers. Where the reference is quantised itself,
/// no lower end, and both errors together as the upper one. None for unknown types.
std::optional<ErrorBand> expected_band(const tensor::TensorType& reference,
                                       const tensor::TensorType& other);

enum class BandVerdict : std::uint8_t {
  exact,  ///< no difference, and none was to be expected
  below,  ///< the data was quantised before, or one huge value rules the norm
  inside,
  above,  ///< something is broken, or the data is far from Gaussian
  none,   ///< no band, or no relative error
};
constexpr std::array<std::string_view, 5> kBandVerdictNames = {"exact", "below", "inside", "above",
                                                               "none"};
constexpr std::string_view to_string(BandVerdict v) {
  return kBandVerdictNames[static_cast<std::size_t>(v)];
}

BandVerdict judge_band(const std::optional<ErrorBand>& band, metrics::Metric relative_error);

}  // namespace refute::instruments
