#include "harness/instruments/quantize_loss.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace refute::instruments {
namespace {

using kernels::GgmlFormat;

// Zeros in place of a group of this size come of an overflow on the way, not of values too small.
constexpr float kNotSmall = 1;
constexpr std::uint16_t kMagnitude = 0x7FFF;

/// Where a block keeps its binary16 scales: a block that has none that is not zero is all zeros,
/// and one that has an infinite one is not finite. (ggml-common.h, block_q*.)
struct ScaleFields {
  std::array<std::uint8_t, 2> offsets;
  std::size_t count;
};

ScaleFields scale_fields(GgmlFormat format) {
  switch (format) {
    case GgmlFormat::q4_0:
    case GgmlFormat::q5_0:
    case GgmlFormat::q8_0:
    case GgmlFormat::iq4_nl:
    case GgmlFormat::f16:
    case GgmlFormat::bf16:
      return {{0, 0}, 1};
    case GgmlFormat::q4_1:
    case GgmlFormat::q5_1:
    case GgmlFormat::q4_k:
    case GgmlFormat::q5_k:
      return {{0, 2}, 2};
    case GgmlFormat::q2_k:
      return {{80, 82}, 2};
    case GgmlFormat::q3_k:
      return {{108, 0}, 1};
    case GgmlFormat::q6_k:
      return {{208, 0}, 1};
    case GgmlFormat::mxfp4:  // a power of two of its own, see mxfp4_losses
      return {{0, 0}, 0};
  }
  return {{0, 0}, 0};
}

/// The first bits pattern that is infinite or NaN.
std::uint16_t infinity_of(GgmlFormat format) {
  return format == GgmlFormat::bf16 ? 0x7F80 : 0x7C00;
}

float largest_of(std::span<const float> group) {
  float most = 0;
  for (const float v : group) most = std::max(most, std::fabs(v));
  return most;
}

/// The largest magnitude among a block's scales, as bits.
std::uint16_t largest_scale(const std::byte* block, const ScaleFields& fields) {
  std::uint16_t most = 0;
  for (std::size_t i = 0; i < fields.count; ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, block + fields.offsets[i], sizeof bits);
    most = std::max<std::uint16_t>(most, bits & kMagnitude);
  }
  return most;
}

void take_group(Losses& losses, std::size_t first, std::span<const float> group, bool finite,
                bool zeros) {
  if (finite && !zeros) {
    ++losses.alive;
    return;
  }
  const LossGroup lost{first, group.size(), largest_of(group)};
  if (finite && lost.largest == 0) return;
  if (!finite || lost.largest >= kNotSmall) {
    if (!losses.too_large) losses.too_large = lost;
    return;
  }
  ++losses.flushed;
  losses.largest_flushed = std::max(losses.largest_flushed, lost.largest);
  if (!losses.first_flushed) losses.first_flushed = lost;
}

/// The scale is a power of two from 2^-128 to 2^127, which no f32 is too large for.
Losses mxfp4_losses(std::size_t first, std::span<const float> in,
                    std::span<const std::byte> codes) {
  constexpr std::uint64_t kMagnitudes = 0x7777777777777777;
  const auto& info = kernels::ggml_info(GgmlFormat::mxfp4);
  Losses losses;
  for (std::size_t b = 0; b * info.block_size < in.size(); ++b) {
    std::array<std::uint64_t, 2> nibbles;
    std::memcpy(nibbles.data(), codes.data() + b * info.block_bytes + 1, sizeof nibbles);
    const std::size_t at = b * info.block_size;
    take_group(losses, first + at, in.subspan(at, info.block_size), true,
               ((nibbles[0] | nibbles[1]) & kMagnitudes) == 0);
  }
  return losses;
}

Losses ggml_losses(GgmlFormat format, std::size_t first, std::span<const float> in,
                   std::span<const std::byte> codes) {
  Losses losses;
  const ScaleFields fields = scale_fields(format);
  const auto& info = kernels::ggml_info(format);
  const std::uint16_t infinity = infinity_of(format);
  for (std::size_t b = 0; b * info.block_size < in.size(); ++b) {
    const std::uint16_t scale = largest_scale(codes.data() + b * info.block_bytes, fields);
    const std::size_t at = b * info.block_size;
    take_group(losses, first + at, in.subspan(at, info.block_size), scale < infinity, scale == 0);
  }
  return losses;
}

/// Codes that stand for zero, of either sign. Eight at a time: nearly always there are a few.
std::size_t zero_codes(std::span<const std::byte> codes) {
  constexpr std::uint64_t kMagnitudes = 0x7F7F7F7F7F7F7F7F, kSigns = ~kMagnitudes;
  std::size_t count = 0, at = 0;
  for (; at + 8 <= codes.size(); at += 8) {
    std::uint64_t eight;
    std::memcpy(&eight, codes.data() + at, sizeof eight);
    count += static_cast<std::size_t>(
        std::popcount(~((eight & kMagnitudes) + kMagnitudes) & kSigns));  // no byte carries
  }
  for (; at < codes.size(); ++at) count += (codes[at] & std::byte{0x7F}) == std::byte{};
  return count;
}

/// Scales are F32 and hold everything, but one huge value can leave all others too small for the
/// codes. Looked at only where most codes of a stretch are zeros.
Losses fp8_losses(std::size_t first, std::span<const float> in, std::span<const std::byte> codes) {
  Losses losses;
  losses.alive = in.size() - zero_codes(codes);
  if (2 * losses.alive > in.size()) return losses;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if ((codes[i] & std::byte{0x7F}) != std::byte{} || in[i] == 0) continue;
    ++losses.flushed;
    losses.largest_flushed = std::max(losses.largest_flushed, std::fabs(in[i]));
    if (!losses.first_flushed) losses.first_flushed = LossGroup{first + i, 1, std::fabs(in[i])};
  }
  return losses;
}

void keep_first(std::optional<LossGroup>& kept, const std::optional<LossGroup>& other) {
  if (other && (!kept || other->first < kept->first)) kept = other;
}

}  // namespace

void Losses::add(const Losses& other) {
  keep_first(too_large, other.too_large);
  alive += other.alive;
  flushed += other.flushed;
  keep_first(first_flushed, other.first_flushed);
  largest_flushed = std::max(largest_flushed, other.largest_flushed);
}

Losses find_losses(const QuantizeTarget& target, std::size_t first, std::span<const float> in,
                   std::span<const std::byte> codes) {
  const auto* ggml = std::get_if<GgmlFormat>(&target);
  if (ggml && *ggml == GgmlFormat::mxfp4) return mxfp4_losses(first, in, codes);
  if (ggml) return ggml_losses(*ggml, first, in, codes);
  if (std::holds_alternative<kernels::Fp8Format>(target)) return fp8_losses(first, in, codes);
  return {.too_large = {}, .alive = 1, .first_flushed = {}};  // NF4's absmax are the values' own
}

}  // namespace refute::instruments
