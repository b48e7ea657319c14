#pragma once

// How far a correct kernel may be from the exact result before it rounds its output: derived from
// the algorithm and the precision that the kernel declares, never fitted to a kernel. With u the
// unit round-off of the accumulator, every operation adds a relative error of at most u; n of them
// that are independent and of zero mean add up like √n (Higham and Mary, "A New Approach to
// Probabilistic Rounding Error Analysis", 2019).
//
// For attention, out = Σ p_j·v_j / Σ p_j with weights p_j = exp(s_j - m). An error Δ_j of exponent
// j moves the output by p_j·Δ_j·(v_j - out): the normalisation takes what all weights have in
// common. So the parts of the error are
//   spread    ‖Δ_j·p_j·(v_j - out)‖₂   from scores and exponentials,
//   rounding  u_p·‖p_j·v_j‖₂           where the weights are rounded before they meet V,
//   sums      u·√n·(‖p_j·v_j‖₂ + |out|) from the sums over n keys, whose partial sums have about
//                                      that size when the order of the keys has nothing to do with
//                                      their values.
// They are independent of each other, so their squares add.

#include <cstddef>
#include <span>

#include "harness/metrics/acceptance_format.hpp"

namespace refute::metrics {

/// How errors of a sum of n terms grow: like √n when rounding is to nearest, up to n when the
/// accumulator truncates, as the matrix units of GPUs do.
enum class Growth : std::uint8_t { random_walk, worst_case };

/// What a kernel says of itself. Whatever it rounds harder in silence shows as a violation.
struct DeclaredPrecision {
  Format output = Format::f32;
  Format accumulator = Format::f32;
  Format scores = Format::f32;         ///< what scores are rounded to before the softmax
  Format probabilities = Format::f32;  ///< what weights are rounded to before they meet V
  double exp_ulps = 2;  ///< worst error of its exponential, in ulp of the accumulator
  Growth growth = Growth::random_walk;
};

/// A rounding error is uniform in ±u at worst, so it has a standard deviation of u/√3: six of them
/// are 2√3·u. A correct kernel exceeds six once in 5·10^8 elements.
inline constexpr double kSixDeviations = 3.4641016151377544;

/// The coefficients of Δ_j for oracles::WeightError, in the same meaning: Δ_j = products·‖q∘k_j‖₂·
/// |scale| + score·|s_j| + shift·|s_j - m| + constant, and `absolute` for weights that underflow.
struct WeightDeviation {
  double products, score, shift, constant, absolute;
};
WeightDeviation weight_deviation(const DeclaredPrecision& precision, std::size_t head_dim);

/// bound[i] = lambda·√(spread² + rounding² + sums²) and what is common to a whole row, per output
/// element, before the output is rounded. `keys` is n. All spans are equally long.
void attention_bound(const DeclaredPrecision& precision, double lambda, std::size_t keys,
                     std::span<const double> reference, std::span<const double> terms,
                     std::span<const double> spread, std::span<double> bound);

/// The same for a softmax over rows of n: spread as oracles::softmax gives it.
void softmax_bound(const DeclaredPrecision& precision, double lambda, std::size_t n,
                   std::span<const double> reference, std::span<const double> spread,
                   std::span<double> bound);

/// The same for sums of n products, terms[i] = ‖products of element i‖₂.
void product_bound(const DeclaredPrecision& precision, double lambda, std::size_t n,
                   std::span<const double> reference, std::span<const double> terms,
                   std::span<double> bound);

}  // namespace refute::metrics
