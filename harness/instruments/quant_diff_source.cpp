#include "harness/instruments/quant_diff_source.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>
#include <thread>

#include <fmt/format.h>

#include "harness/instruments/quantize_encoder.hpp"
#include "kernels/fp8.hpp"
#include "kernels/ggml.hpp"
#include "kernels/nf4.hpp"

namespace refute::instruments {
namespace {

using kernels::StoredFloat;
using tensor::DType;

constexpr std::size_t kPiece = 1 << 16;

std::optional<StoredFloat> stored_type(const tensor::TensorType& type) {
  const auto* dtype = std::get_if<DType>(&type);
  if (dtype == nullptr) return std::nullopt;
  if (*dtype == DType::f32) return StoredFloat::f32;
  if (*dtype == DType::f16) return StoredFloat::f16;
  if (*dtype == DType::bf16) return StoredFloat::bf16;
  return std::nullopt;
}

std::optional<Error> read_rows_interleaved(const tensor::ModelTensor& tensor, std::size_t heads,
                                           std::size_t first, std::span<float> out) {
  const std::size_t cols = tensor.cols(), rows = tensor.rows();
  assert(first % cols == 0 && out.size() % cols == 0);
  for (std::size_t at = 0; at < out.size(); at += cols) {
    const std::size_t row = source_row((first + at) / cols, rows, heads);
    if (auto error = tensor::dequantize(tensor, row * cols, out.subspan(at, cols))) return error;
  }
  return std::nullopt;
}

/// How FP8 is scaled: fp8_quantize's rule, per rectangle.
float scale_of(float absmax, float max_finite) {
  if (absmax == 0) return 1.0f;
  return std::max(absmax / max_finite, std::numeric_limits<float>::min());
}

std::size_t rectangle(const tensor::ScaledFp8& type, std::size_t cols, std::size_t index) {
  const std::size_t across = (cols + type.block_cols - 1) / type.block_cols;
  return index / cols / type.block_rows * across + index % cols / type.block_cols;
}

/// Calls body(rectangle, begin, count) for each run of a piece that one scale serves.
template <class Body>
void for_each_scaled_run(const tensor::ScaledFp8& type, std::size_t cols, std::size_t first,
                         std::size_t count, Body body) {
  for (std::size_t at = 0; at < count;) {
    const std::size_t col = (first + at) % cols;
    const std::size_t end = std::min(cols, (col / type.block_cols + 1) * type.block_cols);
    const std::size_t run = std::min(count - at, end - col);
    body(rectangle(type, cols, first + at), at, run);
    at += run;
  }
}

/// Largest magnitudes, rectangle by rectangle; the maximum does not depend on who comes first.
class Fp8Peaks {
 public:
  Fp8Peaks(const TensorPair& pair, const tensor::ScaledFp8& type, std::size_t cols)
      : pair_(pair),
        type_(type),
        cols_(cols),
        peaks_(rectangle(type, cols, pair.reference->count - 1) + 1) {}

  std::vector<float> find(unsigned threads) {
    {
      std::vector<std::jthread> pool;
      for (unsigned t = 1; t < threads; ++t) pool.emplace_back([this] { work(); });
      work();
    }
    return std::move(peaks_);
  }

 private:
  void work() {
    std::vector<float> buffer;
    const std::size_t count = pair_.reference->count;
    for (std::size_t first = kPiece * next_++; first < count; first = kPiece * next_++) {
      const auto piece = values(first, std::min(kPiece, count - first), buffer);
      for_each_scaled_run(type_, cols_, first, piece.size(),
                          [&](std::size_t of, std::size_t begin, std::size_t n) {
                            raise(peaks_[of], absmax_of(piece.subspan(begin, n)).value);
                          });
    }
  }

  static void raise(float& peak, float to) {
    const std::atomic_ref<float> shared(peak);
    float seen = shared.load(std::memory_order_relaxed);
    while (seen < to && !shared.compare_exchange_weak(seen, to)) {
    }
  }

  /// Where they lie, or read. What cannot be read is reported by the pass itself.
  std::span<const float> values(std::size_t first, std::size_t count, std::vector<float>& buffer) {
    const auto in_place = tensor::floats_in_place(*pair_.reference);
    if (in_place && !pair_.adjust_reference.any()) return in_place->subspan(first, count);
    buffer.resize(count);
    if (read_adjusted(*pair_.reference, pair_.adjust_reference, first, buffer)) return {};
    return buffer;
  }

