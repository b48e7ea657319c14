#pragma once

// Byte-level byte-pair encoding (Radford et al., "Language Models are Unsupervised Multitask
// Learners", 2019, section 2.2), as Llama 3 and Qwen use it: from tokenizer.json or from GGUF's
// metadata. Text goes in, token ids come out; a tokenizer of another kind is refused by name.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "harness/model/result.hpp"
#include "harness/model/value.hpp"
#include "harness/tensor/metadata.hpp"
#include "harness/tokenizer/pretokenize.hpp"

namespace refute::tokenizer {

/// What a tokenizer is made of. Tokens and merges are written in GPT-2's printable bytes: "Ġthe".
struct BpeTables {
  Pattern pattern = Pattern::gpt2;
  std::unordered_map<std::string, std::uint32_t> vocab;
  /// "left right" → rank; the lowest rank is merged first.
  std::unordered_map<std::string, std::uint32_t> merges;
  /// Found in the text as they stand, before anything is cut.
  std::vector<std::pair<std::string, std::uint32_t>> added;
  std::vector<std::uint32_t> before;  ///< put before every text
  bool whole_pieces_first = false;    ///< a piece that is a token is not merged up to it
  bool wants_nfc = false;             ///< text is to be normalised before
};

Result<BpeTables> bpe_from_hf(const Value& tokenizer_json);
Result<BpeTables> bpe_from_gguf(const tensor::Metadata& metadata);

/// An error for text that is not UTF-8, that may have to be normalised where the tokenizer wants
/// that, or whose bytes the vocabulary does not have.
Result<std::vector<std::uint32_t>> encode(const BpeTables& tables, std::string_view text);

/// The bytes of tokens: UTF-8 where the model says something readable, else whatever it says. A
/// token that the vocabulary does not have is U+FFFD.
std::string decode(const BpeTables& tables, std::span<const std::uint32_t> tokens);

}  // namespace refute::tokenizer
