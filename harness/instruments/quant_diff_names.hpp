#pragma once

// One name for what Hugging Face and GGUF call differently: the decoder families llama, mistral,
// qwen2, qwen3, gemma and phi3.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace refute::instruments {

/// Which of two meanings `post_attention_layernorm` has: in the Gemma 2 and 3 it follows attention,
/// elsewhere it is the norm in front of the feed-forward part.
enum class NormPlacement { before_ffn, after_attention };
NormPlacement norm_placement(const std::vector<std::string_view>& names);

/// The GGUF name of a Hugging Face tensor ("model.layers.3.self_attn.q_proj.weight" →
/// "blk.3.attn_q.weight"); a GGUF name as it is; nothing for any other.
std::optional<std::string> gguf_name(std::string_view name, NormPlacement placement);

/// The layer that a name speaks of ("blk.12.", "layers.12.", "h.12."), if it does.
std::optional<unsigned> layer_of(std::string_view name);

}  // namespace refute::instruments
