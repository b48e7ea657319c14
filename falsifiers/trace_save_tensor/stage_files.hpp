#pragma once

// Stage files and manifests as their format is published, read without any of the product's own
// readers of them.

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fixtures/generators/tiny_decoder.hpp"
#include "harness/model/value.hpp"

namespace refute::falsifiers {

inline constexpr std::uint32_t kNoLayer = 0xFFFFFFFF;

struct StageBytes {
  std::string bytes;  ///< the whole file; empty where there is none
  bool well_formed = false;
  std::uint32_t layer = 0;
  std::vector<float> values;
};
StageBytes read_stage_bytes(const std::string& path);

/// Every regular file below a folder, by its path there, with its bytes.
std::vector<std::pair<std::string, std::string>> files_below(const std::string& folder);
/// Their paths that end in .bin.
std::set<std::string> stages_below(const std::string& folder);

std::string stage_path(std::string_view stage, std::uint32_t layer);

/// The stages of one layer of such a model, in forward order, with naive attention.
std::vector<std::string> layer_stages(const fixtures::TinyDecoder& model);
/// Every file of a whole capture.
std::set<std::string> all_stages(const fixtures::TinyDecoder& model);
std::vector<std::size_t> stage_extents(std::string_view stage, const fixtures::TinyDecoder& model,
                                       std::size_t tokens);

/// The manifest of a capture; null where it is not JSON.
Value manifest_of(const std::string& folder);
std::string text_at(const Value& record, const std::vector<std::string_view>& keys);

void write_file(const std::string& path, std::string_view bytes);
std::string read_file(const std::string& path);

}  // namespace refute::falsifiers
