#pragma once

// The block formats of ggml and GGUF: what a block is, how floats become blocks and how blocks
// become floats. Quantisers give, bit for bit, what ggml's reference quantisers
// (quantize_row_*_ref, no importance matrix) give on x86-64 without fused multiply-add;
// dequantisers likewise. Plain C++20, little-endian blocks, equal names and equal bits in
// cpu_scalar and cpu_simd.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace refute::kernels {

enum class GgmlFormat : std::uint8_t {
  f16,
  bf16,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  mxfp4,
};

struct GgmlFormatInfo {
  GgmlFormat format;
  std::string_view name;       ///< as `--format` takes it, lower case: "q4_k"
  std::string_view gguf_name;  ///< as GGUF tools print it: "Q4_K"
  std::uint32_t type_id;       ///< ggml_type in a GGUF file
  std::uint16_t block_size;    ///< values per block
  std::uint16_t block_bytes;
  /// Band of the relative Frobenius error ‖x − x̂‖ / ‖x‖ on N(0, 1): measured over 2^18 values, ±10
  /// % (±2 % is what seeds differ by). Below it the data was quantised before; above it something
  /// is broken or the data is far from Gaussian.
  float error_low, error_high;
};

inline constexpr std::array<GgmlFormatInfo, 14> kGgmlFormats = {{
    {GgmlFormat::f16, "f16", "F16", 1, 1, 2, 0.000187f, 0.000229f},
    {GgmlFormat::bf16, "bf16", "BF16", 30, 1, 2, 0.001496f, 0.001828f},
    {GgmlFormat::q4_0, "q4_0", "Q4_0", 2, 32, 18, 0.0773f, 0.0945f},
    {GgmlFormat::q4_1, "q4_1", "Q4_1", 3, 32, 20, 0.0703f, 0.0860f},
    {GgmlFormat::q5_0, "q5_0", "Q5_0", 6, 32, 22, 0.0384f, 0.0469f},
    {GgmlFormat::q5_1, "q5_1", "Q5_1", 7, 32, 24, 0.0340f, 0.0416f},
    {GgmlFormat::q8_0, "q8_0", "Q8_0", 8, 32, 34, 0.004814f, 0.005884f},
    {GgmlFormat::q2_k, "q2_k", "Q2_K", 10, 256, 84, 0.2668f, 0.3261f},
    {GgmlFormat::q3_k, "q3_k", "Q3_K", 11, 256, 110, 0.1357f, 0.1659f},
    {GgmlFormat::q4_k, "q4_k", "Q4_K", 12, 256, 144, 0.0642f, 0.0784f},
    {GgmlFormat::q5_k, "q5_k", "Q5_K", 13, 256, 176, 0.0325f, 0.0397f},
    {GgmlFormat::q6_k, "q6_k", "Q6_K", 14, 256, 210, 0.0159f, 0.0195f},
    {GgmlFormat::iq4_nl, "iq4_nl", "IQ4_NL", 20, 32, 18, 0.0708f, 0.0865f},
    {GgmlFormat::mxfp4, "mxfp4", "MXFP4", 39, 32, 17, 0.1034f, 0.1264f},
}};

constexpr const GgmlFormatInfo& ggml_info(GgmlFormat format) {
  return kGgmlFormats[static_cast<std::size_t>(format)];
}

/// The format of this name, upper and lower case alike ("q4_k", "Q4_K"); nothing when there is
/// none.
constexpr std::optional<GgmlFormat> ggml_format_named(std::string_view name) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    bool same = info.name.size() == name.size();
    for (std::size_t i = 0; same && i < name.size(); ++i) same = lower(name[i]) == info.name[i];
    if (same) return info.format;
  }
  return std::nullopt;
}

/// The format with this ggml_type, as a GGUF tensor carries it.
constexpr std::optional<GgmlFormat> ggml_format_of_type(std::uint32_t type_id) {
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    if (info.type_id == type_id) return info.format;
  }
  return std::nullopt;
}

/// Bytes that `count` values take; nothing when count is no multiple of the block size or the
/// product does not fit.
constexpr std::optional<std::size_t> ggml_bytes(GgmlFormat format, std::size_t count) {
  const GgmlFormatInfo& info = ggml_info(format);
  const std::size_t blocks = count / info.block_size;
  if (count % info.block_size != 0) return std::nullopt;
  if (blocks > static_cast<std::size_t>(-1) / info.block_bytes) return std::nullopt;
  return blocks * info.block_bytes;
}

enum class GgmlStatus : std::uint8_t {
  ok,
  size_mismatch,  ///< no whole number of blocks, or a span is not as long as the other one asks
  non_finite,     ///< NaN or infinity among the values; nothing was written
};

struct GgmlResult {
  GgmlStatus status = GgmlStatus::ok;
  std::size_t index = 0;  ///< of the first offending value, for non_finite
  bool operator==(const GgmlResult&) const = default;
};

/// What quantising did to one run of values x, whose quantised and dequantised form is y. d = x − y
/// is taken in f32, everything is summed in f64 over 8 virtual lanes (value i of the run goes to
/// lane i mod 8, lanes are added pairwise), so the bits do not depend on the instruction set.
struct GgmlRunError {
  double sum_d2 = 0, sum_x2 = 0, sum_y2 = 0, sum_xy = 0;
  /// Largest |d| and where it first occurs, counted from the run's start. A scale that overflowed
  /// binary16 makes y infinite or NaN: then this is infinity, and the sums are not finite.
  float max_abs = 0;
  std::size_t max_index = 0;
};

namespace cpu_scalar {
#include "kernels/ggml_functions.inc"
}
namespace cpu_simd {
#include "kernels/ggml_functions.inc"
}

}  // namespace refute::kernels
