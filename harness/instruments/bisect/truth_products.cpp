#include "harness/instruments/bisect/truth_products.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

#include "harness/instruments/bisect/truth_elements.hpp"
#include "kernels/cpu/attention_parallel.hpp"

namespace refute::bisect {
namespace {

constexpr std::size_t kLanes = 8;

struct Dot {
  double value, terms;  ///< Σ aᵢbᵢ and √Σ(aᵢbᵢ)²
};

double folded(std::array<double, kLanes>& lanes) {
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

Dot dot(const float* a, const float* b, std::size_t n) {
  std::array<double, kLanes> sums{}, squares{};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      const double term = static_cast<double>(a[i + j]) * static_cast<double>(b[i + j]);
      sums[j] += term;
      squares[j] += term * term;
    }
  }
  for (std::size_t j = 0; i + j < n; ++j) {
    const double term = static_cast<double>(a[i + j]) * static_cast<double>(b[i + j]);
    sums[j] += term;
    squares[j] += term * term;
  }
  return {folded(sums), std::sqrt(folded(squares))};
}

double norm_of(const float* w, std::size_t n) {
  double squares = 0;
  for (std::size_t i = 0; i < n; ++i) squares += static_cast<double>(w[i]) * w[i];
  return std::sqrt(squares);
}

/// The standard deviation of what 8-bit inputs add to one sum: each block of a row has a step of
/// its largest value over 127, an error uniform in half of it, and √Σw² of the weights that meet
/// it.
double eight_bit_deviation(std::span<const float> x, const float* w, std::size_t block) {
  double variance = 0;
  for (std::size_t begin = 0; begin < x.size(); begin += std::min(block, x.size() - begin)) {
    const std::size_t end = begin + std::min(block, x.size() - begin);
    double largest = 0, squares = 0;
    for (std::size_t i = begin; i < end; ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(x[i])));
      squares += static_cast<double>(w[i]) * w[i];
    }
    variance += largest * largest / (127.0 * 127.0 * 12.0) * squares;
  }
  return std::sqrt(variance);
}

}  // namespace

StageTruth product_truth(std::span<const float> x, std::size_t rows,
                         const std::vector<std::span<const float>>& weights, const Arithmetic& a,
                         unsigned threads) {
  const std::size_t inputs = x.size() / rows;
  std::vector<const float*> columns;
  for (const auto& w : weights) {
    assert(w.size() % inputs == 0);
    for (std::size_t at = 0; at < w.size(); at += inputs) columns.push_back(&w[at]);
  }
  const std::size_t outputs = columns.size(), count = rows * outputs;
  StageTruth truth{std::vector<double>(count), std::vector<double>(count),
                   std::vector<double>(count)};
  const double sums = a.exact_sums ? 0x1p-50
                                   : metrics::kSixDeviations * unit_roundoff(a.accumulator) *
                                         std::sqrt(static_cast<double>(inputs));
  constexpr std::size_t kPiece = 64;
  kernels::attention_parallel((outputs + kPiece - 1) / kPiece, threads, [&](std::size_t piece) {
    const std::size_t end = std::min(outputs, (piece + 1) * kPiece);
    for (std::size_t n = piece * kPiece; n < end; ++n) {
      // What it costs that inputs which are subnormal in the storage were rounded.
      const double subnormal =
          a.least_input() < 0x1p-100 ? 0 : a.least_input() * norm_of(columns[n], inputs);
      for (std::size_t t = 0; t < rows; ++t) {
        const auto row = x.subspan(t * inputs, inputs);
        const Dot d = dot(row.data(), columns[n], inputs);
        const std::size_t i = t * outputs + n;
        truth.value[i] = d.value;
        truth.terms[i] = d.terms;
        truth.bound[i] = sums * (d.terms + std::abs(d.value)) +
                         metrics::kSixDeviations * (a.inputs() * d.terms + subnormal);
        if (a.eight_bit_block != 0) {
          truth.bound[i] += 6 * eight_bit_deviation(row, columns[n], a.eight_bit_block);
        }
      }
    }
  });
  add_output_rounding(truth, a);
  return truth;
}

}  // namespace refute::bisect
