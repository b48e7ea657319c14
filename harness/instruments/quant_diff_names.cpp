#include "harness/instruments/quant_diff_names.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace refute::instruments {
namespace {

struct NamePair {
  std::string_view hf, gguf;
};

/// Inside a layer, without ".weight" or ".bias".
constexpr NamePair kInLayer[] = {
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.qkv_proj", "attn_qkv"},   // phi3
    {"self_attn.q_norm", "attn_q_norm"},  // qwen3, gemma3
    {"self_attn.k_norm", "attn_k_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"mlp.gate_up_proj", "ffn_up"},  // phi3 keeps both in one
    {"mlp.gate", "ffn_gate_inp"},    // the router of a mixture of experts
    {"input_layernorm", "attn_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},  // gemma2, gemma3
    {"post_feedforward_layernorm", "post_ffw_norm"},
};

constexpr NamePair kOutside[] = {
    {"embed_tokens", "token_embd"},
    {"norm", "output_norm"},
    {"lm_head", "output"},
};

constexpr std::string_view kGgufGlobals[] = {"token_embd", "output_norm", "output", "rope_freqs"};
constexpr std::string_view kPrefixes[] = {"language_model.model.", "model.language_model.",
                                          "model.", "language_model."};
constexpr std::string_view kSuffixes[] = {".weight", ".bias"};

template <std::size_t N>
std::optional<std::string_view> look_up(const NamePair (&table)[N], std::string_view hf) {
  for (const NamePair& row : table) {
    if (row.hf == hf) return row.gguf;
  }
  return std::nullopt;
}

/// Takes a decimal number and the dot behind it off the front.
std::optional<unsigned> take_number(std::string_view& text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto used = static_cast<std::size_t>(end - text.data());
  if (error != std::errc{} || used >= text.size() || text[used] != '.') return std::nullopt;
  text.remove_prefix(used + 1);
  return number;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<std::string_view> in_layer(std::string_view rest, NormPlacement placement) {
  if (rest == "post_attention_layernorm")
    return placement == NormPlacement::before_ffn ? "ffn_norm" : "post_attention_norm";
  return look_up(kInLayer, rest);
}

bool is_gguf_name(std::string_view name) {
  if (take_prefix(name, "blk.")) return take_number(name).has_value();
  const std::string_view stem = name.substr(0, name.find('.'));
  return stem.size() < name.size() &&
         std::ranges::find(kGgufGlobals, stem) != std::end(kGgufGlobals);
}

}  // namespace

NormPlacement norm_placement(const std::vector<std::string_view>& names) {
  const bool gemma = std::ranges::any_of(names, [](std::string_view name) {
    return name.find("pre_feedforward_layernorm") != std::string_view::npos;
  });
  return gemma ? NormPlacement::after_attention : NormPlacement::before_ffn;
}

std::optional<std::string> gguf_name(std::string_view name, NormPlacement placement) {
  if (is_gguf_name(name)) return std::string(name);
  for (const std::string_view prefix : kPrefixes) {
    if (take_prefix(name, prefix)) break;
  }
  for (const std::string_view suffix : kSuffixes) {
    if (!name.ends_with(suffix)) continue;
    std::string_view stem = name.substr(0, name.size() - suffix.size());
    if (!take_prefix(stem, "layers.")) {
      const auto found = look_up(kOutside, stem);
      return found ? std::optional(std::string(*found).append(suffix)) : std::nullopt;
    }
    const auto layer = take_number(stem);
    const auto found = layer ? in_layer(stem, placement) : std::nullopt;
    if (!found) return std::nullopt;
    return "blk." + std::to_string(*layer) + "." + std::string(*found).append(suffix);
  }
  return std::nullopt;
}

std::optional<unsigned> layer_of(std::string_view name) {
  constexpr std::array<std::string_view, 4> kBefore = {"blk.", "layers.", "layer.", "h."};
  for (const std::string_view before : kBefore) {
    for (std::size_t at = name.find(before); at != std::string_view::npos;
         at = name.find(before, at + 1)) {
      if (at != 0 && name[at - 1] != '.') continue;
      std::string_view rest = name.substr(at + before.size());
      if (const auto layer = take_number(rest)) return layer;
    }
  }
  return std::nullopt;
}

}  // namespace refute::instruments
