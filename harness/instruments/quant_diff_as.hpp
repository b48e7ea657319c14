#pragma once

// A model against what quantising it in memory gives: nothing is written.

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "harness/instruments/quant_diff.hpp"
#include "kernels/fp8.hpp"
#include "kernels/ggml.hpp"

namespace refute::instruments {

struct AsFp8 {
  kernels::Fp8Format format{};
  kernels::Fp8Granularity granularity = kernels::Fp8Granularity::tensor;
};
struct AsNf4 {};
using AsFormat = std::variant<kernels::GgmlFormat, AsFp8, AsNf4>;

/// "q4_k" and the other block formats, "f16", "bf16", "fp8-e4m3", "fp8-e5m2", "nf4"; upper and
/// lower case alike.
std::optional<AsFormat> as_format_named(std::string_view name);
std::vector<std::string> as_format_names();

/// What the tensor becomes; nothing for what a quantiser of models leaves alone: whole numbers,
/// what is quantised already, vectors, and rows that are no whole number of blocks.
std::optional<tensor::TensorType> quantised_type(const tensor::ModelTensor& tensor,
                                                 const AsFormat& as);

/// Rows only of the tensors that are quantised; a note counts the others.
Result<DiffReport> diff_in_memory(const tensor::ModelFile& model, const AsFormat& as,
                                  const DiffOptions& options);

}  // namespace refute::instruments
