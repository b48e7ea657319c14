#pragma once

// Acceptance rules with power, as library functions. None holds a number of its own: every
// parameter comes from the caller, who has it from a contract. Each verdict can say that the rule
// had no power on this input.

#include <cstddef>
#include <cstdint>
#include <span>

namespace refute::metrics {

enum class RuleVerdict : std::uint8_t {
  holds,
  violated,
  no_power,  ///< the input could not have told right from wrong: decline, never pass
};

/// What a rule found, at the element (or row) that is furthest out.
struct RuleResult {
  RuleVerdict verdict = RuleVerdict::no_power;
  std::size_t index = 0;  ///< of the worst element or row
  double error = 0;       ///< there; NaN when the value there is NaN
  double limit = 0;       ///< there
  std::uint64_t violations = 0;
};

/// Rule C3, the derived componentwise bound: |e_i| <= u_out·|ref_i| + λ·u_acc·√n·‖terms_i‖₂ +
/// λ'·u_mid·‖terms_i‖₂, for a sum of n terms with unit round-offs u_out of the output, u_acc of the
/// accumulator and u_mid of what the terms were rounded to on the way. Holds with overwhelming
/// probability for a correct algorithm (random-walk error growth, Higham and Mary 2019) and also
/// finds a silent downgrade of the accumulator.
struct ComponentwiseBound {
  double u_out = 0, u_acc = 0, u_mid = 0;
  double lambda = 0, lambda_mid = 0;
  std::size_t terms = 0;

  double at(double reference, double term_norm) const;
};

/// got against an f64 reference; term_norm[i] = ‖terms of element i‖₂. Equal lengths, else violated
/// at 0. A NaN or infinity in the reference or a norm is no_power: nothing can be told from it.
RuleResult check_componentwise(std::span<const float> got, std::span<const double> reference,
                               std::span<const double> term_norm, const ComponentwiseBound& bound);

/// Rule C9, the sign test: over the n non-zero errors, |Σ sign(|got| - |ref|)| <= deviations·√n +
/// drift·n. Truncation and a factor of 1.01 lean to one side, rounding does not. Below `least`
/// non-zero errors it has no power.
struct SignBias {
  double deviations = 0, drift = 0;
  std::uint64_t least = 0;
};

/// error and limit of the result are the sum and what it may be; index is the number of non-zero
/// errors.
RuleResult check_sign_bias(std::span<const float> got, std::span<const double> reference,
                           const SignBias& rule);

/// Rules C1 and C2, per row against the error of a plain implementation of the same precision:
/// rms(e) <= rms_factor·max(rms(p), floor) and max|e| <= max_factor·max(max|p|,
/// floor_factor·floor), where p is the baseline's error and floor = u_out·max(rms(row),
/// floor_share·rms(tensor)), because a baseline's error can be 0.
struct RowRule {
  double rms_factor = 0, max_factor = 0, floor_factor = 0;
  double u_out = 0, floor_share = 0;
};

RuleResult check_rows(std::span<const float> got, std::span<const float> baseline,
                      std::span<const double> reference, std::size_t rows, std::size_t cols,
                      const RowRule& rule);

/// Rule C6: |got - ref| <= atol + rtol·|ref|, after the masks of NaN and of each infinity agree. An
/// atol above atol_share of the reference's rms would pass anything of that size: no_power.
struct Closeness {
  double atol = 0, rtol = 0, atol_share = 0;
};

RuleResult check_close(std::span<const float> got, std::span<const float> reference,
                       const Closeness& rule);

}  // namespace refute::metrics
