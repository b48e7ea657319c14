#include <cmath>
#include <limits>

#include "harness/catch.hpp"
#include "harness/metrics/acceptance_rules.hpp"

namespace refute::metrics {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// 8 rows of 16 values around 1 in bf16, with a bound far below its rounding.
CriterionData around_one() {
  CriterionData d;
  d.format = Format::bf16;
  d.rows = 8;
  d.cols = 16;
  for (std::size_t i = 0; i < 128; ++i) {
    d.reference.push_back((i % 2 == 0 ? 1.0 : -1.0) *
                          (1 + static_cast<double>(i * 37 % 101) / 101));
    d.bound.push_back(1e-6);
    d.baseline.push_back(static_cast<float>(nearest(Format::bf16, d.reference.back())));
  }
  d.plain = d.baseline;
  return d;
}

Acceptance contract(const Criterion& c, std::span<const float> got) {
  return contract_rule(Comparison(c, got), {}).acceptance;
}

}  // namespace

TEST_CASE("rounding to a format is to nearest, ties to even, in the format's range") {
  CHECK(nearest(Format::bf16, 1 + 0x1p-8) == 1);
  CHECK(nearest(Format::bf16, 1 + 3 * 0x1p-8) == 1 + 0x1p-6);
  CHECK(nearest(Format::bf16, 1 + 0x1.01p-8) == 1 + 0x1p-7);
  CHECK(nearest(Format::f16, 65519.999) == 65504);
  CHECK(std::isinf(nearest(Format::f16, 65520)));
  CHECK(nearest(Format::f16, 0x1p-25) == 0);
  CHECK(nearest(Format::f16, 0x1.8p-25) == 0x1p-24);
  CHECK(nearest(Format::f32, 0x1p-149) == 0x1p-149);
  CHECK(std::isinf(nearest(Format::bf16, -1e39)));
  CHECK(std::isnan(nearest(Format::f16, std::nan(""))));
  CHECK(half_step_towards(Format::bf16, 1, 2) == 0x1p-8);
  CHECK(half_step_towards(Format::bf16, 1, 0) == 0x1p-9);
  CHECK(half_step_towards(Format::bf16, -1, 0) == 0x1p-9);
  CHECK(half_step_towards(Format::bf16, -1, -2) == 0x1p-8);
  CHECK(half_step_towards(Format::f16, 0, 1) == 0x1p-25);
  CHECK(half_step_towards(Format::f16, 0x1p-24, 0) == 0x1p-25);
  CHECK(truncated(Format::bf16, 1.999) == 1.9921875);
  CHECK(truncated(Format::bf16, -1.999) == -1.9921875);
  for (const double x : {0.1, 1.7, 3e5, 1e-20, 1e-42}) {
    CHECK(nearest(Format::f32, x) == static_cast<double>(static_cast<float>(x)));
  }
}

TEST_CASE("the correctly rounded output is accepted by every calibrated rule") {
  const Criterion c(around_one());
  CHECK(contract(c, c.data().baseline) == Acceptance::accepted);
}

TEST_CASE("one element a step off is refused, whichever it is") {
  const Criterion c(around_one());
  for (std::size_t i = 0; i < 128; ++i) {
    for (const double step : {0x1p-7, -0x1p-7}) {
      auto got = c.data().baseline;
      got[i] += static_cast<float>(step);
      CHECK(contract(c, got) == Acceptance::refused);
    }
  }
}

TEST_CASE("NaN is refused by every rule, wherever it stands") {
  const Criterion c(around_one());
  for (const AcceptanceRule& rule : acceptance_rules()) {
    if (rule.name.starts_with("C9")) continue;  // signs of errors: told by C3
    for (const std::size_t i : {0, 63, 127}) {
      auto got = c.data().baseline;
      got[i] = kNan;
      INFO(rule.name << " at " << i);
      const Acceptance a = judge(rule, Comparison(c, got), {}).acceptance;
      const bool counts_elements = rule.name.starts_with("95 %");
      CHECK(a == (counts_elements ? Acceptance::accepted : Acceptance::refused));
    }
  }
}

