#include "harness/tensor/metadata.hpp"

#include <algorithm>

namespace refute::tensor {

const MetaValue* find(const Metadata& metadata, std::string_view key) {
  const auto found = std::ranges::find_if(metadata, [&](const auto& m) { return m.first == key; });
  return found == metadata.end() ? nullptr : &found->second;
}

}  // namespace refute::tensor
