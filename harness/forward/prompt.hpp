#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "harness/forward/decoder_model.hpp"
#include "harness/model/result.hpp"

namespace refute::forward {

/// A text's tokens by the tokenizer that came with the model: GGUF's metadata, or tokenizer.json
/// beside config.json. Errors say why there is none, or none that is known here.
Result<std::vector<std::uint32_t>> tokenize(const DecoderModel& model, std::string_view text);

}  // namespace refute::forward
