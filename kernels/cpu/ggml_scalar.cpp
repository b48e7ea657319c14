// The table of scalar codecs and the three entry points over it.

#include <algorithm>

#include "kernels/cpu/ggml_entry.hpp"
#include "kernels/cpu/ggml_k.hpp"
#include "kernels/cpu/ggml_plain.hpp"

namespace refute::kernels {
namespace ggml_detail {
namespace {

template <std::uint16_t (*kNarrow)(float)>
void narrow_blocks(const float* x, std::uint8_t* y, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) store_u16(y + 2 * i, kNarrow(x[i]));
}

template <float (*kWiden)(std::uint16_t)>
void widen_blocks(const std::uint8_t* y, float* x, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) x[i] = kWiden(load_u16(y + 2 * i));
}

template <auto kFit, auto kFinish>
void quantize_k(const float* x, std::uint8_t* y) {
  KFits fits = kFit(x);
  kFinish(x, fits, choose_codes, y);
}

template <auto kQuantize, auto kDequantize, GgmlFormat kFormat>
constexpr BlockCodec codec_of() {
  constexpr std::size_t kValues = ggml_info(kFormat).block_size;
  constexpr std::size_t kBytes = ggml_info(kFormat).block_bytes;
  return {quantize_each<kQuantize, kValues, kBytes>, dequantize_each<kDequantize, kValues, kBytes>};
}

/// In the order of GgmlFormat.
constexpr std::array<BlockCodec, kGgmlFormats.size()> kCodecs = {{
    {narrow_blocks<float_to_half>, widen_blocks<half_to_float>},
    {narrow_blocks<float_to_brain>, widen_blocks<brain_to_float>},
    codec_of<quantize_q4_0, dequantize_q4_0, GgmlFormat::q4_0>(),
    codec_of<quantize_q4_1, dequantize_q4_1, GgmlFormat::q4_1>(),
    codec_of<quantize_q5_0, dequantize_q5_0, GgmlFormat::q5_0>(),
    codec_of<quantize_q5_1, dequantize_q5_1, GgmlFormat::q5_1>(),
    codec_of<quantize_q8_0, dequantize_q8_0, GgmlFormat::q8_0>(),
    codec_of<quantize_k<fit_q2_k, finish_q2_k>, dequantize_q2_k, GgmlFormat::q2_k>(),
    codec_of<quantize_k<fit_q3_k, finish_q3_k>, dequantize_q3_k, GgmlFormat::q3_k>(),
    codec_of<quantize_k<fit_q4_k, finish_q4_k>, dequantize_q4_k, GgmlFormat::q4_k>(),
    codec_of<quantize_k<fit_q5_k, finish_q5_k>, dequantize_q5_k, GgmlFormat::q5_k>(),
    codec_of<quantize_k<fit_q6_k, finish_q6_k>, dequantize_q6_k, GgmlFormat::q6_k>(),
    {quantize_iq4_nl_blocks, dequantize_each<dequantize_iq4_nl, kBlock, kIq4NlBytes>},
    codec_of<quantize_mxfp4, dequantize_mxfp4, GgmlFormat::mxfp4>(),
}};

}  // namespace

const BlockCodec& scalar_codec(GgmlFormat format) {
  return kCodecs[static_cast<std::size_t>(format)];
}

const Kernels& scalar_kernels() {
  static constexpr Kernels kKernels = {
      .codec = scalar_codec, .first_non_finite = first_non_finite, .compare = compare_run};
  return kKernels;
}

void round_trip_scalar(GgmlFormat format, const float* x, float* y) {
  std::array<std::uint8_t, 2 * kBlock> block;
  scalar_codec(format).quantize(x, block.data(), 1);
  scalar_codec(format).dequantize(block.data(), y, 1);
}

}  // namespace ggml_detail

namespace cpu_scalar {
namespace {

const ggml_detail::Kernels& kernels() {
  return ggml_detail::scalar_kernels();
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

}  // namespace cpu_scalar
}  // namespace refute::kernels
