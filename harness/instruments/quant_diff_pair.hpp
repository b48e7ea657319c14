#pragma once

// Which tensor of one model belongs to which of the other.

#include <string>
#include <utility>
#include <vector>

#include "harness/instruments/quant_diff_pass.hpp"
#include "harness/model/result.hpp"
#include "harness/tensor/model_file.hpp"

namespace refute::instruments {

struct Pairing {
  std::vector<TensorPair> pairs;  ///< in the reference's order; shapes may still differ
  std::vector<const tensor::ModelTensor*> missing, extra;
  std::vector<std::string> notes;
};

using NameMap = std::vector<std::pair<std::string, std::string>>;

/// By the map first, then by equal names, then by what Hugging Face and GGUF call the same tensor.
/// Where one side is GGUF and the other is not, what the conversion does to values is undone:
/// interleaved rows of queries and keys (general.architecture llama), one added to norms (gemma).
/// Only what the glob matches by one of its names counts. An
/// error when the map names a tensor that is not there, or one twice.
Result<Pairing> pair_tensors(const tensor::ModelFile& reference, const tensor::ModelFile& other,
                             const NameMap& map, const std::string& glob);

/// Lines of two names, the reference's first, separated by blanks; `#` begins a comment.
Result<NameMap> parse_name_map(const std::string& text, const std::string& path);

}  // namespace refute::instruments
