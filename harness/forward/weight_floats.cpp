#include "harness/forward/weight_floats.hpp"

#include <algorithm>
#include <cassert>
#include <mutex>
#include <vector>

#include "kernels/cpu/attention_parallel.hpp"

namespace refute::forward {

using tensor::FloatView;
using tensor::ModelTensor;

Result<FloatView> floats_of(const ModelTensor& t, unsigned threads) {
  if (const auto in_place = floats_in_place(t)) return FloatView(*in_place);
  constexpr std::size_t kPiece = std::size_t{1} << 18;
  const std::size_t block = values_per_block(t.type);
  const std::size_t piece = std::max(block, kPiece / block * block);
  std::vector<float> values(t.count);
  std::optional<Error> failure;
  std::mutex failing;
  kernels::attention_parallel((t.count + piece - 1) / piece, threads, [&](std::size_t i) {
    const std::size_t first = i * piece;
    const auto out = std::span(values).subspan(first, std::min(piece, t.count - first));
    if (auto error = dequantize(t, first, out)) {
      const std::lock_guard lock(failing);
      failure = std::move(error);
    }
  });
  if (failure) return *failure;
  return FloatView(std::move(values));
}

std::optional<Error> read_floats(const ModelTensor& t, std::size_t first, std::span<float> out) {
  const std::size_t block = values_per_block(t.type);
  const std::size_t begin = first / block * block;
  const std::size_t end = std::min(t.count, (first + out.size() + block - 1) / block * block);
  if (begin == first && end == first + out.size()) return dequantize(t, first, out);
  std::vector<float> whole(end - begin);
  if (auto error = dequantize(t, begin, whole)) return error;
  std::ranges::copy(std::span(whole).subspan(first - begin, out.size()), out.begin());
  return std::nullopt;
}

std::vector<float> in_hf_order(std::span<const float> rows, std::size_t heads, std::size_t head_dim,
                               std::size_t cols) {
  assert(rows.size() == heads * head_dim * cols && head_dim % 2 == 0);
  std::vector<float> out(rows.size());
  const std::size_t half = head_dim / 2;
  for (std::size_t h = 0; h < heads; ++h) {
    for (std::size_t i = 0; i < half; ++i) {
      for (std::size_t j = 0; j < 2; ++j) {
        const std::size_t from = h * head_dim + 2 * i + j, to = h * head_dim + j * half + i;
        std::copy_n(&rows[from * cols], cols, &out[to * cols]);
      }
    }
  }
  return out;
}

}  // namespace refute::forward
