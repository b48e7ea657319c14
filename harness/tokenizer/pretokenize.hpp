#pragma once

// Cuts text into the pieces within which byte pairs are merged. Models name a regular expression
// for it; there are few, so each is a scanner here. Another expression is refused, not guessed.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace refute::tokenizer {

enum class Pattern : std::uint8_t {
  gpt2,
  llama3,  ///< numbers in groups of up to three digits
  qwen2,   ///< numbers digit by digit
};

/// By the regular expression as tokenizer.json has it.
std::optional<Pattern> pattern_of_regex(std::string_view regex);
/// By the name in GGUF's tokenizer.ggml.pre.
std::optional<Pattern> pattern_of_gguf(std::string_view name);

/// The pieces of well-formed UTF-8, which together are the text.
std::vector<std::string_view> pretokenize(Pattern pattern, std::string_view text);

}  // namespace refute::tokenizer
