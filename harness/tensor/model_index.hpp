#pragma once

// model.safetensors.index.json: which shard holds which tensor.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/result.hpp"

namespace refute::tensor {

struct ModelIndex {
  std::vector<std::string> shards;           ///< names of files beside the index, sorted
  std::map<std::string, std::string> shard;  ///< tensor → its shard
};

/// Refuses shards that are not plain file names: an index must not lead out of its folder. Errors
/// do not name the file.
Result<ModelIndex> read_model_index(std::string_view text);

}  // namespace refute::tensor
