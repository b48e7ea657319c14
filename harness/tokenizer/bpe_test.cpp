// Against what Hugging Face's tokenizers make of the same texts
// (fixtures/generators/bpe_golden.py).

#include "harness/tokenizer/bpe.hpp"

#include <cstring>
#include <fstream>
#include <iterator>

#include "harness/catch.hpp"
#include "harness/json/json.hpp"

namespace refute::tokenizer {
namespace {

Value read_json(const std::string& name) {
  std::ifstream file(std::string(BPE_DATA) + "/" + name, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  auto value = json::parse(text);
  if (!value) FAIL(name << ": " << value.error().what);
  return *value;
}

BpeTables tables_of(const Value& json) {
  auto tables = bpe_from_hf(json);
  if (!tables) FAIL(tables.error().what);
  return *std::move(tables);
}

std::vector<std::uint32_t> ids_of(const Value& list) {
  std::vector<std::uint32_t> ids;
  for (const Value& id : *list.as_list()) ids.push_back(static_cast<std::uint32_t>(*id.as_int()));
  return ids;
}

void append(std::string& to, const void* data, std::size_t size) {
  to.append(static_cast<const char*>(data), size);
}

tensor::MetaValue texts(const std::vector<std::string>& all) {
  tensor::MetaArray array{tensor::MetaType::string, all.size(), ""};
  for (const std::string& text : all) {
    const std::uint64_t size = text.size();
    append(array.encoded, &size, 8);
    array.encoded += text;
  }
  return {tensor::MetaType::array, array};
}

/// The same tokenizer as GGUF has it.
tensor::Metadata as_gguf(const BpeTables& t, const std::string& pre) {
  std::vector<std::string> tokens(t.vocab.size()), merges(t.merges.size());
  for (const auto& [token, id] : t.vocab) tokens[id] = token;
  for (const auto& [pair, rank] : t.merges) merges[rank] = pair;
  tensor::MetaArray types{tensor::MetaType::i32, tokens.size(), ""};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::int32_t type = tokens[i].starts_with("<|") && tokens[i].ends_with("|>") ? 3 : 1;
    append(types.encoded, &type, 4);
  }
  using tensor::MetaType;
  return {{"tokenizer.ggml.model", {MetaType::string, std::string("gpt2")}},
          {"tokenizer.ggml.pre", {MetaType::string, pre}},
          {"tokenizer.ggml.tokens", texts(tokens)},
          {"tokenizer.ggml.merges", texts(merges)},
          {"tokenizer.ggml.token_type", {MetaType::array, types}},
          {"tokenizer.ggml.bos_token_id", {MetaType::u32, std::uint64_t{0}}}};
}

constexpr std::pair<const char*, const char*> kTokenizers[] = {
    {"gpt2", "gpt-2"}, {"llama3", "llama-bpe"}, {"qwen2", "qwen2"}};

}  // namespace

TEST_CASE("texts become the tokens that the reference implementation makes of them") {
  const Value golden = read_json("encodings.json");
  const Value::List& samples = *golden.find("texts")->as_list();
  for (const auto& [name, pre] : kTokenizers) {
    const BpeTables hf = tables_of(read_json(std::string(name) + ".json"));
    const auto gguf = bpe_from_gguf(as_gguf(hf, pre));
    REQUIRE(gguf);
    const Value::List& want = *golden.find(name)->as_list();
    std::size_t refused = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto got = encode(hf, *samples[i].as_string());
      INFO(name << ": '" << *samples[i].as_string() << "'");
      if (!got) {
        REQUIRE(hf.wants_nfc);
        REQUIRE_FALSE(encode(*gguf, *samples[i].as_string()));
        ++refused;
        continue;
      }
      REQUIRE(*got == ids_of(want[i]));
      const auto from_gguf = encode(*gguf, *samples[i].as_string());
      REQUIRE(from_gguf);
      REQUIRE(*from_gguf == *got);
    }
    CHECK(refused <= 2);
  }
}

