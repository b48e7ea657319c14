// The products of cpu_scalar and cpu_simd: the same bits on every instruction set, and close to
// f64.

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "fixtures/oracles/nf4_oracle.hpp"
#include "harness/catch.hpp"
#include "kernels/backend_test.hpp"
#include "kernels/nf4.hpp"

using namespace refute;
using namespace refute::kernels;

namespace {

struct Problem {
  std::size_t m, n, k;
  std::vector<float> a, w, dequantized;
  std::vector<std::uint8_t> packed;
};

Problem make_problem(std::size_t m, std::size_t n, std::size_t k, Nf4Layout layout) {
  std::mt19937 random(static_cast<unsigned>(m * 1000 + n * 100 + k));
  const auto uniform = [&] { return static_cast<float>(random()) * 0x1p-31f - 1.0f; };
  Problem p{
      m, n, k, std::vector<float>(m * k), std::vector<float>(n * k), std::vector<float>(n * k), {}};
  for (float& x : p.a) x = uniform();
  for (float& x : p.w) x = uniform();
  std::vector<std::uint8_t> codes(n * k);
  std::vector<float> absmax(n * k / kNf4Block);
  p.packed.resize(nf4_packed_size(n, k));
  REQUIRE(cpu_scalar::nf4_quantize(p.w, n, k, Nf4Decision::thresholds, codes, absmax).status ==
          Nf4Status::ok);
  REQUIRE(cpu_scalar::nf4_pack(codes, absmax, n, k, layout, p.packed).status == Nf4Status::ok);
  REQUIRE(cpu_scalar::nf4_dequantize(codes, absmax, n, k, p.dequantized).status == Nf4Status::ok);
  return p;
}

/// Sizes on both sides of the row groups of four and the column tiles of sixteen.
const std::vector<Problem>& problems() {
  static const std::vector<Problem> all = [] {
    std::vector<Problem> made;
    for (const std::size_t m : {1, 3, 4, 5, 9}) {
      for (const std::size_t n : {1, 15, 16, 17})
        made.push_back(make_problem(m, n, 192, Nf4Layout::first_high));
    }
    return made;
  }();
  return all;
}

std::vector<float> gemm(decltype(&cpu_scalar::nf4_gemm) multiply, const Problem& p) {
  std::vector<float> c(p.m * p.n, NAN);
  CHECK(multiply(p.a, p.packed, p.m, p.n, p.k, Nf4Layout::first_high, c).status == Nf4Status::ok);
  return c;
}

std::vector<float> naive(decltype(&cpu_scalar::naive_gemm) multiply, const Problem& p) {
  std::vector<float> c(p.m * p.n, NAN);
  CHECK(multiply(p.a, p.dequantized, p.m, p.n, p.k, c).status == Nf4Status::ok);
  return c;
}

}  // namespace

TEST_CASE("nf4_gemm and naive_gemm give the same bits on every instruction set") {
  for (const Problem& p : problems()) {
    const auto fused = gemm(cpu_scalar::nf4_gemm, p);
    const auto plain = naive(cpu_scalar::naive_gemm, p);
    for_each_simd_target([&](const std::string& name) {
      INFO(name << " m=" << p.m << " n=" << p.n);
      CHECK(gemm(cpu_simd::nf4_gemm, p) == fused);
      CHECK(naive(cpu_simd::naive_gemm, p) == plain);
    });
  }
}

TEST_CASE("both products lie within the bound of an f32 sum of k terms around the f64 product") {
  for (const Problem& p : problems()) {
    const auto fused = gemm(cpu_scalar::nf4_gemm, p);
    const auto plain = naive(cpu_scalar::naive_gemm, p);
    const auto exact = oracles::gemm_f64(p.a, p.dequantized, p.m, p.n, p.k);
    for (std::size_t i = 0; i < fused.size(); ++i) {
      // Rule C3 with u = 2^-24 and lambda = 6.
      const double bound =
          0x1p-24 * (std::fabs(exact.value[i]) + 6 * std::sqrt(192.0) * exact.term_norm[i]);
      CHECK(std::fabs(fused[i] - exact.value[i]) <= bound);
      CHECK(std::fabs(plain[i] - exact.value[i]) <= bound);
    }
  }
}

TEST_CASE("lanes are summed as the header says: j takes j + 8, then 4, 2, 1") {
  // One huge and one cancelling term in lanes 0 and 8, small ones in 4, 2 and 1: any other order
  // loses one of them.
  std::vector<float> w(64, 0.0f);
  w[0] = 1.0f;
  std::fill(w.begin(), w.begin() + 16, 1.0f);
  std::vector<float> a(64, 0.0f);
  a[0] = 0x1p30f;
  a[8] = -0x1p30f;
  a[4] = 1.0f;
  a[2] = 0x1p-10f;
  a[1] = 0x1p-20f;
  std::vector<std::uint8_t> codes(64), packed(36);
  std::vector<float> absmax(1), c(1);
  cpu_scalar::nf4_quantize(w, 1, 64, Nf4Decision::thresholds, codes, absmax);
  cpu_scalar::nf4_pack(codes, absmax, 1, 64, Nf4Layout::first_low, packed);
  cpu_scalar::nf4_gemm(a, packed, 1, 1, 64, Nf4Layout::first_low, c);
  CHECK(c[0] == 1.0f + 0x1p-10f + 0x1p-20f);
}

TEST_CASE("a product whose spans do not fit its shape is refused and left unwritten") {
  const Problem p = make_problem(2, 3, 64, Nf4Layout::first_low);
  std::vector<float> c(6, -7.0f);
  for (const auto multiply : {cpu_scalar::nf4_gemm, cpu_simd::nf4_gemm}) {
    CHECK(multiply(p.a, p.packed, 2, 3, 32, Nf4Layout::first_low, c).status ==
          Nf4Status::misaligned);
    CHECK(multiply(p.a, p.packed, 3, 3, 64, Nf4Layout::first_low, c).status ==
          Nf4Status::size_mismatch);
    CHECK(multiply(p.a, p.packed, 2, 4, 64, Nf4Layout::first_low, c).status ==
          Nf4Status::size_mismatch);
  }
  for (const auto multiply : {cpu_scalar::naive_gemm, cpu_simd::naive_gemm}) {
    CHECK(multiply(p.a, p.w, 2, 3, 63, c).status == Nf4Status::size_mismatch);
  }
  CHECK(c == std::vector<float>(6, -7.0f));
}
