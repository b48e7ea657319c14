#include "harness/instruments/stage_diff.hpp"

#include <cmath>
#include <filesystem>
#include <functional>

#include "harness/catch.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/instruments/stage_diff_report.hpp"
#include "harness/tensor/temp_folder_test.hpp"

namespace {

using namespace refute::instruments;
using namespace refute::tensor;
namespace fs = std::filesystem;
using Values = std::vector<float>;

constexpr Stage kStagesHere[] = {Stage::attn_norm, Stage::qkv_matmul, Stage::ffn_out};

Values stage_values(Stage stage, std::uint32_t layer) {
  Values values(8);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(static_cast<int>(stage) + 1) * 0.1f + static_cast<float>(layer) +
                static_cast<float>(i) * 0.01f;
  return values;
}

CaptureManifest manifest() {
  CaptureManifest m;
  m.producer = "a test";
  m.model = "tiny";
  m.model_sha256 = refute::sha256_of("tiny");
  m.architecture = "llama";
  m.layers = 2;
  m.tokens = {1, 5};
  m.path = {"reference", "naive", "cpu", {"one"}, "F32", "F32", "F64"};
  return m;
}

using Change = std::function<void(Stage, std::uint32_t, Values&)>;

/// Two layers of three stages, and the logits.
void write(const std::string& folder, const CaptureManifest& m, const Change& change = {}) {
  auto writer = CaptureWriter::begin(folder, m);
  REQUIRE(writer);
  const auto add = [&](Stage stage, std::uint32_t layer) {
    Values values = stage_values(stage, layer == kWholeModel ? 9 : layer);
    if (change) change(stage, layer, values);
    if (values.empty()) return;
    REQUIRE_FALSE(writer->add(stage, layer, {2, values.size() / 2}, values));
  };
  for (std::uint32_t layer = 0; layer < 2; ++layer) {
    for (const Stage stage : kStagesHere) add(stage, layer);
  }
  add(Stage::lm_head, kWholeModel);
  REQUIRE_FALSE(writer->finish());
}

struct Pair {
  TempFolder a, b;
  refute::Result<CaptureDiff> diff(const CaptureDiffOptions& options = {}) const {
    return diff_captures(a.path(), b.path(), options);
  }
};

/// The one finding that there is, as "kind side".
std::string only_finding(const CaptureDiff& diff) {
  std::vector<StageFinding> all = diff.findings;
  for (const StageDiffRow& row : diff.rows)
    all.insert(all.end(), row.findings.begin(), row.findings.end());
  if (all.size() != 1) return std::to_string(all.size()) + " findings";
  return std::string(to_string(all[0].kind)) + (all[0].side.empty() ? "" : " " + all[0].side);
}

void at(Stage stage, std::uint32_t layer, const Pair& pair, const Change& change) {
  write(pair.a.path(), manifest());
  write(pair.b.path(), manifest(), [&](Stage s, std::uint32_t l, Values& values) {
    if (s == stage && l == layer) change(s, l, values);
  });
}

}  // namespace

TEST_CASE("equal captures are identical, in forward order") {
  const Pair pair;
  write(pair.a.path(), manifest());
  write(pair.b.path(), manifest());
  const auto diff = pair.diff();
  REQUIRE(diff);
  CHECK_FALSE(diff->has_findings());
  CHECK(diff->labels.empty());
  REQUIRE(diff->rows.size() == 7);
  CHECK(diff->rows[0].file() == "layer-0/attn_norm.bin");
  CHECK(diff->rows[3].file() == "layer-1/attn_norm.bin");
  CHECK(diff->rows[6].file() == "lm_head.bin");
  for (const StageDiffRow& row : diff->rows)
    CHECK(row.judgement.verdict == StageVerdict::identical);
}