  const TensorPair& pair_;
  const tensor::ScaledFp8& type_;
  std::size_t cols_;
  std::atomic<std::size_t> next_ = 0;
  std::vector<float> peaks_;
};

std::vector<float> fp8_scales(const TensorPair& pair, const tensor::ScaledFp8& type,
                              std::size_t cols, unsigned threads) {
  if (pair.reference->count == 0) return {};
  std::vector<float> scales = Fp8Peaks(pair, type, cols).find(threads);
  for (float& s : scales) s = scale_of(s, kernels::fp8_max_finite(type.format));
  return scales;
}

void fp8_round_trip(const tensor::ScaledFp8& type, std::span<const float> scales, std::size_t cols,
                    std::size_t first, std::span<const float> x, std::span<float> y) {
  std::vector<std::uint8_t> codes(x.size());
  const auto each = [&](auto body) { for_each_scaled_run(type, cols, first, x.size(), body); };
  each([&](std::size_t of, std::size_t begin, std::size_t count) {
    for (std::size_t i = begin; i < begin + count; ++i) y[i] = x[i] / scales[of];
  });
  kernels::cpu_simd::fp8_encode(y, codes, {.format = type.format});
  kernels::cpu_simd::fp8_decode(codes, y, type.format);
  each([&](std::size_t of, std::size_t begin, std::size_t count) {
    for (std::size_t i = begin; i < begin + count; ++i) y[i] *= scales[of];
  });
}

std::optional<Error> nf4_round_trip(std::span<const float> x, std::span<float> y) {
  std::vector<std::uint8_t> codes(x.size());
  std::vector<float> absmax(x.size() / kernels::kNf4Block);
  const auto there = kernels::cpu_simd::nf4_quantize(
      x, 1, x.size(), kernels::Nf4Decision::thresholds, codes, absmax);
  const auto back = kernels::cpu_simd::nf4_dequantize(codes, absmax, 1, x.size(), y);
  if (there.status == kernels::Nf4Status::ok && back.status == kernels::Nf4Status::ok)
    return std::nullopt;
  return Error{"NF4 takes whole blocks of 64 finite values", ""};
}

std::optional<Error> ggml_round_trip(kernels::GgmlFormat format, std::span<const float> x,
                                     std::span<float> y) {
  std::vector<std::uint8_t> blocks(kernels::ggml_bytes(format, x.size()).value_or(0));
  const auto there = kernels::cpu_simd::ggml_quantize(format, x, blocks);
  const auto back = kernels::cpu_simd::ggml_dequantize(format, blocks, y);
  if (there.status == kernels::GgmlStatus::ok && back.status == kernels::GgmlStatus::ok)
    return std::nullopt;
  return Error{
      fmt::format("{} takes whole blocks of {} finite values", kernels::ggml_info(format).gguf_name,
                  kernels::ggml_info(format).block_size),
      ""};
}

}  // namespace

std::optional<kernels::StoredRun> stored_in_place(const tensor::ModelTensor& tensor,
                                                  const Adjustment& adjust) {
  const auto type = stored_type(tensor.type);
  if (!type || adjust.any()) return std::nullopt;
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.bytes.data());
  if (address % kernels::bytes_of(*type) != 0) return std::nullopt;
  return kernels::StoredRun{*type, tensor.bytes.data()};
}

std::size_t source_row(std::size_t row, std::size_t rows, std::size_t heads) {
  const std::size_t per_head = rows / heads;
  const std::size_t head = row / per_head, within = row % per_head;
  return head * per_head + within % 2 * (per_head / 2) + within / 2;
}

std::optional<Error> read_adjusted(const tensor::ModelTensor& tensor, const Adjustment& adjust,
                                   std::size_t first, std::span<float> out) {
  auto error = adjust.heads != 0 ? read_rows_interleaved(tensor, adjust.heads, first, out)
                                 : tensor::dequantize(tensor, first, out);
  if (error) return error;
  if (adjust.plus_one) {
    for (float& v : out) v += 1.0f;
  }
  return std::nullopt;
}

InMemory::InMemory(const TensorPair& pair, unsigned threads)
    : pair_(pair), cols_(std::max<std::size_t>(1, pair.reference->cols())) {
  if (const auto* fp8 = std::get_if<tensor::ScaledFp8>(&pair.as))
    scales_ = fp8_scales(pair, *fp8, cols_, threads);
}

std::optional<Error> InMemory::round_trip(std::size_t first, std::span<const float> x,
                                          std::span<float> y) {
  if (const auto* format = std::get_if<kernels::GgmlFormat>(&pair_.as))
    return ggml_round_trip(*format, x, y);
  if (std::holds_alternative<tensor::GroupedNf4>(pair_.as)) return nf4_round_trip(x, y);
  if (const auto* fp8 = std::get_if<tensor::ScaledFp8>(&pair_.as)) {
    fp8_round_trip(*fp8, scales_, cols_, first, x, y);
    return std::nullopt;
  }
  return Error{fmt::format("nothing quantises to {} in memory", tensor::to_string(pair_.as)), ""};
}

}  // namespace refute::instruments
