// The record against figures that are taken here a second time, by other code: the inputs drawn
// again, the kernels called directly, the sums in plain loops.

#include "harness/instruments/parity.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "harness/catch.hpp"

namespace refute::instruments {
namespace {

using kernels::AttentionShape;
using kernels::Bf16;
using metrics::Acceptance;
using metrics::Format;

const metrics::ContractParameters kParameters;
const CudaPresence kNoCuda = {false, "none in this test"};

ParityRequest request(bool causal) {
  ParityRequest r;
  r.causal = causal;
  r.threads = 2;
  return r;
}

ParityReport measured(const ParityRequest& r, const AttentionShape& shape, Format storage,
                      std::uint64_t seed) {
  const auto plan = plan_parity(r, shape, storage, kNoCuda);
  REQUIRE(plan);
  const ParityInputs inputs = generated_inputs(shape, storage, seed);
  return judge_parity(*plan, inputs, run_parity(*plan, inputs), kParameters);
}

std::string refused(const ParityRequest& r, const AttentionShape& shape,
                    const CudaPresence& cuda = kNoCuda) {
  const auto plan = plan_parity(r, shape, Format::f32, cuda);
  REQUIRE_FALSE(plan);
  CHECK_FALSE(plan.error().message.empty());
  return plan.error().code;
}

/// The generator from its description, on its own.
std::vector<Bf16> drawn(std::uint64_t& state, std::size_t count) {
  std::vector<Bf16> x;
  for (std::size_t n = 0; n < count; ++n) {
    long sum = 0;
    for (int word = 0; word < 3; ++word) {
      state += 0x9E3779B97F4A7C15u;
      std::uint64_t z = state;
      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
      z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
      z ^= z >> 31;
      for (int part = 0; part < 4; ++part) sum += static_cast<long>(z >> (16 * part) & 0xFFFF);
    }
    x.push_back(kernels::from_float<Bf16>(static_cast<float>(sum - 6 * 65535) / 65536.0f));
  }
  return x;
}

struct Again {
  double max_abs = 0, cosine = 0;
};

Again measured_again(const AttentionShape& s, bool causal, std::uint64_t seed) {
  const std::size_t queries = s.batch * s.heads_q * s.seq_q * s.head_dim;
  const std::size_t keys = s.batch * s.heads_kv * s.seq_kv * s.head_dim;
  const auto q = drawn(seed, queries), k = drawn(seed, keys), v = drawn(seed, keys);
  kernels::AttentionCall call;
  call.shape = s;
  call.scale = 1.0f / std::sqrt(static_cast<float>(s.head_dim));
  call.mask = causal ? kernels::AttentionMask::causal : kernels::AttentionMask::full;
  std::vector<Bf16> a(queries), b(queries);
  REQUIRE(kernels::cpu_simd::attention_flash2(call, q, k, v, a) == kernels::AttentionStatus::ok);
  REQUIRE(kernels::cpu_scalar::attention_naive(call, q, k, v, b) == kernels::AttentionStatus::ok);
  long double aa = 0, bb = 0, ab = 0;
  Again again;
  for (std::size_t i = 0; i < queries; ++i) {
    const double x = kernels::to_float(a[i]), y = kernels::to_float(b[i]);
    again.max_abs = std::max(again.max_abs, std::abs(x - y));
    aa += x * x;
    bb += y * y;
    ab += x * y;
  }
  again.cosine = static_cast<double>(ab / std::sqrt(aa * bb));
  return again;
}

}  // namespace

TEST_CASE("the figures equal an independent re-measurement, and move with the seed") {
  const AttentionShape shape = {2, 4, 2, 70, 131, 64};
  std::vector<double> cosines;
  for (const bool causal : {false, true}) {
    for (const std::uint64_t seed : {1u, 2u, 77u}) {
      const ParityReport r = measured(request(causal), shape, Format::bf16, seed);
      const Again again = measured_again(shape, causal, seed);
      CHECK(r.difference.max_abs.value() == again.max_abs);
      CHECK(std::abs(r.difference.cosine.value() - again.cosine) < 1e-13);
      cosines.push_back(r.difference.cosine.value());
    }
  }
  std::ranges::sort(cosines);
  CHECK(std::ranges::adjacent_find(cosines) == cosines.end());
}

TEST_CASE("the record does not depend on the threads") {
  const AttentionShape shape = {1, 4, 2, 65, 129, 128};
  ParityRequest one = request(true), many = request(true);
  one.threads = 1;
  many.threads = 5;
  CHECK(parity_value(measured(one, shape, Format::f16, 9)) ==
        parity_value(measured(many, shape, Format::f16, 9)));
}

TEST_CASE("correct kernels are accepted in every dtype") {
  for (const Format storage : {Format::f32, Format::f16, Format::bf16}) {
    for (const auto subject : {CpuSubject::cpu_scalar, CpuSubject::cpu_simd}) {
      ParityRequest r = request(true);
      r.subject = subject;
      const ParityReport report = measured(r, {1, 2, 1, 66, 130, 64}, storage, 5);
      CHECK(report.calibrated.verdict.acceptance == Acceptance::accepted);
      CHECK(report.plan.kernel == AttentionKernel::flash2);
      CHECK(report.regime.key_tiles == 3);
    }
  }
}

TEST_CASE("a planted error is refused, and its place is told") {
  const AttentionShape shape = {2, 4, 2, 70, 200, 64};
  const auto plan = plan_parity(request(false), shape, Format::f32, kNoCuda);
  const ParityInputs in = generated_inputs(shape, Format::f32, 4);
  ParityOutputs out = run_parity(*plan, in);
  const std::size_t row = (1 * 4 + 2) * 70 + 33;
  // Keys 128 to 191 dropped from one row: what remains, weighed anew.
  kernels::AttentionCall one = plan->call;
  one.shape = {1, 1, 1, 1, 136, 64};
  std::vector<float> k, v, dropped;
  for (std::size_t j = 0; j < 200; ++j) {
    if (j >= 128 && j < 192) continue;
    const std::size_t at = ((1 * 2 + 1) * 200 + j) * 64;
    k.insert(k.end(), &in.k[at], &in.k[at] + 64);
    v.insert(v.end(), &in.v[at], &in.v[at] + 64);
  }
  const std::span<const float> q(&in.q[row * 64], 64);
  REQUIRE(run_attention(AttentionKernel::naive, CpuSubject::cpu_scalar, Format::f32, one, {q, k, v},
                        dropped) == kernels::AttentionStatus::ok);
  std::ranges::copy(dropped, &out.kernel[row * 64]);
  const ParityReport r = judge_parity(*plan, in, out, kParameters);
  CHECK(r.calibrated.verdict.acceptance == Acceptance::refused);
  REQUIRE(r.calibrated.worst_row);
  const WorstRow& w = *r.calibrated.worst_row;
  CHECK(w.place.batch == 1);
  CHECK(w.place.head == 2);
  CHECK(w.place.row == 33);
  REQUIRE(w.key_tile);
  CHECK(*w.key_tile == 2);
  CHECK(w.key_tile_share > 0.999);
}

TEST_CASE("rounding noise is blamed on no tile") {
  const ParityReport r = measured(request(false), {1, 2, 2, 64, 512, 64}, Format::f32, 3);
  REQUIRE(r.calibrated.worst_row);
  CHECK(r.calibrated.worst_row->key_tile_share < 0.5);
}

TEST_CASE("outputs that are not finite have no difference and are refused") {
  const AttentionShape shape = {1, 1, 1, 4, 70, 64};
  const auto plan = plan_parity(request(false), shape, Format::f32, kNoCuda);
  const ParityInputs in = generated_inputs(shape, Format::f32, 4);
  ParityOutputs out = run_parity(*plan, in);
  out.kernel[70] = std::nanf("");
  const ParityReport r = judge_parity(*plan, in, out, kParameters);
  CHECK_FALSE(r.difference.max_abs.defined());
  CHECK(r.calibrated.verdict.acceptance == Acceptance::refused);
  const Value v = parity_value(r);
  CHECK(v.find("max_abs_diff")->is_null());
  CHECK(*v.find("max_abs_diff_undefined")->as_string() == "non_finite");
  CHECK(*v.find("kernel_non_finite")->find("nan")->as_int() == 1);
}

TEST_CASE("values so small that zeros would be accepted are declined, larger ones are judged") {
  const AttentionShape shape = {1, 1, 1, 4, 70, 64};
  const auto plan = plan_parity(request(false), shape, Format::f32, kNoCuda);
  REQUIRE(plan);
  for (const float factor : {1e-42f, 1e-30f}) {
    ParityInputs in = generated_inputs(shape, Format::f32, 1);
    for (float& x : in.v) x *= factor;
    const auto r = judge_parity(*plan, in, run_parity(*plan, in), kParameters);
    INFO(factor);
    CHECK((r.calibrated.verdict.acceptance == Acceptance::declined) == (factor < 1e-40f));
    CHECK(r.calibrated.declined.empty() == (factor > 1e-40f));
  }
}

TEST_CASE("scores that may overflow and inputs that are not finite are declined, not judged") {
  const AttentionShape shape = {1, 1, 1, 3, 70, 64};
  ParityRequest huge = request(false);
  huge.scale = 1e38f;
  const ParityReport r = measured(huge, shape, Format::f32, 1);
  CHECK(r.calibrated.verdict.acceptance == Acceptance::declined);
  CHECK_FALSE(r.calibrated.declined.empty());
  CHECK_FALSE(r.calibrated.worst_row);

  const auto plan = plan_parity(request(false), shape, Format::f32, kNoCuda);
  ParityInputs in = generated_inputs(shape, Format::f32, 1);
  in.v[0] = std::numeric_limits<float>::infinity();
  const ParityReport infinite = judge_parity(*plan, in, run_parity(*plan, in), kParameters);
  CHECK(infinite.calibrated.verdict.acceptance == Acceptance::declined);
}

TEST_CASE("a device that is not there stops the request, or naive runs and says why") {
  const AttentionShape shape = {1, 1, 1, 4, 70, 64};
  ParityRequest r = request(false);
  r.device = Device::cuda;
  CHECK(refused(r, shape) == "no-gpu");
  CHECK(refused(r, shape, {true, ""}) == "abi");
  r.allow_fallback = true;
  const ParityReport fallen = measured(r, shape, Format::f32, 1);
  CHECK(fallen.plan.kernel == AttentionKernel::naive);
  const Value v = parity_value(fallen);
  CHECK(*v.find("attn_impl")->as_string() == "naive");
  CHECK(*v.find("fallback")->as_string() == "no-gpu");
  CHECK(*v.find("requested")->find("device")->as_string() == "cuda");
  CHECK(v.find("kernel_source") == nullptr);
  r.device = Device::cpu;
  const Value asked = parity_value(measured(r, shape, Format::f32, 1));
  CHECK(*asked.find("attn_impl")->as_string() == "flash2");
  CHECK(asked.find("fallback") == nullptr);
  CHECK(*asked.find("kernel_source")->as_string() == flash2_source());
}

TEST_CASE("head_dim 96 is refused whatever would run in its place") {
  const AttentionShape shape = {1, 1, 1, 4, 70, 96};
  ParityRequest r = request(false);
  CHECK(refused(r, shape) == "unsupported-head-dim");
  r.device = Device::cuda;
  r.allow_fallback = true;
  CHECK(refused(r, shape) == "unsupported-head-dim");
  CHECK(plan_parity(r, shape, Format::f32, kNoCuda).error().exit == ExitCode::findings);
  r = request(false);
  r.kernel = AttentionKernel::naive;
  r.reference = AttentionKernel::flash2;
  CHECK(refused(r, shape) == "unsupported-head-dim");
}

TEST_CASE("sizes that cannot be are refused before anything is allocated") {
  const ParityRequest r = request(false);
  CHECK(refused(r, {1, 1, 1, 0, 70, 64}) == "zero-size");
  CHECK(refused(r, {1, 6, 4, 8, 8, 64}) == "heads-not-divisible");
  CHECK(refused(r, {1, 6, 0, 8, 8, 64}) == "zero-size");
  const std::size_t large = std::size_t{1} << 40;
  CHECK(refused(r, {large, large, 1, 8, 8, 64}) == "size-overflow");
  CHECK(refused(r, {1, 1, 1, large, large, 64}) == "size-overflow");
  CHECK(refused(r, {1, 1, 1, large, 8, 64}) == "too-large");
  CHECK(refused(r, {1, 1, 1, 8, large, 64}) == "too-large");
  ParityRequest scaled = r;
  scaled.scale = std::nanf("");
  CHECK(refused(scaled, {1, 1, 1, 8, 8, 64}) == "scale-not-finite");
  ParityRequest torn = r;
  torn.device = Device::cuda;
  torn.subject = CpuSubject::cpu_simd;
  CHECK(refused(torn, {1, 1, 1, 8, 8, 64}) == "subject-and-device");
}

TEST_CASE("the same code on both sides is named") {
  ParityRequest r = request(false);
  r.kernel = AttentionKernel::naive;
  r.subject = CpuSubject::cpu_scalar;
  CHECK(measured(r, {1, 1, 1, 4, 70, 64}, Format::f32, 1).plan.same_code());
  r.subject = CpuSubject::cpu_simd;
  CHECK_FALSE(measured(r, {1, 1, 1, 4, 70, 64}, Format::f32, 1).plan.same_code());
}

}  // namespace refute::instruments