TEST_CASE("nothing is told from a broken criterion, and a wrong size is refused") {
  CriterionData nan_reference = around_one();
  nan_reference.reference[5] = std::nan("");
  CriterionData infinite_bound = around_one();
  infinite_bound.bound[5] = std::numeric_limits<double>::infinity();
  CriterionData short_baseline = around_one();
  short_baseline.baseline.pop_back();
  for (const CriterionData& data :
       {nan_reference, infinite_bound, short_baseline, CriterionData{}}) {
    const Criterion c(data);
    for (const AcceptanceRule& rule : acceptance_rules()) {
      CHECK(judge(rule, Comparison(c, data.plain), {}).acceptance == Acceptance::declined);
    }
  }
  const Criterion c(around_one());
  const auto shorter = std::span(c.data().baseline).first(127);
  for (const AcceptanceRule& rule : acceptance_rules()) {
    CHECK(judge(rule, Comparison(c, shorter), {}).acceptance == Acceptance::refused);
  }
}

TEST_CASE("an output that leans to one side is refused by its signs alone") {
  CriterionData d;
  d.format = Format::bf16;
  d.rows = 4;
  d.cols = 256;
  for (std::size_t i = 0; i < 1024; ++i) d.reference.push_back(1 + (i + 0.5) / 1025);
  d.bound.assign(1024, 1e-6);
  for (const double x : d.reference) {
    d.baseline.push_back(static_cast<float>(nearest(Format::bf16, x)));
  }
  d.plain = d.baseline;
  const Criterion c(d);
  CHECK(sign_bias(Comparison(c, d.baseline), {}).acceptance == Acceptance::accepted);
  std::vector<float> cut;
  for (const double x : d.reference) cut.push_back(static_cast<float>(truncated(Format::bf16, x)));
  const Judgement j = sign_bias(Comparison(c, cut), {});
  CHECK(j.acceptance == Acceptance::refused);
  CHECK_FALSE(j.powerless);
  CHECK(rowwise(Comparison(c, cut), {}).acceptance == Acceptance::accepted);  // hence C9
}

TEST_CASE("a row may be as bad as its baseline, and not much worse") {
  CriterionData d = around_one();
  d.bound.assign(128, 1e9);  // C3 out of the way
  for (std::size_t i = 0; i < 16; ++i) d.baseline[i] += 0.5f;
  for (double& b : d.bound) b = 1e-6;
  const Criterion c(d);
  auto got = d.plain;
  for (std::size_t i = 0; i < 16; ++i) got[i] += 0.6f;
  CHECK(rowwise(Comparison(c, got), {}).acceptance == Acceptance::accepted);
  auto other_row = d.plain;
  for (std::size_t i = 16; i < 32; ++i) other_row[i] += 0.6f;
  CHECK(rowwise(Comparison(c, other_row), {}).acceptance == Acceptance::refused);
}

TEST_CASE("a tolerance above a tenth of the output's size is said to have no power") {
  CriterionData d = around_one();
  for (double& x : d.reference) x *= 1e-3;
  for (std::size_t i = 0; i < 128; ++i) {
    d.plain[i] = d.baseline[i] = static_cast<float>(nearest(Format::bf16, d.reference[i]));
  }
  const Criterion small(d), normal(around_one());
  const std::vector<float> zeros(128, 0.0f);
  const Judgement blind = matched_ratio(Comparison(small, zeros), 1e-2, 1e-2, 0.95);
  CHECK(blind.acceptance == Acceptance::accepted);
  CHECK(blind.powerless);
  CHECK_FALSE(allclose(Comparison(normal, normal.data().plain), 1e-2, 1e-2).powerless);
  CHECK(contract(small, zeros) == Acceptance::refused);
}

TEST_CASE("the bound grows with what a kernel declares, and only with that") {
  DeclaredPrecision kept, rounded, truncating;
  rounded.probabilities = Format::bf16;
  truncating.growth = Growth::worst_case;
  const double reference[] = {0.02}, terms[] = {0.02}, spread[] = {1e-9};
  const auto bound = [&](const DeclaredPrecision& p) {
    double b[1] = {};
    attention_bound(p, kSixDeviations, 4000, reference, terms, spread, b);
    return b[0];
  };
  CHECK(bound(kept) < 0x1p-9 * 0.02 / 10);      // far below half a step of bf16
  CHECK(bound(rounded) > 0x1p-8 * 0.02);        // P in bf16 shows
  CHECK(bound(truncating) > 10 * bound(kept));  // 4000 terms: √n against n
  CHECK(weight_deviation(kept, 64).score < weight_deviation(kept, 128).score);
}

}  // namespace refute::metrics
