#include "falsifiers/crux_l_02/attention_case.hpp"

#include <algorithm>
#include <cmath>

#include "harness/catch.hpp"

namespace refute::falsifiers {
namespace {

using mutants::Storage;

AttentionCase sample(Storage storage, AttentionFamily family) {
  const auto shape = shape_from("B2 H4/2 S9x70 D64 causal", storage);
  REQUIRE(shape);
  return {*shape, family, 7};
}

}  // namespace

TEST_CASE("a shape reads back as it was written") {
  for (const char* words : {"B1 H1/1 S1x1 D1", "B2 H4/2 S65x129 D64 causal", "B1 H8/1 S1x4000 D128",
                            "B1 H1/1 S2x3 D64 scale 1/5", "B1 H1/1 S2x3 D64 causal scale 1/11"}) {
    const auto shape = shape_from(words, Storage::bf16);
    REQUIRE(shape);
    CHECK(shape_words(*shape) == words);
    CHECK(shape->storage == Storage::bf16);
  }
}

TEST_CASE("shapes from outside are refused unless they are sound and small") {
  for (const char* words :
       {"", "B1", "B0 H1/1 S1x1 D64", "B1 H3/2 S1x1 D64", "B1 H1/1 S1x1 D64 full",
        "B1 H1/1 S1x1 D64 causal ", "B1 H1/1 S-1x1 D64", "B01 H1/1 S1x1 D64", " B1 H1/1 S1x1 D64",
        "B1 H1/1 S1x9999999 D64", "B4096 H4096/1 S4096x1 D4096", "B1 H1/1 S99999999x1 D64",
        "B1 H1/1 S1x1 D64 scale 1/0", "B1 H1/1 S1x1 D64 scale 1/05",
        "B1 H1/1 S1x1 D64 scale 1/5 causal", "B1 H1/1 S1x1 D64 scale 0.2",
        "B1 H1/1 S1x1 D64 causal causal"}) {
    INFO(words);
    CHECK_FALSE(shape_from(words, Storage::f32));
  }
}

TEST_CASE("a counterexample reads back, and nonsense does not") {
  const AttentionCase c = sample(Storage::f16, AttentionFamily::sink);
  const auto back = attention_case_from(to_value(c));
  REQUIRE(back);
  CHECK(to_value(*back) == to_value(c));
  CHECK_FALSE(attention_case_from(Value()));
  for (const char* key : {"shape", "dtype", "family", "seed"}) {
    Value v = to_value(c);
    v.set(key, "no such thing");
    CHECK_FALSE(attention_case_from(v));
    v.set(key, Value::List{});
    CHECK_FALSE(attention_case_from(v));
  }
}

TEST_CASE("every family makes values that its storage type holds") {
  for (const AttentionFamilyRow& row : kAttentionFamilies) {
    for (const Storage storage : {Storage::f32, Storage::f16, Storage::bf16}) {
      const auto in = inputs_of(sample(storage, row.family));
      INFO(row.name << " in " << to_string(storage));
      for (const std::vector<float>* x : {&in.a, &in.b, &in.c}) {
        CHECK(std::ranges::all_of(
            *x, [&](float v) { return std::isfinite(v) && mutants::stored(storage, v) == v; }));
        CHECK(std::ranges::any_of(*x, [](float v) { return v != 0; }));
      }
    }
  }
}

TEST_CASE("inputs are about N(0, 1), and the same on every machine") {
  AttentionCase c = sample(Storage::f32, AttentionFamily::normal);
  c.shape.seq_kv = 400;
  const auto in = inputs_of(c);
  double sum = 0, squares = 0;
  for (const float x : in.b) sum += x, squares += static_cast<double>(x) * x;
  const auto n = static_cast<double>(in.b.size());
  CHECK(std::abs(sum / n) < 0.02);
  CHECK(std::abs(squares / n - 1) < 0.02);
  // A generator that changes makes every counterexample on record another one.
  CHECK(in.a[0] == inputs_of(c).a[0]);
  CHECK(in.a[0] != in.b[0]);
  CHECK(in.b[1] != in.c[1]);
}

TEST_CASE("what is simpler is sound, and other") {
  const AttentionCase c = sample(Storage::bf16, AttentionFamily::peaked);
  const auto all = simpler(c);
  REQUIRE(all.size() > 10);
  for (const AttentionCase& next : all) {
    CHECK(attention_case_from(to_value(next)));
    CHECK_FALSE(to_value(next) == to_value(c));
  }
}

}  // namespace refute::falsifiers
