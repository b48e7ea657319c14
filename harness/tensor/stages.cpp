#include "harness/tensor/stages.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "harness/model/near_miss.hpp"
#include "harness/tensor/text.hpp"

namespace refute::tensor {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string_view trim(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::vector<std::string> known_names() {
  std::vector<std::string> names;
  for (const StageRow& row : kStages) names.emplace_back(row.name);
  for (const StageRow& row : kStages) {
    if (!row.alias.empty()) names.emplace_back(row.alias);
  }
  names.emplace_back("all");
  return names;
}

Error unknown_stage(std::string_view name) {
  const std::vector<std::string> names = known_names();
  const std::string near = near_miss(name, names);
  return {name.empty() ? "a stage without a name" : fmt::format("no stage '{}'", printable(name)),
          fmt::format("{}the stages are {}", near.empty() ? "" : did_you_mean(near) + " ",
                      fmt::join(names, ", "))};
}

std::optional<std::uint32_t> layer_number(std::string_view text) {
  std::uint32_t value = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || at != end) return std::nullopt;
  return value;
}

}  // namespace

bool layer_fits(Stage stage, std::uint32_t layer) {
  switch (row_of(stage).scope) {
    case StageScope::first_layer:
      return layer == 0;
    case StageScope::every_layer:
      return layer != kWholeModel;
    case StageScope::whole_model:
      return layer == kWholeModel;
  }
  return false;
}

Result<Stage> parse_stage(std::string_view name) {
  const std::string wanted = lower(trim(name));
  for (const StageRow& row : kStages) {
    if (wanted == row.name || (!row.alias.empty() && wanted == row.alias)) return row.stage;
  }
  return unknown_stage(trim(name));
}

Result<std::vector<Stage>> parse_stages(std::string_view list) {
  std::array<bool, kStageCount> chosen{};
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    const std::string_view name = list.substr(begin, end - begin);
    begin = end + 1;
    if (lower(trim(name)) == "all") {
      chosen.fill(true);
      continue;
    }
    const auto stage = parse_stage(name);
    if (!stage) return stage.error();
    chosen[static_cast<std::size_t>(*stage)] = true;
  }
  std::vector<Stage> stages;
  for (const StageRow& row : kStages) {
    if (chosen[static_cast<std::size_t>(row.stage)]) stages.push_back(row.stage);
  }
  return stages;
}

Result<LayerRange> parse_layers(std::string_view text) {
  const std::size_t dots = text.find("..");
  const Error malformed = {fmt::format("layers '{}' are no range", printable(text)),
                           "write A..B, the first layer and the one after the last: 0..2 is "
                           "layers 0 and 1"};
  if (dots == std::string_view::npos) return malformed;
  const auto begin = layer_number(text.substr(0, dots));
  const auto end = layer_number(text.substr(dots + 2));
  if (!begin || !end) return malformed;
  if (*begin >= *end) {
    return Error{fmt::format("layers {}..{} are none: the end is exclusive", *begin, *end),
                 fmt::format("{0}..{1} is layer {0} alone", *begin, std::uint64_t{*begin} + 1)};
  }
  return LayerRange{*begin, *end};
}

std::string stage_file(Stage stage, std::uint32_t layer) {
  if (layer == kWholeModel) return fmt::format("{}.bin", to_string(stage));
  return fmt::format("layer-{}/{}.bin", layer, to_string(stage));
}

}  // namespace refute::tensor