TEST_CASE("captures of other models or tokens are refused, and it says which") {
  const Pair pair;
  write(pair.a.path(), manifest());
  CaptureManifest other = manifest();
  SECTION("another model") {
    other.model_sha256 = refute::sha256_of("other");
    write(pair.b.path(), other);
    const auto diff = pair.diff();
    REQUIRE_FALSE(diff);
    CHECK(diff.error().what.find("disagree on the model") != std::string::npos);
    const auto lifted = pair.diff({.across_models = true});
    REQUIRE(lifted);
    REQUIRE(lifted->labels.size() == 1);
    CHECK(lifted->labels[0].starts_with("model: "));
  }
  SECTION("a model of another kind, which nothing lifts") {
    other.layers = 3;
    write(pair.b.path(), other);
    CHECK_FALSE(pair.diff({.across_models = true}));
  }
  SECTION("another token") {
    other.tokens = {1, 6};
    write(pair.b.path(), other);
    const auto diff = pair.diff();
    REQUIRE_FALSE(diff);
    CHECK(diff.error().what.find("token 1 is 5 in A and 6 in B") != std::string::npos);
  }
  SECTION("more tokens") {
    other.tokens = {1, 5, 6};
    write(pair.b.path(), other);
    CHECK(pair.diff().error().what.find("A has 2, B has 3") != std::string::npos);
  }
}

TEST_CASE("another path is labelled, and what it does not materialise is no finding") {
  const Pair pair;
  CaptureManifest fast = manifest();
  fast.path.name = "fast";
  fast.path.attention = "flash2";
  auto writer = CaptureWriter::begin(pair.a.path(), manifest());
  REQUIRE_FALSE(writer->add(Stage::attn_scores, 1, {2}, Values{1, 2}));
  REQUIRE_FALSE(writer->finish());
  REQUIRE_FALSE(CaptureWriter::begin(pair.b.path(), fast)->finish());
  const auto diff = pair.diff();
  REQUIRE(diff);
  CHECK(diff->labels.size() == 2);
  REQUIRE(diff->rows.size() == 1);
  CHECK(diff->rows[0].note == "B has none: its attention is flash2");
  CHECK_FALSE(diff->has_findings());
  CHECK(diff->compared() == 0);
}

TEST_CASE("findings about files") {
  const Pair pair;
  const std::string norm = "/layer-1/attn_norm.bin", out = "/layer-1/ffn_out.bin";
  SECTION("missing") {
    at(Stage::ffn_out, 1, pair, [](Stage, std::uint32_t, Values& v) { v.clear(); });
    CHECK(only_finding(*pair.diff()) == "missing B");
  }
  SECTION("extra") {
    write(pair.a.path(), manifest(), [](Stage s, std::uint32_t l, Values& v) {
      if (s == Stage::ffn_out && l == 1) v.clear();
    });
    write(pair.b.path(), manifest());
    CHECK(only_finding(*pair.diff()) == "extra A");
  }
  SECTION("stale") {
    at(Stage::ffn_out, 1, pair, [](Stage, std::uint32_t, Values&) {});
    fs::copy_file(pair.a.path() + norm, pair.a.path() + "/layer-1/ffn_up.bin");
    CHECK(only_finding(*pair.diff()) == "stale A");
  }
  SECTION("gone") {
    at(Stage::ffn_out, 1, pair, [](Stage, std::uint32_t, Values&) {});
    fs::remove(pair.b.path() + out);
    CHECK(only_finding(*pair.diff()) == "not-as-written B");
  }
  SECTION("two exchanged") {
    at(Stage::ffn_out, 1, pair, [](Stage, std::uint32_t, Values&) {});
    fs::rename(pair.b.path() + out, pair.b.path() + "/x");
    fs::rename(pair.b.path() + norm, pair.b.path() + out);
    fs::rename(pair.b.path() + "/x", pair.b.path() + norm);
    CHECK(only_finding(*pair.diff()) == "2 findings");
    CHECK(pair.diff()->compared() == 5);
  }
  SECTION("cut short") {
    at(Stage::ffn_out, 1, pair, [](Stage, std::uint32_t, Values&) {});
    fs::resize_file(pair.b.path() + out, 20);
    CHECK(only_finding(*pair.diff()) == "not-as-written B");
    CHECK(pair.diff()->first_bad()->file() == out.substr(1));
  }
  SECTION("another shape of as many values") {
    write(pair.a.path(), manifest());
    write(pair.b.path(), manifest());
    auto m = *read_manifest(pair.b.path());
    m.files[2].shape = {4, 2};
    REQUIRE_FALSE(write_manifest(pair.b.path(), m));
    CHECK(only_finding(*pair.diff()) == "shape");
  }
}

