#include "harness/tensor/stages.hpp"

#include <set>

#include "harness/catch.hpp"

namespace refute::tensor {
namespace {

std::vector<std::string> names(const std::string& list) {
  const auto stages = parse_stages(list);
  REQUIRE(stages);
  std::vector<std::string> out;
  for (const Stage s : *stages) out.emplace_back(to_string(s));
  return out;
}

}  // namespace

TEST_CASE("the table of stages is indexed by stage and every name occurs once") {
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < kStageCount; ++i) {
    CHECK(static_cast<std::size_t>(kStages[i].stage) == i);
    CHECK(seen.insert(kStages[i].name).second);
    if (!kStages[i].alias.empty()) CHECK(seen.insert(kStages[i].alias).second);
    const auto found = parse_stage(kStages[i].name);
    REQUIRE(found);
    CHECK(*found == kStages[i].stage);
  }
  CHECK_FALSE(seen.contains("all"));
}

TEST_CASE("a list of stages comes out in forward order, each once") {
  CHECK(names("lm_head, Embedding ,ffn_gate,embedding") ==
        std::vector<std::string>{"embedding", "ffn_gate", "lm_head"});
  CHECK(names("LAYER_OUTPUT") == std::vector<std::string>{"post_ffn_residual"});
  CHECK(names("All").size() == kStageCount);
  CHECK(names("all,attention").size() == kStageCount);
}

TEST_CASE("an unknown stage is refused with the valid ones and the nearest") {
  for (const char* list : {"atention", "embedding,atention", "embedding,", "", ",", "all,x", "a b",
                           "layer-0/embedding", "embedding\n"}) {
    const auto stages = parse_stages(list);
    INFO(list);
    REQUIRE_FALSE(stages);
    for (const StageRow& row : kStages) {
      CHECK(stages.error().hint.find(row.name) != std::string::npos);
    }
  }
  CHECK(parse_stages("atention").error().hint.starts_with("did you mean `attention`?"));
  CHECK(parse_stages("\x1b[2J").error().what.find('\x1b') == std::string::npos);
}

TEST_CASE("layers are a range whose end is exclusive") {
  const auto range = parse_layers("3..5");
  REQUIRE(range);
  CHECK(*range == LayerRange{3, 5});
  CHECK(range->contains(4));
  CHECK_FALSE(range->contains(5));
  CHECK_FALSE(range->contains(2));
  for (const char* text :
       {"", "3", "..", "3..", "..5", "5..3", "3..3", "3...5", "-1..2", "+1..2", " 1..2", "1..2 ",
        "0x1..2", "1..4294967296", "1..99999999999999999999", "1.5..2", "a..b", "1..2..3"}) {
    INFO(text);
    const auto bad = parse_layers(text);
    REQUIRE_FALSE(bad);
    CHECK_FALSE(bad.error().hint.empty());
  }
}

TEST_CASE("a stage's file lies in its layer's folder, a whole model's in the capture's own") {
  CHECK(stage_file(Stage::ffn_gate, 3) == "layer-3/ffn_gate.bin");
  CHECK(stage_file(Stage::embedding, 0) == "layer-0/embedding.bin");
  CHECK(stage_file(Stage::lm_head, kWholeModel) == "lm_head.bin");
  CHECK(layer_fits(Stage::lm_head, kWholeModel));
  CHECK_FALSE(layer_fits(Stage::lm_head, 0));
  CHECK_FALSE(layer_fits(Stage::embedding, 1));
  CHECK(layer_fits(Stage::ffn_out, 1));
  CHECK_FALSE(layer_fits(Stage::ffn_out, kWholeModel));
}

}  // namespace refute::tensor
