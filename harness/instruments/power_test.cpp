#include "harness/instruments/power.hpp"

#include <algorithm>
#include <bit>
#include <set>
#include <string>

#include "harness/catch.hpp"
#include "harness/instruments/power_cases.hpp"

namespace refute::instruments {
namespace {

using mutants::KernelOp;

PowerOptions one(KernelOp op, std::size_t seeds, unsigned threads = 2) {
  PowerOptions options;
  options.ops = {op};
  options.seeds = seeds;
  options.threads = threads;
  return options;
}

const RuleTally& rule(const PowerReport& r, std::string_view start) {
  return *std::ranges::find_if(r.rules,
                               [&](const RuleTally& t) { return t.name.starts_with(start); });
}

void check_contract(const PowerReport& r) {
  INFO(render_power(r));
  CHECK(r.contract_holds());
  CHECK(r.worst_correct <= 1);
  CHECK(r.mildest_wrong > 1);
  // Every mutant is wrong somewhere: one that never is would count for nothing.
  for (const KernelTally& k : r.wrong) {
    INFO(k.name);
    CHECK(k.cases > 0);
  }
  for (const KernelTally& k : r.correct) CHECK(k.cases == r.shapes.size() * r.seeds);
}

}  // namespace

TEST_CASE("the contract's rule tells every wrong kernel from every correct one") {
  SECTION("attention") {
    check_contract(measure_power(one(KernelOp::attention, 2)));
  }
  SECTION("softmax") {
    check_contract(measure_power(one(KernelOp::softmax, 10)));
  }
  SECTION("gemm") {
    check_contract(measure_power(one(KernelOp::gemm, 10)));
  }
}

TEST_CASE("popular rules are blind in the known ways") {
  const PowerReport r = measure_power(one(KernelOp::attention, 1));
  for (const auto name : {"cosine", "abs <=", "NMSE", "max <= 2x", "95 %"}) {
    INFO(name);
    CHECK(rule(r, name).wrong_passed > rule(r, name).wrong / 10);
  }
  CHECK(rule(r, "abs <=").correct_refused > 0);
  CHECK(rule(r, "abs <=").powerless > 0);
  CHECK(rule(r, "allclose").correct_refused > 0);
}

TEST_CASE("the case that a failure names is one, and the first") {
  PowerOptions options = one(KernelOp::softmax, 3);
  options.first_seed = 5;
  const PowerReport r = measure_power(options);
  const std::size_t blind = 0;  // a bare cosine
  std::size_t replayed = 0;
  for (const KernelTally& k : r.wrong) {
    if (k.failures[blind].count == 0) continue;
    const std::size_t first = k.failures[blind].first;
    const auto& shape = power_shapes(KernelOp::softmax)[first / r.seeds];
    const std::uint64_t seed = r.first_seed + first % r.seeds;
    const auto inputs = power_inputs(shape, seed);
    const metrics::Criterion yard = criterion(shape, inputs);
    const auto row =
        std::ranges::find(mutants::softmax_mutants(), k.name, &mutants::KernelMutant::name);
    const auto got = row->run(shape, inputs);
    INFO(k.name << " on " << r.case_name(first));
    CHECK(r.case_name(first).find(shape_name(shape)) != std::string::npos);
    CHECK(metrics::judge(metrics::acceptance_rules()[blind], metrics::Comparison(yard, got), {})
              .acceptance == metrics::Acceptance::accepted);
    ++replayed;
  }
  CHECK(replayed > 5);
}

TEST_CASE("the report does not depend on the threads, and moves with the seeds") {
  const PowerReport a = measure_power(one(KernelOp::softmax, 2, 1));
  const PowerReport b = measure_power(one(KernelOp::softmax, 2, 3));
  CHECK(power_value(a) == power_value(b));
  PowerOptions other = one(KernelOp::softmax, 2);
  other.first_seed = 1000;
  CHECK_FALSE(power_value(measure_power(other)) == power_value(a));
}

TEST_CASE("there are enough mutants, and their names are unique") {
  std::size_t count = 0;
  for (const KernelOp op : {KernelOp::attention, KernelOp::softmax, KernelOp::gemm}) {
    std::set<std::string_view> names;
    for (const auto& row : mutants::kernel_mutants(op)) {
      CHECK(names.insert(row.name).second);
      CHECK(row.op == op);
      CHECK_FALSE(row.why.empty());
    }
    count += names.size();
    const auto correct =
        std::ranges::count(mutants::correct_kernels(), op, &mutants::CorrectKernel::op);
    CHECK(correct >= 3);
  }
  CHECK(count >= 100);
}

TEST_CASE("what is excluded for a shift of all scores is correct there") {
  const metrics::ContractParameters contract;
  for (const KernelOp op : {KernelOp::attention, KernelOp::softmax}) {
    for (const auto& shape : power_shapes(op)) {
      const auto inputs = power_inputs(shape, 3);
      const metrics::Criterion yard = criterion(shape, inputs);
      for (const auto& row : mutants::kernel_mutants(op)) {
        if (row.excluded != mutants::no_overflow || !row.excluded(shape)) continue;
        const auto got = row.run(shape, inputs);
        INFO(row.name << " on " << shape_name(shape));
        CHECK(metrics::contract_rule(metrics::Comparison(yard, got), contract).acceptance ==
              metrics::Acceptance::accepted);
      }
    }
  }
}

TEST_CASE("a mutant is inert only for the reason that its row gives") {
  for (const KernelOp op : {KernelOp::attention, KernelOp::softmax, KernelOp::gemm}) {
    for (const auto& shape : power_shapes(op)) {
      const auto inputs = power_inputs(shape, 11);
      const auto right = mutants::unmutated(shape, inputs);
      for (const auto& row : mutants::kernel_mutants(op)) {
        const auto got = row.run(shape, inputs);
        const bool inert = std::ranges::equal(got, right, [](float a, float b) {
          return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
        });
        INFO(row.name << " on " << shape_name(shape));
        if (inert) CHECK_FALSE(row.inert.empty());
      }
    }
  }
}

TEST_CASE("a fault at the end alone is the same from the start") {
  for (const KernelOp op : {KernelOp::attention, KernelOp::softmax, KernelOp::gemm}) {
    const auto& shape = power_shapes(op)[1];
    const auto inputs = power_inputs(shape, 4);
    const auto unrounded = mutants::unrounded_kernel(shape, inputs);
    std::size_t seen = 0;
    for (const auto& row : mutants::kernel_mutants(op)) {
      if (row.finish == nullptr) continue;
      const auto from_end = row.finish(shape, unrounded), from_start = row.run(shape, inputs);
      INFO(row.name);
      CHECK(std::ranges::equal(from_end, from_start, {}, std::bit_cast<std::uint32_t, float>,
                               std::bit_cast<std::uint32_t, float>));
      ++seen;
    }
    CHECK(seen > 10);
  }
}

TEST_CASE("a rule loosened four times, or tightened ten, is found out") {
  for (const double factor : {4.0, 0.1}) {
    PowerOptions options = one(KernelOp::attention, 1);
    for (double* x : {&options.contract.bound.lambda, &options.contract.row.rms_factor,
                      &options.contract.row.max_factor}) {
      *x *= factor;
    }
    const PowerReport r = measure_power(options);
    CHECK_FALSE(r.contract_holds());
    CHECK((r.rules.back().wrong_passed > 0) == (factor > 1));
  }
}

TEST_CASE("the signs of correct kernels lean far less than they may") {
  const PowerReport r = measure_power(one(KernelOp::softmax, 3));
  CHECK(r.lean.deviations > 0);
  CHECK(r.lean.deviations < r.contract.sign.deviations / 6);
  CHECK(r.lean.share < r.contract.sign.drift / 10);
}

TEST_CASE("inputs are frozen") {
  const auto& shape = power_shapes(KernelOp::attention).front();
  const auto in = power_inputs(shape, 1);
  // Bits of the first query value for seed 1: a change here changes what every table means.
  CHECK(std::bit_cast<std::uint32_t>(in.a[0]) == 0x3F980000u);
  double sum = 0, squares = 0;
  const auto wide = power_inputs(power_shapes(KernelOp::attention)[10], 1);
  for (const float x : wide.c) {
    sum += x;
    squares += static_cast<double>(x) * x;
  }
  const auto n = static_cast<double>(wide.c.size());
  CHECK(std::abs(sum / n) < 0.01);
  CHECK(std::abs(squares / n - 1) < 0.01);
}

}  // namespace refute::instruments
