// FP8 on vectors: Highway compiles this file once per instruction set and picks one at the first
// call.

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>

#include "kernels/cpu/fp8_shape.hpp"
#include "kernels/fp8.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/fp8_simd.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>
//
#include "kernels/cpu/fp8_simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace refute::kernels::HWY_NAMESPACE {

/// Calls body with the codec type of a mode: the one place where a mode known at run time becomes
/// one known at compile time.
template <Fp8Format kFormat, class Body>
HWY_INLINE void WithFormat(Fp8Mode mode, Body body) {
  using enum Fp8Rounding;
  using enum Fp8Overflow;
  const bool saturate = mode.overflow == satfinite;
  if (mode.rounding == ties_even) {
    saturate ? body(Fp8Codec<kFormat, ties_even, satfinite>())
             : body(Fp8Codec<kFormat, ties_even, nonsat>());
  } else {
    saturate ? body(Fp8Codec<kFormat, ties_lower, satfinite>())
             : body(Fp8Codec<kFormat, ties_lower, nonsat>());
  }
}

template <class Body>
HWY_INLINE void WithCodec(Fp8Mode mode, Body body) {
  if (mode.format == Fp8Format::e4m3) return WithFormat<Fp8Format::e4m3>(mode, body);
  WithFormat<Fp8Format::e5m2>(mode, body);
}

void EncodeF32(const float* in, std::uint8_t* out, std::size_t count, Fp8Mode mode) {
  WithCodec(mode,
            [=](auto codec) HWY_ATTR { EncodeLoop<decltype(codec)>(Single(), in, out, count); });
}

void EncodeF16(const std::uint16_t* in, std::uint8_t* out, std::size_t count, Fp8Mode mode) {
  if (mode.format == Fp8Format::e4m3) {
    WithFormat<Fp8Format::e4m3>(mode, [=](auto codec) HWY_ATTR {
      EncodeLoop<decltype(codec)>(HalfForE4m3(), in, out, count);
    });
  } else {
    WithFormat<Fp8Format::e5m2>(
        mode, [=](auto codec) HWY_ATTR { EncodeHalfToE5m2<decltype(codec)>(in, out, count); });
  }
}

void EncodeBf16(const std::uint16_t* in, std::uint8_t* out, std::size_t count, Fp8Mode mode) {
  WithCodec(mode,
            [=](auto codec) HWY_ATTR { EncodeLoop<decltype(codec)>(Brain(), in, out, count); });
}

void EncodeQuotient(const float* in, float scale, std::uint8_t* out, std::size_t count,
                    Fp8Mode mode) {
  WithCodec(mode, [=](auto codec)
                      HWY_ATTR { EncodeLoop<decltype(codec)>(Quotient{scale}, in, out, count); });
}

void DecodeScaled(const std::uint8_t* in, float scale, float* out, std::size_t count,
                  Fp8Format format) {
  if (format == Fp8Format::e4m3) return DecodeLoop<Fp8Format::e4m3>(in, scale, out, count);
  DecodeLoop<Fp8Format::e5m2>(in, scale, out, count);
}

std::uint32_t MaxBits(const float* in, std::size_t count) {
  return MaxMagnitudeBits(in, count);
}

}  // namespace refute::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refute::kernels {

HWY_EXPORT(EncodeF32);
HWY_EXPORT(EncodeF16);
HWY_EXPORT(EncodeBf16);
HWY_EXPORT(EncodeQuotient);
HWY_EXPORT(DecodeScaled);
HWY_EXPORT(MaxBits);

namespace cpu_simd {
namespace {

constexpr std::uint32_t kInfinityBits = 0x7F800000u;

std::uint32_t max_bits(std::span<const float> x) {
  return HWY_DYNAMIC_DISPATCH(MaxBits)(x.data(), x.size());
}

std::size_t first_non_finite(std::span<const float> w) {
  return static_cast<std::size_t>(
      std::ranges::find_if(w, [](float x) { return !std::isfinite(x); }) - w.begin());
}

float scale_for(std::uint32_t absmax_bits, Fp8Format format) {
  if (absmax_bits == 0) return 1.0f;
  const float scale = std::bit_cast<float>(absmax_bits) / fp8_max_finite(format);
  return std::max(scale, std::numeric_limits<float>::min());
}

}  // namespace

void fp8_encode(std::span<const float> in, std::span<std::uint8_t> out, Fp8Mode mode) {
  assert(in.size() == out.size());
  HWY_DYNAMIC_DISPATCH(EncodeF32)(in.data(), out.data(), in.size(), mode);
}

void fp8_encode_f16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out, Fp8Mode mode) {
  assert(in.size() == out.size());
  HWY_DYNAMIC_DISPATCH(EncodeF16)(in.data(), out.data(), in.size(), mode);
}

void fp8_encode_bf16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out, Fp8Mode mode) {
  assert(in.size() == out.size());
  HWY_DYNAMIC_DISPATCH(EncodeBf16)(in.data(), out.data(), in.size(), mode);
}

void fp8_decode(std::span<const std::uint8_t> in, std::span<float> out, Fp8Format format) {
  assert(in.size() == out.size());
  HWY_DYNAMIC_DISPATCH(DecodeScaled)(in.data(), 1.0f, out.data(), in.size(), format);
}

Fp8QuantizeResult fp8_quantize(std::span<const float> w, Fp8Layout layout, Fp8Mode mode,
                               std::span<std::uint8_t> codes, std::span<float> scales) {
  if (!fp8_sizes_fit(layout, w.size(), codes.size(), scales.size()))
    return {Fp8Status::size_mismatch};
  const std::uint32_t tensor_max = max_bits(w);
  if (tensor_max >= kInfinityBits) return {Fp8Status::non_finite, first_non_finite(w)};
  const auto [count, length] = fp8_groups(layout);
  for (std::size_t g = 0; g < count; ++g) {
    const auto group = w.subspan(g * length, length);
    scales[g] = scale_for(count == 1 ? tensor_max : max_bits(group), mode.format);
    HWY_DYNAMIC_DISPATCH(EncodeQuotient)
    (group.data(), scales[g], codes.data() + g * length, length, mode);
  }
  return {};
}

Fp8QuantizeResult fp8_dequantize(std::span<const std::uint8_t> codes, std::span<const float> scales,
                                 Fp8Layout layout, Fp8Format format, std::span<float> out) {
  if (!fp8_sizes_fit(layout, out.size(), codes.size(), scales.size()))
    return {Fp8Status::size_mismatch};
  const auto [count, length] = fp8_groups(layout);
  for (std::size_t g = 0; g < count; ++g) {
    HWY_DYNAMIC_DISPATCH(DecodeScaled)
    (codes.data() + g * length, scales[g], out.data() + g * length, length, format);
  }
  return {};
}

}  // namespace cpu_simd
}  // namespace refute::kernels
#endif  // HWY_ONCE
