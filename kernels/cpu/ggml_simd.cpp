// ggml's block formats on vectors: Highway compiles this file once per instruction set and picks
// one at the first call.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <iterator>

#include "kernels/cpu/ggml_entry.hpp"
#include "kernels/cpu/ggml_k.hpp"
#include "kernels/cpu/ggml_k_fit.hpp"
#include "kernels/cpu/ggml_plain.hpp"
#include "kernels/ggml.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/ggml_simd.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>
//
#include "kernels/cpu/ggml_simd_common-inl.hpp"
//
#include "kernels/cpu/ggml_simd_headers-inl.hpp"
//
#include "kernels/cpu/ggml_simd_plain-inl.hpp"
//
#include "kernels/cpu/ggml_simd_dequantize-inl.hpp"
#include "kernels/cpu/ggml_simd_error-inl.hpp"
#include "kernels/cpu/ggml_simd_k-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace refute::kernels::HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR
const ggml_detail::Kernels& KernelsOfTarget() {
  return ggml_detail::scalar_kernels();
}
#else

constexpr std::size_t bytes_of(GgmlFormat format) {
  return ggml_info(format).block_bytes;
}

/// The loops over blocks have to be compiled for the target too, or nothing could be inlined into
/// them.
template <auto kOne, std::size_t kValues, std::size_t kBytes>
void QuantizeEach(const float* x, std::uint8_t* y, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b) kOne(x + b * kValues, y + b * kBytes);
}

template <auto kOne, std::size_t kValues, std::size_t kBytes>
void DequantizeEach(const std::uint8_t* y, float* x, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b) kOne(y + b * kBytes, x + b * kValues);
}

template <GgmlFormat kFormat, auto kEncode, auto kDequantize>
constexpr gd::BlockCodec PlainCodec() {
  return {QuantizeByBatches<kFormat, kEncode>,
          DequantizeEach<kDequantize, gd::kBlock, bytes_of(kFormat)>};
}

template <auto kFit, FinishBlock kFinish, std::size_t kCount, auto kDequantize, GgmlFormat kFormat>
constexpr gd::BlockCodec SuperCodec() {
  return {QuantizeSuperBlocks<kFit, kFinish, kCount, bytes_of(kFormat)>,
          DequantizeEach<kDequantize, gd::kSuper, bytes_of(kFormat)>};
}

/// In the order of GgmlFormat.
constexpr std::array<gd::BlockCodec, kGgmlFormats.size()> kCodecs = {{
    {QuantizeSixteenBits<GgmlFormat::f16>, DequantizeSixteenBits<GgmlFormat::f16>},
    {QuantizeSixteenBits<GgmlFormat::bf16>, DequantizeSixteenBits<GgmlFormat::bf16>},
    PlainCodec<GgmlFormat::q4_0, EncodeCentred<8>, DequantizeQ4_0>(),
    PlainCodec<GgmlFormat::q4_1, EncodeAffine<15>, DequantizeQ4_1>(),
    PlainCodec<GgmlFormat::q5_0, EncodeCentred<16>, DequantizeQ5_0>(),
    PlainCodec<GgmlFormat::q5_1, EncodeAffine<31>, DequantizeQ5_1>(),
    PlainCodec<GgmlFormat::q8_0, EncodeQ8_0, DequantizeQ8_0>(),
    SuperCodec<FitAffineGroups<gd::kQ2kSearch, 16>, gd::finish_q2_k, 16, DequantizeQ2K,
               GgmlFormat::q2_k>(),
    SuperCodec<FitCentredGroups<FitQ3>, gd::finish_q3_k, 16, DequantizeQ3K, GgmlFormat::q3_k>(),
    SuperCodec<FitAffineGroups<gd::kQ4kSearch, 32>, gd::finish_q4_k, 32, DequantizeQ4K,
               GgmlFormat::q4_k>(),
    SuperCodec<FitAffineGroups<gd::kQ5kSearch, 32>, gd::finish_q5_k, 32, DequantizeQ5K,
               GgmlFormat::q5_k>(),
    SuperCodec<FitCentredGroups<FitQ6>, gd::finish_q6_k, 16, DequantizeQ6K, GgmlFormat::q6_k>(),
    {QuantizeIq4NlBlocks,
     DequantizeEach<DequantizeIq4Nl, gd::kBlock, bytes_of(GgmlFormat::iq4_nl)>},
    {QuantizeEach<QuantizeMxfp4, gd::kBlock, bytes_of(GgmlFormat::mxfp4)>,
     DequantizeEach<DequantizeMxfp4, gd::kBlock, bytes_of(GgmlFormat::mxfp4)>},
}};

const gd::BlockCodec& CodecOf(GgmlFormat format) {
  return kCodecs[static_cast<std::size_t>(format)];
}

const gd::Kernels& KernelsOfTarget() {
  static constexpr gd::Kernels kKernels = {.codec = CodecOf,
                                           .first_non_finite = FirstNonFinite,
                                           .compare = CompareRun,
                                           .round_trip = RoundTripOf};
  return kKernels;
}

#endif  // HWY_SCALAR

}  // namespace refute::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refute::kernels {

HWY_EXPORT(KernelsOfTarget);

namespace cpu_simd {
namespace {

const ggml_detail::Kernels& kernels() {
  return HWY_DYNAMIC_DISPATCH(KernelsOfTarget)();
}

}  // namespace

GgmlResult ggml_quantize(GgmlFormat format, std::span<const float> in,
                         std::span<std::uint8_t> out) {
  return ggml_detail::quantize(kernels(), format, in, out);
}

GgmlResult ggml_dequantize(GgmlFormat format, std::span<const std::uint8_t> in,
                           std::span<float> out) {
  return ggml_detail::dequantize(kernels(), format, in, out);
}

GgmlResult ggml_quantize_error(GgmlFormat format, std::span<const float> in, std::size_t run,
                               std::span<GgmlRunError> out) {
  return ggml_detail::quantize_error(kernels(), format, in, run, out);
}

}  // namespace cpu_simd
}  // namespace refute::kernels
#endif  // HWY_ONCE
