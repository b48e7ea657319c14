// tokenizer.json of Hugging Face's tokenizers.

#include <fmt/format.h>

#include "harness/tensor/text.hpp"
#include "harness/tokenizer/bpe.hpp"

namespace refute::tokenizer {
namespace {

Error refused(const std::string& what) {
  return {"tokenizer.json: " + what, "give the token ids with --tokens"};
}

std::string text_of(const Value* map, std::string_view key) {
  const Value* value = map == nullptr ? nullptr : map->find(key);
  const std::string* text = value == nullptr ? nullptr : value->as_string();
  return text == nullptr ? "" : *text;
}

bool is_true(const Value& map, std::string_view key) {
  const Value* value = map.find(key);
  const bool* b = value == nullptr ? nullptr : value->as_bool();
  return b != nullptr && *b;
}

std::optional<std::uint32_t> id_of(const Value* value) {
  const std::int64_t* id = value == nullptr ? nullptr : value->as_int();
  if (id == nullptr || *id < 0 || *id > UINT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(*id);
}

/// One step of pre_tokenizer. ByteLevel without its own expression only maps bytes.
std::optional<Error> read_step(const Value& step, std::optional<Pattern>& pattern) {
  const std::string type = text_of(&step, "type");
  if (type == "ByteLevel") {
    if (is_true(step, "add_prefix_space")) return refused("add_prefix_space is not done here");
    if (is_true(step, "use_regex")) pattern = Pattern::gpt2;
    return std::nullopt;
  }
  const std::string regex = text_of(step.find("pattern"), "Regex");
  const auto known = pattern_of_regex(regex);
  if (type != "Split" || text_of(&step, "behavior") != "Isolated" || !known) {
    return refused(fmt::format("a pre-tokenizer of type {} with the expression '{}' is not known",
                               tensor::printable(type), tensor::printable(regex)));
  }
  pattern = known;
  return std::nullopt;
}

std::optional<Error> read_pattern(const Value& json, BpeTables& tables) {
  const Value* pre = json.find("pre_tokenizer");
  if (pre == nullptr || !pre->is_map()) return refused("has no pre_tokenizer");
  std::optional<Pattern> pattern;
  const Value* steps = pre->find("pretokenizers");
  if (text_of(pre, "type") == "Sequence" && steps != nullptr && steps->is_list()) {
    for (const Value& step : *steps->as_list()) {
      if (auto error = read_step(step, pattern)) return error;
    }
  } else if (auto error = read_step(*pre, pattern)) {
    return error;
  }
  if (!pattern) return refused("the pre_tokenizer cuts nothing");
  tables.pattern = *pattern;
  return std::nullopt;
}

/// "left right", or a list of the two in newer files.
std::optional<std::string> pair_of(const Value& merge) {
  if (const std::string* text = merge.as_string()) return *text;
  const Value::List* both = merge.as_list();
  if (both == nullptr || both->size() != 2) return std::nullopt;
  const std::string* left = (*both)[0].as_string();
  const std::string* right = (*both)[1].as_string();
  if (left == nullptr || right == nullptr) return std::nullopt;
  return *left + ' ' + *right;
}

std::optional<Error> read_model(const Value& model, BpeTables& tables) {
  if (text_of(&model, "type") != "BPE") return refused("the model is no BPE");
  if (is_true(model, "byte_fallback")) return refused("byte_fallback is SentencePiece's");
  const Value* vocab = model.find("vocab");
  const Value* merges = model.find("merges");
  if (vocab == nullptr || !vocab->is_map() || merges == nullptr || !merges->is_list()) {
    return refused("the model has no vocab or no merges");
  }
  for (const auto& [token, value] : *vocab->as_map()) {
    const auto id = id_of(&value);
    if (!id) return refused("a token's id is no number");
    tables.vocab.emplace(token, *id);
  }
  for (const Value& merge : *merges->as_list()) {
    const auto pair = pair_of(merge);
    if (!pair) return refused("a merge is no pair");
    tables.merges.emplace(*pair, static_cast<std::uint32_t>(tables.merges.size()));
  }
  tables.whole_pieces_first = is_true(model, "ignore_merges");
  return std::nullopt;
}

std::optional<Error> read_added(const Value& json, BpeTables& tables) {
  const Value* added = json.find("added_tokens");
  if (added == nullptr || !added->is_list()) return std::nullopt;
  for (const Value& token : *added->as_list()) {
    const auto id = id_of(token.find("id"));
    const std::string content = text_of(&token, "content");
    if (!id || content.empty()) return refused("an added token has no id or no content");
    if (is_true(token, "lstrip") || is_true(token, "rstrip") || is_true(token, "single_word")) {
      return refused(
          fmt::format("the added token {} takes white space with it or stands alone, "
                      "which is not done here",
                      tensor::printable(content)));
    }
    tables.added.emplace_back(content, *id);
  }
  return std::nullopt;
}

/// What TemplateProcessing puts before a single text; what it would put behind is refused.
std::optional<Error> read_template(const Value& processor, BpeTables& tables) {
  const Value* single = processor.find("single");
  if (single == nullptr || !single->is_list()) return refused("a template without 'single'");
  bool text_seen = false;
  for (const Value& part : *single->as_list()) {
    if (part.find("Sequence") != nullptr) {
      text_seen = true;
      continue;
    }
    const std::string name = text_of(part.find("SpecialToken"), "id");
    const Value* specials = processor.find("special_tokens");
    const Value* special = specials == nullptr ? nullptr : specials->find(name);
    const Value* ids = special == nullptr ? nullptr : special->find("ids");
    if (ids == nullptr || !ids->is_list() || text_seen) {
      return refused("a template that puts tokens behind the text, or unknown ones before it");
    }
    for (const Value& value : *ids->as_list()) {
      const auto id = id_of(&value);
      if (!id) return refused("a template's token has no id");
      tables.before.push_back(*id);
    }
  }
  return std::nullopt;
}

std::optional<Error> read_processor(const Value& processor, BpeTables& tables) {
  const std::string type = text_of(&processor, "type");
  if (type == "ByteLevel") return std::nullopt;  // trims offsets only
  if (type == "TemplateProcessing") return read_template(processor, tables);
  const Value* all = processor.find("processors");
  if (type != "Sequence" || all == nullptr || !all->is_list()) {
    return refused(fmt::format("the post_processor {} is not known", tensor::printable(type)));
  }
  for (const Value& one : *all->as_list()) {
    if (auto error = read_processor(one, tables)) return error;
  }
  return std::nullopt;
}

std::optional<Error> read_normalizer(const Value& json, BpeTables& tables) {
  const Value* normalizer = json.find("normalizer");
  if (normalizer == nullptr || normalizer->is_null()) return std::nullopt;
  const std::string type = text_of(normalizer, "type");
  tables.wants_nfc = type == "NFC";
  if (tables.wants_nfc) return std::nullopt;
  return refused(fmt::format("the normalizer {} is not done here", tensor::printable(type)));
}

}  // namespace

Result<BpeTables> bpe_from_hf(const Value& json) {
  BpeTables tables;
  const Value* model = json.find("model");
  if (model == nullptr || !model->is_map()) return refused("has no model");
  if (auto error = read_model(*model, tables)) return *error;
  if (auto error = read_pattern(json, tables)) return *error;
  if (auto error = read_added(json, tables)) return *error;
  if (auto error = read_normalizer(json, tables)) return *error;
  const Value* processor = json.find("post_processor");
  if (processor != nullptr && !processor->is_null()) {
    if (auto error = read_processor(*processor, tables)) return *error;
  }
  return tables;
}

}  // namespace refute::tokenizer
