#include "falsifiers/trace_save_tensor/stage_files.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "harness/json/json.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

namespace fs = std::filesystem;

std::uint32_t word_at(const std::string& bytes, std::size_t at) {
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < 4; ++i)
    word |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return word;
}

}  // namespace

StageBytes read_stage_bytes(const std::string& path) {
  StageBytes stage{read_file(path), false, 0, {}};
  if (stage.bytes.size() < 12) return stage;
  stage.layer = word_at(stage.bytes, 4);
  const std::size_t count = word_at(stage.bytes, 8);
  stage.well_formed = stage.bytes.starts_with("APRT") && stage.bytes.size() == 12 + 4 * count;
  if (!stage.well_formed) return stage;
  stage.values.resize(count);
  std::memcpy(stage.values.data(), stage.bytes.data() + 12, 4 * count);
  return stage;
}

std::vector<std::pair<std::string, std::string>> files_below(const std::string& folder) {
  std::vector<std::pair<std::string, std::string>> files;
  std::error_code absent;
  for (const auto& entry : fs::recursive_directory_iterator(folder, absent)) {
    if (!entry.is_regular_file()) continue;
    files.emplace_back(entry.path().lexically_relative(folder).generic_string(),
                       read_file(entry.path().string()));
  }
  std::ranges::sort(files);
  return files;
}

std::set<std::string> stages_below(const std::string& folder) {
  std::set<std::string> paths;
  for (const auto& [path, bytes] : files_below(folder))
    if (path.ends_with(".bin")) paths.insert(path);
  return paths;
}

std::string stage_path(std::string_view stage, std::uint32_t layer) {
  return layer == kNoLayer ? fmt::format("{}.bin", stage)
                           : fmt::format("layer-{}/{}.bin", layer, stage);
}

std::vector<std::string> layer_stages(const fixtures::TinyDecoder& m) {
  std::vector<std::string> stages = {"attn_norm", "qkv_matmul"};
  if (m.has_bias()) stages.emplace_back("qkv_bias");
  if (m.has_qk_norm()) stages.insert(stages.end(), {"q_norm", "k_norm"});
  for (const char* stage : {"q_post_rope", "k_post_rope", "attn_scores", "attn_softmax",
                            "attention", "attn_out", "post_attn_residual", "ffn_norm", "ffn_gate",
                            "ffn_up", "ffn_silu", "ffn_swigl", "ffn_out", "post_ffn_residual"})
    stages.emplace_back(stage);
  return stages;
}

std::set<std::string> all_stages(const fixtures::TinyDecoder& m) {
  std::set<std::string> paths = {"layer-0/embedding.bin", "final_norm.bin", "lm_head.bin"};
  for (std::uint32_t layer = 0; layer < m.layers; ++layer) {
    for (const std::string& stage : layer_stages(m)) paths.insert(stage_path(stage, layer));
  }
  return paths;
}

std::vector<std::size_t> stage_extents(std::string_view stage, const fixtures::TinyDecoder& m,
                                       std::size_t tokens) {
  const auto is_one_of = [&](std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, stage) != names.end();
  };
  if (stage == "lm_head") return {m.vocab};
  if (is_one_of({"qkv_matmul", "qkv_bias"})) return {tokens, m.q_width() + 2 * m.kv_width()};
  if (is_one_of({"q_norm", "q_post_rope"})) return {tokens, m.heads, m.head_dim};
  if (is_one_of({"k_norm", "k_post_rope"})) return {tokens, m.kv_heads, m.head_dim};
  if (is_one_of({"attn_scores", "attn_softmax"})) return {m.heads, tokens, tokens};
  if (stage == "attention") return {tokens, m.q_width()};
  if (is_one_of({"ffn_gate", "ffn_up", "ffn_silu", "ffn_swigl"})) return {tokens, m.ffn};
  return {tokens, m.hidden};
}

Value manifest_of(const std::string& folder) {
  auto parsed = json::parse(read_file(folder + "/manifest.json"));
  return parsed ? *std::move(parsed) : Value();
}

std::string text_at(const Value& record, const std::vector<std::string_view>& keys) {
  const Value* at = &record;
  for (const std::string_view key : keys) {
    at = at->find(key);
    if (at == nullptr) return "";
  }
  return at->as_string() ? *at->as_string() : "";
}

void write_file(const std::string& path, std::string_view bytes) {
  std::error_code ignored;
  fs::create_directories(fs::path(path).parent_path(), ignored);
  if (!(std::ofstream(path, std::ios::binary) << bytes).flush())
    throw worker::JobError(path + ": cannot be written");
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace refute::falsifiers
