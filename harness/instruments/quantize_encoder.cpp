#include "harness/instruments/quantize_encoder.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>

#include "kernels/nf4.hpp"

namespace refute::instruments {
namespace {

using kernels::Fp8Format;
using kernels::Fp8Granularity;
using kernels::GgmlFormat;

constexpr std::size_t kStep = 16384;  // 64 KiB of f32: what a core's own cache holds

std::span<std::uint8_t> as_codes(std::span<std::byte> bytes) {
  return {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()};
}

/// Output buffers come from operator new[], and batches are whole steps, so floats are aligned.
std::span<float> as_floats(std::span<std::byte> bytes) {
  assert(reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(float) == 0);
  return {reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)};
}

/// Whole rows of about kStep values.
std::size_t whole_rows(std::size_t cols) {
  return std::max<std::size_t>(1, kStep / cols) * cols;
}

/// The reference quantiser of IQ4_NL is called row by row, which can be seen in blocks of zeros.
std::size_t ggml_step(GgmlFormat format, std::size_t cols) {
  return format == GgmlFormat::iq4_nl ? cols : kStep;
}

Encoder ggml_encoder(GgmlFormat format, std::size_t cols) {
  const auto& info = kernels::ggml_info(format);
  return {.step = ggml_step(format, cols),
          .block_values = info.block_size,
          .block_bytes = info.block_bytes,
          .encode = [format](std::span<const float> in, std::span<std::byte> codes,
                             std::span<std::byte>, Scratch&) -> std::optional<std::size_t> {
            const auto done = kernels::cpu_simd::ggml_quantize(format, in, as_codes(codes));
            assert(done.status != kernels::GgmlStatus::size_mismatch);
            if (done.status == kernels::GgmlStatus::non_finite) return done.index;
            return std::nullopt;
          }};
}

Encoder fp8_by_tensor(Fp8Format format, float scale) {
  return {.step = kStep,
          .encode = [format, scale](std::span<const float> in, std::span<std::byte> codes,
                                    std::span<std::byte>,
                                    Scratch& scratch) -> std::optional<std::size_t> {
            const auto scaled = scratch.scaled(in.size());
            for (std::size_t i = 0; i < in.size(); ++i) scaled[i] = in[i] / scale;
            kernels::cpu_simd::fp8_encode(scaled, as_codes(codes), {.format = format});
            return std::nullopt;  // finding the scale has found what is not finite
          }};
}

Encoder fp8_by_row(Fp8Format format, Fp8Granularity granularity, std::size_t block,
                   std::size_t cols) {
  return {.step = whole_rows(cols),
          .scale_values = granularity == Fp8Granularity::channel ? cols : block,
          .encode = [=](std::span<const float> in, std::span<std::byte> codes,
                        std::span<std::byte> scales, Scratch&) -> std::optional<std::size_t> {
            const kernels::Fp8Layout layout{in.size() / cols, cols, granularity, block};
            const auto done = kernels::cpu_simd::fp8_quantize(in, layout, {.format = format},
                                                              as_codes(codes), as_floats(scales));
            assert(done.status != kernels::Fp8Status::size_mismatch);
            if (done.status == kernels::Fp8Status::non_finite) return done.index;
            return std::nullopt;
          }};
}

/// Two codes a byte, the first in the high nibble, as bitsandbytes has them.
void pack_pairs(std::span<const std::uint8_t> codes, std::span<std::byte> packed) {
  for (std::size_t i = 0; i < packed.size(); ++i)
    packed[i] = static_cast<std::byte>(codes[2 * i] << 4 | codes[2 * i + 1]);
}

Encoder nf4_encoder() {
  return {
      .step = kStep,
      .block_values = 2,
      .scale_values = kernels::kNf4Block,
      .encode = [](std::span<const float> in, std::span<std::byte> packed,
                   std::span<std::byte> absmax, Scratch& scratch) -> std::optional<std::size_t> {
        const auto codes = scratch.codes(in.size());
        const auto done = kernels::cpu_simd::nf4_quantize(
            in, 1, in.size(), kernels::Nf4Decision::thresholds, codes, as_floats(absmax));
        assert(done.status == kernels::Nf4Status::ok ||
               done.status == kernels::Nf4Status::non_finite);
        if (done.status == kernels::Nf4Status::non_finite) return done.index;
        pack_pairs(codes, packed);
        return std::nullopt;
      }};
}

}  // namespace

Encoder make_encoder(const tensor::ModelTensor& tensor, const QuantizeOptions& options,
                     float fp8_scale) {
  if (const auto* ggml = std::get_if<GgmlFormat>(&options.target))
    return ggml_encoder(*ggml, tensor.cols());
  if (std::holds_alternative<Nf4Target>(options.target)) return nf4_encoder();
  const Fp8Format format = std::get<Fp8Format>(options.target);
  if (options.granularity == Fp8Granularity::tensor) return fp8_by_tensor(format, fp8_scale);
  return fp8_by_row(format, options.granularity, options.block, tensor.cols());
}

float fp8_tensor_scale(Fp8Format format, float absmax) {
  std::uint8_t code = 0;
  float scale = 1;
  const auto done = kernels::cpu_simd::fp8_quantize({&absmax, 1}, {.rows = 1, .cols = 1},
                                                    {.format = format}, {&code, 1}, {&scale, 1});
  assert(done.status == kernels::Fp8Status::ok);
  (void)done;
  return scale;
}

AbsMax absmax_of(std::span<const float> values) {
  // Magnitudes compare as integers do, and NaN and infinity are the largest of them. Lanes, so that
  // a compiler can use vectors.
  constexpr std::int32_t kInfinity = 0x7F800000;
  constexpr std::size_t kLanes = 16;
  const auto magnitude = [&](std::size_t i) {
    return std::bit_cast<std::int32_t>(values[i]) & 0x7FFFFFFF;
  };
  std::array<std::int32_t, kLanes> lanes = {};
  const std::size_t whole = values.size() - values.size() % kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      const std::int32_t m = magnitude(i + j);
      lanes[j] = m > lanes[j] ? m : lanes[j];
    }
  }
  for (std::size_t i = whole; i < values.size(); ++i) lanes[0] = std::max(lanes[0], magnitude(i));
  const std::int32_t most = *std::ranges::max_element(lanes);
  if (most < kInfinity) return {.value = std::bit_cast<float>(most), .non_finite = {}};
  const auto bad = std::ranges::find_if(values, [](float v) { return !std::isfinite(v); });
  return {.value = std::numeric_limits<float>::infinity(),
          .non_finite = static_cast<std::size_t>(bad - values.begin())};
}

}  // namespace refute::instruments
