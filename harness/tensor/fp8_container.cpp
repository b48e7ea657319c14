#include "harness/tensor/fp8_container.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <fmt/core.h>
#include <fmt/ranges.h>

namespace refute::tensor {
namespace {

constexpr std::array<std::string_view, 2> kSuffixes = {"_scale", "_scale_inv"};

std::optional<kernels::Fp8Format> fp8_format(const TensorType& type) {
  const auto* plain = std::get_if<DType>(&type);
  if (plain != nullptr && *plain == DType::f8_e4m3) return kernels::Fp8Format::e4m3;
  if (plain != nullptr && *plain == DType::f8_e5m2) return kernels::Fp8Format::e5m2;
  return std::nullopt;
}

std::size_t blocks_of(std::size_t extent, std::size_t block) {
  return extent / block + (extent % block != 0);
}

/// The block that divides `extent` into `pieces`.
std::optional<std::size_t> block_for(std::size_t extent, std::size_t pieces) {
  if (pieces == 0 || extent == 0) return std::nullopt;
  if (pieces == extent) return 1;
  if (pieces == 1) return extent;
  if (blocks_of(extent, 128) == pieces) return 128;
  if (extent % pieces == 0) return extent / pieces;
  return std::nullopt;
}

bool is_scale_type(const TensorType& type) {
  const auto* plain = std::get_if<DType>(&type);
  return plain != nullptr &&
         (*plain == DType::f32 || *plain == DType::f16 || *plain == DType::bf16);
}

/// Why these scales do not belong to these codes, or nothing after joining them.
std::optional<std::string> join(ModelTensor& codes, kernels::Fp8Format format,
                                const ModelTensor& scales) {
  if (!is_scale_type(scales.type)) return fmt::format("scales of type {}", to_string(scales.type));
  const auto grid = fp8_grid(format, codes.rows(), codes.cols(), scales.shape);
  if (!grid) {
    return fmt::format("scales of shape [{}] for a shape of [{}]", fmt::join(scales.shape, ", "),
                       fmt::join(codes.shape, ", "));
  }
  codes.type = *grid;
  codes.scales = {.name = scales.name, .type = std::get<DType>(scales.type), .bytes = scales.bytes};
  return std::nullopt;
}

}  // namespace

std::optional<ScaledFp8> fp8_grid(kernels::Fp8Format format, std::size_t rows, std::size_t cols,
                                  std::span<const std::size_t> scale_shape) {
  std::size_t count = 1;
  for (const std::size_t extent : scale_shape) count *= extent;
  if (count == 1)
    return ScaledFp8{format, std::max<std::size_t>(rows, 1), std::max<std::size_t>(cols, 1)};
  if (scale_shape.size() == 1) {  // a plain list is one scale a row
    if (scale_shape[0] != rows) return std::nullopt;
    return ScaledFp8{format, 1, cols};
  }
  const std::size_t grid_cols = scale_shape.back();
  const auto block_cols = block_for(cols, grid_cols);
  const auto block_rows = block_for(rows, grid_cols == 0 ? 0 : count / grid_cols);
  if (!block_rows || !block_cols) return std::nullopt;
  return ScaledFp8{format, *block_rows, *block_cols};
}

void join_fp8(std::vector<ModelTensor>& tensors) {
  std::unordered_map<std::string_view, std::size_t> by_name;
  for (std::size_t i = 0; i < tensors.size(); ++i) by_name.emplace(tensors[i].name, i);
  std::unordered_set<std::size_t> joined;
  for (ModelTensor& codes : tensors) {
    const auto format = fp8_format(codes.type);
    if (!format) continue;
    for (const std::string_view suffix : kSuffixes) {
      const auto found = by_name.find(codes.name + std::string(suffix));
      if (found == by_name.end()) continue;
      const ModelTensor& scales = tensors[found->second];
      if (const auto problem = join(codes, *format, scales)) {
        codes.type = UnknownType{fmt::format("{} ({})", to_string(codes.type), *problem), true};
      } else {
        joined.insert(found->second);
      }
      break;
    }
  }
  std::size_t at = 0;
  std::erase_if(tensors, [&](const ModelTensor&) { return joined.contains(at++); });
}

}  // namespace refute::tensor