TEST_CASE("findings about values") {
  const Pair pair;
  const auto is = [&](const Change& change, const CaptureDiffOptions& options = {}) {
    at(Stage::ffn_out, 1, pair, change);
    const auto diff = pair.diff(options);
    REQUIRE(diff);
    CHECK(diff->first_bad() != nullptr);
    return only_finding(*diff);
  };
  SECTION("zeros") {
    CHECK(is([](Stage, std::uint32_t, Values& v) { v.assign(v.size(), 0.0f); }) == "all-zero B");
  }
  SECTION("zeros of both signs") {
    CHECK(is([](Stage, std::uint32_t, Values& v) {
            v.assign(v.size(), 0.0f);
            v[3] = -0.0f;
          }) == "all-zero B");
  }
  SECTION("a constant") {
    CHECK(is([](Stage, std::uint32_t, Values& v) { v.assign(v.size(), 2.5f); }) == "constant B");
  }
  SECTION("another stage's buffer") {
    CHECK(is([](Stage, std::uint32_t, Values& v) { v = stage_values(Stage::ffn_out, 0); }) ==
          "same-as-another B");
  }
  SECTION("NaN") {
    CHECK(is([](Stage, std::uint32_t, Values& v) { v[1] = std::nanf(""); }) == "non-finite");
  }
  SECTION("above a tolerance") {
    CHECK(is([](Stage, std::uint32_t, Values& v) { v[1] += 0.25f; },
             {.limits = {.max_abs = 0.2, .relative = {}}}) == "above-tolerance");
  }
}

TEST_CASE("a lone token makes probabilities of one, and its rotation turns nothing") {
  const Pair pair;
  CaptureManifest m = manifest();
  m.tokens = {7};
  for (const TempFolder* folder : {&pair.a, &pair.b}) {
    auto writer = CaptureWriter::begin(folder->path(), m);
    for (std::uint32_t layer = 0; layer < 2; ++layer) {
      const Values heads = stage_values(Stage::q_norm, layer);
      REQUIRE_FALSE(writer->add(Stage::q_norm, layer, {1, 8}, heads));
      REQUIRE_FALSE(writer->add(Stage::q_post_rope, layer, {1, 8}, heads));
      REQUIRE_FALSE(writer->add(Stage::attn_softmax, layer, {4, 1, 1}, Values{1, 1, 1, 1}));
    }
    REQUIRE_FALSE(writer->finish());
  }
  const auto diff = pair.diff();
  REQUIRE(diff);
  CHECK_FALSE(diff->has_findings());
}

TEST_CASE("two files of one stage") {
  const TempFolder folder;
  const auto write_file = [&](const char* name, std::uint32_t layer, const Values& values) {
    REQUIRE_FALSE(write_aprt(folder.file(name), layer, values));
    return folder.file(name);
  };
  const std::string a = write_file("a.bin", 3, {1, 2, 3});
  const auto same = diff_stage_files(a, write_file("same.bin", 3, {1, 2, 3}), {});
  REQUIRE(same);
  CHECK(same->judgement.verdict == StageVerdict::identical);
  const auto layer = diff_stage_files(a, write_file("layer.bin", 4, {1, 2, 3}), {});
  REQUIRE_FALSE(layer);
  CHECK(layer.error().what.find("layer 4") != std::string::npos);
  const auto count = diff_stage_files(a, write_file("count.bin", 3, {1, 2}), {});
  REQUIRE_FALSE(count);
  CHECK(count.error().what.find("has 2") != std::string::npos);
  const std::string cut = write_file("cut.bin", 3, {1, 2, 3});
  fs::resize_file(cut, 23);
  CHECK_FALSE(diff_stage_files(a, cut, {}));
}

TEST_CASE("what is not there is null, and a reason stands beside it") {
  const TempFolder folder;
  REQUIRE_FALSE(write_aprt(folder.file("a.bin"), 0, Values{1, 2}));
  REQUIRE_FALSE(write_aprt(folder.file("b.bin"), 0, Values{1, std::nanf("")}));
  const auto diff = diff_stage_files(folder.file("a.bin"), folder.file("b.bin"), {});
  REQUIRE(diff);
  const refute::Value record = stage_file_value(*diff, {});
  CHECK(record.find("cosine")->is_null());
  CHECK(*record.find("verdict")->as_string() == "non-finite");
  CHECK(*record.find("non_finite")->find("b")->find("nan")->as_int() == 1);
  CHECK(record.find("reason")->as_string()->find("B 1 NaN") != std::string::npos);
  const std::string text = stage_file_text(*diff, false);
  CHECK(text.find("B: 1 NaN") != std::string::npos);
}
