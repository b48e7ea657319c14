#pragma once

#include "harness/forward/decoder_model.hpp"
#include "harness/model/result.hpp"
#include "harness/tokenizer/bpe.hpp"

namespace refute::forward {

/// The tokenizer that came with the model: GGUF's metadata, or tokenizer.json beside config.json.
/// Errors say why there is none, or none that is known here.
Result<tokenizer::BpeTables> tokenizer_of(const DecoderModel& model);

}  // namespace refute::forward
