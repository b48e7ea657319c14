#include "harness/tensor/model_index.hpp"

#include <set>
#include <utility>

#include <fmt/core.h>

#include "harness/json/json.hpp"
#include "harness/tensor/text.hpp"

namespace refute::tensor {
namespace {

constexpr json::Bounds kBounds = {.bytes = 64u << 20, .depth = 16, .nodes = 2'000'000};
constexpr std::size_t kMostShards = 2048;

Error wrong(std::string what) {
  return {std::move(what),
          "an index maps each tensor under `weight_map` to the file that holds it"};
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == name.npos &&
         name.find('\0') == name.npos;
}

}  // namespace

Result<ModelIndex> read_model_index(std::string_view text) {
  auto document = json::parse(text, kBounds);
  if (!document) return wrong("not JSON: " + document.error().what);
  const Value* map = document->find("weight_map");
  if (map == nullptr || !map->is_map()) return wrong("has no `weight_map`");
  ModelIndex index;
  std::set<std::string> shards;
  for (const auto& [tensor, file] : *map->as_map()) {
    if (!file.is_string() || !is_plain_name(*file.as_string())) {
      return wrong(
          fmt::format("tensor '{}': its shard is not the name of a file in the same folder",
                      printable(tensor)));
    }
    shards.insert(*file.as_string());
    index.shard.emplace(tensor, *file.as_string());
  }
  if (shards.empty()) return wrong("its `weight_map` is empty");
  if (shards.size() > kMostShards) return wrong(fmt::format("names {} shards", shards.size()));
  index.shards.assign(shards.begin(), shards.end());
  return index;
}

}  // namespace refute::tensor
