// nf4_gemm's share of work, thread by thread on the host: the whole kernel's loop, with shared
// memory as two arrays, against a plain product.

#include "kernels/cuda/nf4_tiles.hpp"

#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "harness/catch.hpp"
#include "kernels/nf4.hpp"

using namespace refute::kernels;
using cuda::Nf4Tile;

namespace {

struct Problem {
  std::size_t m, n, k;
  Nf4Layout layout;
  std::vector<float> a, values;
  std::vector<std::uint8_t> packed;
};

/// Whole numbers throughout: any order of adding gives the same sums.
Problem problem(std::size_t m, std::size_t n, std::size_t k, Nf4Layout layout) {
  Problem p{m, n, k, layout, std::vector<float>(m * k), std::vector<float>(n * k), {}};
  std::mt19937 engine(static_cast<std::uint32_t>(m * 7919 + n * 31 + k));
  constexpr std::uint8_t kWhole[] = {0, 7, 15};
  std::vector<std::uint8_t> codes(n * k);
  std::vector<float> absmax(n * k / kNf4Block);
  for (auto& x : p.a) x = static_cast<float>(engine() % 9) - 4.0f;
  for (auto& c : codes) c = kWhole[engine() % 3];
  for (auto& s : absmax) s = static_cast<float>(1 + engine() % 4);
  p.packed.resize(nf4_packed_size(n, k));
  REQUIRE(cpu_scalar::nf4_pack(codes, absmax, n, k, layout, p.packed).status == Nf4Status::ok);
  REQUIRE(cpu_scalar::nf4_dequantize(codes, absmax, n, k, p.values).status == Nf4Status::ok);
  return p;
}

std::uint32_t word_at(const std::vector<std::uint8_t>& bytes, std::size_t at) {
  std::uint32_t word = 0;
  std::memcpy(&word, &bytes.at(at + 3) - 3, 4);
  return word;
}

constexpr float kUnwritten = std::numeric_limits<float>::quiet_NaN();

struct Block {
  const Problem& p;
  std::size_t m0, n0;
  std::vector<float> a = std::vector<float>(Nf4Tile::kASize, kUnwritten);
  std::vector<float> w = std::vector<float>(Nf4Tile::kWSize, kUnwritten);

  void load(unsigned thread, std::size_t k0) {
    for (unsigned i = 0; i < Nf4Tile::kElementsEach; ++i) {
      const unsigned row = Nf4Tile::a_row(thread, i), col = Nf4Tile::a_col(thread, i);
      a.at(Nf4Tile::a_at(row, col)) = m0 + row < p.m ? p.a.at((m0 + row) * p.k + k0 + col) : 0.0f;
    }
    for (unsigned i = 0; i < Nf4Tile::kWordsEach; ++i) {
      const unsigned row = Nf4Tile::word_row(thread, i), word = Nf4Tile::word_in_row(thread, i);
      for (unsigned j = 0; j < 8; ++j) {
        float value = 0.0f;
        if (n0 + row < p.n) {
          const std::size_t at = cuda::nf4_block_offset(n0 + row, k0 / kNf4Block, p.k);
          float scale = 0.0f;
          const std::uint32_t bits = word_at(p.packed, at);
          std::memcpy(&scale, &bits, 4);
          const std::uint32_t codes = word_at(p.packed, at + 4 + 4 * word);
          value = kNf4Codebook.at(cuda::nf4_code_in_word(codes, j, p.layout)) * scale;
        }
        w.at(Nf4Tile::w_at(8 * word + j, row)) = value;
      }
    }
  }

  void multiply(unsigned thread, float (&sum)[Nf4Tile::kRows][Nf4Tile::kCols]) const {
    for (unsigned k = 0; k < Nf4Tile::kTileK; ++k) {
      for (unsigned i = 0; i < Nf4Tile::kRows; ++i) {
        for (unsigned j = 0; j < Nf4Tile::kCols; ++j) {
          sum[i][j] += a.at(Nf4Tile::a_at(Nf4Tile::c_row(thread, i), k)) *
                       w.at(Nf4Tile::w_at(k, Nf4Tile::c_col(thread, j)));
        }
      }
    }
  }
};

std::vector<float> product_by_tiles(const Problem& p) {
  std::vector<float> c(p.m * p.n, kUnwritten);
  for (std::size_t m0 = 0; m0 < p.m; m0 += Nf4Tile::kTileM) {
    for (std::size_t n0 = 0; n0 < p.n; n0 += Nf4Tile::kTileN) {
      Block block{p, m0, n0};
      std::vector<float[Nf4Tile::kRows][Nf4Tile::kCols]> sum(Nf4Tile::kThreads);
      for (std::size_t k0 = 0; k0 < p.k; k0 += Nf4Tile::kTileK) {
        for (unsigned t = 0; t < Nf4Tile::kThreads; ++t) block.load(t, k0);
        for (unsigned t = 0; t < Nf4Tile::kThreads; ++t) block.multiply(t, sum[t]);
      }
      for (unsigned t = 0; t < Nf4Tile::kThreads; ++t) {
        for (unsigned i = 0; i < Nf4Tile::kRows; ++i) {
          for (unsigned j = 0; j < Nf4Tile::kCols; ++j) {
            const std::size_t row = m0 + Nf4Tile::c_row(t, i), col = n0 + Nf4Tile::c_col(t, j);
            if (row < p.m && col < p.n) c.at(row * p.n + col) = sum[t][i][j];
          }
        }
      }
    }
  }
  return c;
}

}  // namespace

TEST_CASE("the GEMM's threads together compute every element once and right") {
  for (const auto layout : {Nf4Layout::first_low, Nf4Layout::first_high}) {
    for (const std::size_t m : {1, 31, 33}) {
      for (const std::size_t n : {1, 63, 65}) {
        const Problem p = problem(m, n, 128, layout);
        std::vector<float> want(m * n);
        cpu_scalar::naive_gemm(p.a, p.values, m, n, p.k, want);
        CHECK(product_by_tiles(p) == want);
      }
    }
  }
}