TEST_CASE("tokens give their text back, to the byte") {
  const Value golden = read_json("encodings.json");
  for (const auto& [name, pre] : kTokenizers) {
    const BpeTables tables = tables_of(read_json(std::string(name) + ".json"));
    for (const Value& sample : *golden.find("texts")->as_list()) {
      const auto tokens = encode(tables, *sample.as_string());
      if (!tokens) continue;
      const auto own = std::span(*tokens).subspan(tables.before.size());
      REQUIRE(decode(tables, own) == *sample.as_string());
    }
    CHECK(decode(tables, std::vector<std::uint32_t>{1'000'000}) == "\xEF\xBF\xBD");
  }
}

TEST_CASE("pieces are the whole text") {
  const std::string text = "It's 12345  spaces\r\n\n and\t'tabs' \u00e9\u4f60 ... ";
  for (const Pattern pattern : {Pattern::gpt2, Pattern::llama3, Pattern::qwen2}) {
    std::string joined;
    for (const std::string_view piece : pretokenize(pattern, text)) joined += piece;
    CHECK(joined == text);
  }
}

TEST_CASE("text that cannot be taken as it is is refused") {
  const BpeTables qwen = tables_of(read_json("qwen2.json"));
  CHECK_FALSE(encode(qwen, "\xff"));
  CHECK_FALSE(encode(qwen, "e\u0301"));  // composes to U+00E9
  CHECK(encode(qwen, "\u00e9\u4f60\u0431"));
  // GGUF has no word for the normal form, and the model wants it all the same.
  const auto gguf = bpe_from_gguf(as_gguf(qwen, "qwen2"));
  REQUIRE(gguf);
  CHECK_FALSE(encode(*gguf, "cafe\u0301"));
  CHECK(encode(*gguf, "caf\u00e9"));
  CHECK_FALSE(encode(qwen, std::string(30'000, 'a')));
  BpeTables poor = qwen;
  poor.vocab.erase("a");
  CHECK_FALSE(encode(poor, "!a!"));
}

TEST_CASE("a tokenizer of another kind is refused by name") {
  const Value good = read_json("llama3.json");
  const auto refused = [&](std::vector<std::string> keys, Value value) {
    Value json = good;
    Value* at = &json;
    for (std::size_t i = 0; i + 1 < keys.size(); ++i) at = const_cast<Value*>(at->find(keys[i]));
    at->set(keys.back(), std::move(value));
    const auto tables = bpe_from_hf(json);
    return !tables && !tables.error().hint.empty();
  };
  CHECK(refused({"model", "type"}, "Unigram"));
  CHECK(refused({"model", "byte_fallback"}, true));
  CHECK(refused({"model", "vocab"}, Value::List{}));
  CHECK(refused({"model", "merges"}, Value::List{1}));
  CHECK(refused({"normalizer"}, Value::Map{{"type", "Lowercase"}}));
  CHECK(refused({"pre_tokenizer"}, Value::Map{{"type", "Whitespace"}}));
  CHECK(refused({"post_processor"}, Value::Map{{"type", "BertProcessing"}}));
  CHECK(refused({"added_tokens"}, Value::List{Value::Map{{"id", 1}}}));
  CHECK_FALSE(bpe_from_gguf({}));
  auto gguf = as_gguf(tables_of(good), "deepseek-llm");
  CHECK_FALSE(bpe_from_gguf(gguf));
  BpeTables broken = tables_of(good);
  broken.vocab.emplace("<|\xe4|>", static_cast<std::uint32_t>(broken.vocab.size()));
  CHECK_FALSE(bpe_from_gguf(as_gguf(broken, "llama-bpe")));
  gguf = as_gguf(tables_of(good), "qwen2");
  gguf[0].second.value = std::string("llama");
  CHECK_FALSE(bpe_from_gguf(gguf));
}

TEST_CASE("a token behind the text is refused, as in a template") {
  const auto read = [](const char* key, bool value) {
    auto gguf = as_gguf(tables_of(read_json("qwen2.json")), "qwen2");
    gguf.push_back({key, {tensor::MetaType::boolean, value}});
    return bpe_from_gguf(gguf);
  };
  for (const char* key : {"tokenizer.ggml.add_eos_token", "tokenizer.ggml.add_sep_token"}) {
    CHECK(read(key, false));
    const auto refused = read(key, true);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what.find(key) != std::string::npos);
  }
}

}  // namespace refute::tokenizer
