// Stored values as f32, piece by piece.

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include <fmt/core.h>

#include "harness/tensor/model_file.hpp"
#include "harness/tensor/text.hpp"
#include "kernels/fp8.hpp"
#include "kernels/ggml.hpp"

namespace refute::tensor {
namespace {

std::span<const std::uint8_t> as_codes(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

template <class T>
T element(std::span<const std::byte> bytes, std::size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

template <class T>
void convert(std::span<const std::byte> bytes, std::size_t first, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<float>(element<T>(bytes, first + i));
}

void from_blocks(kernels::GgmlFormat format, std::span<const std::byte> bytes, std::size_t first,
                 std::span<float> out) {
  const auto& info = kernels::ggml_info(format);
  const std::size_t begin = first / info.block_size * info.block_bytes;
  const std::size_t size = out.size() / info.block_size * info.block_bytes;
  const auto done =
      kernels::cpu_simd::ggml_dequantize(format, as_codes(bytes.subspan(begin, size)), out);
  assert(done.status == kernels::GgmlStatus::ok);
  (void)done;
}

void from_plain(DType type, std::span<const std::byte> bytes, std::size_t first,
                std::span<float> out) {
  switch (type) {
    case DType::boolean:  // any byte but 0 is true, as in the peers
    case DType::u8:
      return convert<std::uint8_t>(bytes, first, out);
    case DType::i8:
      return convert<std::int8_t>(bytes, first, out);
    case DType::f8_e4m3:
      return kernels::cpu_simd::fp8_decode(as_codes(bytes.subspan(first, out.size())), out,
                                           kernels::Fp8Format::e4m3);
    case DType::f8_e5m2:
      return kernels::cpu_simd::fp8_decode(as_codes(bytes.subspan(first, out.size())), out,
                                           kernels::Fp8Format::e5m2);
    case DType::u16:
      return convert<std::uint16_t>(bytes, first, out);
    case DType::i16:
      return convert<std::int16_t>(bytes, first, out);
    case DType::f16:
      return from_blocks(kernels::GgmlFormat::f16, bytes, first, out);
    case DType::bf16:
      return from_blocks(kernels::GgmlFormat::bf16, bytes, first, out);
    case DType::u32:
      return convert<std::uint32_t>(bytes, first, out);
    case DType::i32:
      return convert<std::int32_t>(bytes, first, out);
    case DType::f32:
      if (!out.empty()) std::memcpy(out.data(), bytes.data() + 4 * first, 4 * out.size());
      return;
    case DType::u64:
      return convert<std::uint64_t>(bytes, first, out);
    case DType::i64:
      return convert<std::int64_t>(bytes, first, out);
    case DType::f64:
      return convert<double>(bytes, first, out);
  }
}

float companion_value(const Companion& scales, std::size_t index) {
  float value;
  from_plain(scales.type, scales.bytes, index, {&value, 1});
  return value;
}

std::size_t blocks_of(std::size_t extent, std::size_t block) {
  return extent / block + (extent % block != 0);
}

/// value = code · scale, one run of values under the same scale after the other.
void from_fp8(const ModelTensor& tensor, const ScaledFp8& type, std::size_t first,
              std::span<float> out) {
  const auto codes = as_codes(tensor.bytes.subspan(first, out.size()));
  const std::size_t cols = tensor.cols(), grid_cols = blocks_of(cols, type.block_cols);
  for (std::size_t i = 0; i < out.size();) {
    const std::size_t row = (first + i) / cols, col = (first + i) % cols;
    const std::size_t block_end = std::min(cols, (col / type.block_cols + 1) * type.block_cols);
    const std::size_t run = std::min(out.size() - i, block_end - col);
    const float scale =
        companion_value(tensor.scales, row / type.block_rows * grid_cols + col / type.block_cols);
    const auto done = kernels::cpu_simd::fp8_dequantize(codes.subspan(i, run), {&scale, 1},
                                                        {.rows = 1, .cols = run}, type.format,
                                                        out.subspan(i, run));
    assert(done.status == kernels::Fp8Status::ok);
    (void)done;
    i += run;
  }
}

float nf4_absmax(const ModelTensor& tensor, std::size_t block) {
  if (tensor.nested == nullptr) return companion_value(tensor.scales, block);
  const NestedScales& nested = *tensor.nested;
  const auto code = element<std::uint8_t>(tensor.scales.bytes, block);
  return nested.map[code] * companion_value(nested.absmax, block / nested.block) + nested.offset;
}

/// Both values of a byte, the high nibble's first.
using Pairs = std::array<std::array<float, 2>, 256>;

Pairs pairs_of(const std::vector<float>& codebook) {
  Pairs pairs;
  for (std::size_t b = 0; b < 256; ++b) pairs[b] = {codebook[b >> 4], codebook[b & 15]};
  return pairs;
}

/// Codes `first` … of one block; a byte that is cut in two gives one value.
void from_nf4_run(const Pairs& pairs, std::span<const std::uint8_t> codes, std::size_t first,
                  float absmax, std::span<float> out) {
  std::size_t i = 0;
  if (first % 2 != 0 && !out.empty()) out[i++] = pairs[codes[first / 2]][1] * absmax;
  for (; i + 2 <= out.size(); i += 2) {
    const auto& pair = pairs[codes[(first + i) / 2]];
    out[i] = pair[0] * absmax;
    out[i + 1] = pair[1] * absmax;
  }
  if (i < out.size()) out[i] = pairs[codes[(first + i) / 2]][0] * absmax;
}

void from_nf4(const ModelTensor& tensor, std::size_t block, std::size_t first,
              std::span<float> out) {
  const Pairs pairs = pairs_of(tensor.codebook);
  const auto codes = as_codes(tensor.bytes);
  for (std::size_t i = 0; i < out.size();) {
    const std::size_t run = std::min(out.size() - i, block - (first + i) % block);
    const float absmax = nf4_absmax(tensor, (first + i) / block);
    from_nf4_run(pairs, codes, first + i, absmax, out.subspan(i, run));
    i += run;
  }
}

}  // namespace

std::optional<Error> dequantize(const ModelTensor& tensor, std::size_t first,
                                std::span<float> out) {
  [[maybe_unused]] const std::size_t block = values_per_block(tensor.type);
  assert(first <= tensor.count && out.size() <= tensor.count - first);
  assert(first % block == 0 && (out.size() % block == 0 || first + out.size() == tensor.count));
  if (out.empty() && has_values(tensor.type)) return std::nullopt;
  if (const auto* plain = std::get_if<DType>(&tensor.type)) {
    from_plain(*plain, tensor.bytes, first, out);
  } else if (const auto* ggml = std::get_if<kernels::GgmlFormat>(&tensor.type)) {
    from_blocks(*ggml, tensor.bytes, first, out);
  } else if (const auto* fp8 = std::get_if<ScaledFp8>(&tensor.type)) {
    from_fp8(tensor, *fp8, first, out);
  } else if (const auto* nf4 = std::get_if<GroupedNf4>(&tensor.type)) {
    from_nf4(tensor, nf4->block, first, out);
  } else {
    return Error{fmt::format("tensor '{}' has type {}, which cannot be read here",
                             printable(tensor.name), to_string(tensor.type)),
                 ""};
  }
  return std::nullopt;
}

double exact_value(const ModelTensor& tensor, std::size_t index) {
  const auto* plain = std::get_if<DType>(&tensor.type);
  if (plain == nullptr) return std::numeric_limits<double>::quiet_NaN();
  if (*plain == DType::f64) return element<double>(tensor.bytes, index);
  if (*plain == DType::i64) return static_cast<double>(element<std::int64_t>(tensor.bytes, index));
  if (*plain == DType::u64) return static_cast<double>(element<std::uint64_t>(tensor.bytes, index));
  if (*plain == DType::i32) return element<std::int32_t>(tensor.bytes, index);
  if (*plain == DType::u32) return element<std::uint32_t>(tensor.bytes, index);
  float value = 0;
  from_plain(*plain, tensor.bytes, index, {&value, 1});
  return value;
}

std::optional<std::size_t> beyond_f32(const ModelTensor& tensor, std::size_t first,
                                      std::span<const float> values) {
  if (tensor.type != TensorType(DType::f64)) return std::nullopt;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isinf(values[i]) && std::isfinite(element<double>(tensor.bytes, first + i))) return i;
  }
  return std::nullopt;
}

std::optional<std::span<const float>> floats_in_place(const ModelTensor& tensor) {
  if (tensor.type != TensorType(DType::f32)) return std::nullopt;
  if (reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % alignof(float) != 0)
    return std::nullopt;
  return std::span(reinterpret_cast<const float*>(tensor.bytes.data()), tensor.count);
}

}  // namespace refute::tensor
