#pragma once

// Rules that decide whether a kernel's output is accepted: the calibrated one of our contracts, its
// parts, and rules that others have published or use, to be measured side by side. Every rule reads
// the same Comparison and holds its own published parameters; a contract's parameters come from the
// contract.

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "harness/metrics/acceptance_bound.hpp"
#include "harness/metrics/acceptance_criterion.hpp"

namespace refute::metrics {

enum class Acceptance : std::uint8_t {
  accepted,
  refused,
  declined,  ///< nothing can be told: the criterion is not usable
};

struct Judgement {
  Acceptance acceptance = Acceptance::declined;
  /// The rule's absolute tolerance is above a tenth of the reference's rms, so that it would accept
  /// about anything of that size (rule C6). Published rules do not look; we do.
  bool powerless = false;
  const char* part = "";  ///< what decided, e.g. "C3"
  std::size_t index = 0;  ///< of the worst element or row, as the part counts
  double ratio = 0;       ///< worst error over its limit; above 1 or NaN where refused
};

// --- The contract's rule and its parts ------------------------------------------------------

/// C3 with the output's rounding taken exactly: got has to be the correct rounding of some number
/// within bound[i] of the reference, nearest(ref - bound) <= got <= nearest(ref + bound). Tighter
/// than u|ref| + bound by up to a factor of two, and derived from the same promise: one rounding to
/// nearest, at the end. The ratio is the share of bound[i] that the error before that rounding
/// took.
Judgement rounded_componentwise(const Comparison& c);

/// C1 and C2 per row, with p the baseline's error and floor = u·max(rms(row), share·rms(tensor)),
/// as the baseline's error can be small by luck or exactly 0: rms(e) <= rms_factor·max(rms(p),
/// floor) and max|e| <= max_factor·max(max|p|, floor_factor·floor). Neither limit goes below what
/// is derived for the row, rms(bound) and max(bound): in f32 all errors of a row share that of its
/// denominator, so that one row in twenty is out by more than two deviations.
struct RowParameters {
  double rms_factor = 2, max_factor = 3, floor_factor = 4, share = 1e-3;
};
Judgement rowwise(const Comparison& c, const RowParameters& p);

/// C9, the sign test: over the n elements with an error, of those whose error is ruled by the
/// output's rounding (bound below `ruled` of the rounding's half step), |Σ sign(|got| - |ref|) - Σ
/// sign(|rounded ref| - |ref|)| <= deviations·√n + drift·n. The second sum is what correct rounding
/// leans to by itself: weights of 0.9999 all round up. Elsewhere signs are not independent, as the
/// f32 errors of a row share its denominator's. With less than `least` elements it decides nothing.
struct SignParameters {
  double deviations = 6, drift = 0.03, ruled = 0.25;
  std::size_t least = 64;
};
Judgement sign_bias(const Comparison& c, const SignParameters& p);

/// What the sign test counts: `lean` of `errors` more to the outside than correct rounding has.
struct SignLean {
  double lean = 0, errors = 0;
};
SignLean sign_lean(const Comparison& c, double ruled);

/// What the bound of a criterion is derived with: whoever makes the criterion reads it, the rules
/// do not.
struct BoundParameters {
  double lambda = kSixDeviations, exp_ulps = 2;
  Growth growth = Growth::random_walk;
};

/// All three: refused by the first that refuses, in the order C3, C1, C9. The defaults are the
/// contract's numbers.
struct ContractParameters {
  BoundParameters bound;
  RowParameters row;
  SignParameters sign;
};
Judgement contract_rule(const Comparison& c, const ContractParameters& p);

/// The same in two steps, for whoever looks at the parts as well.
struct ContractParts {
  Judgement c3, c1, c9;
};
ContractParts contract_parts(const Comparison& c, const ContractParameters& p);
Judgement combined(const ContractParts& parts);

// --- What others publish or use, on a usable criterion and an output of its size --------------

Judgement cosine(const Comparison& c, double least);
Judgement absolute_and_cosine(const Comparison& c, double most, double least_cosine);
/// |got - ref| <= atol + rtol·|ref|, ref rounded to the output's format as such tests do.
Judgement allclose(const Comparison& c, double atol, double rtol);
/// Σ(got - ref)² / Σ ref² <= most.
Judgement nmse(const Comparison& c, double most);
/// 1 - 2⟨got, ref⟩ / (‖got‖² + ‖ref‖²) <= most.
Judgement similarity_difference(const Comparison& c, double most);
/// max|got - ref| <= factor·max|plain - ref| over the whole tensor.
Judgement times_baseline(const Comparison& c, double factor);
/// rms(got - ref) <= factor·rms(plain - ref) + slack over the whole tensor.
Judgement rms_times_baseline(const Comparison& c, double factor, double slack);
/// At least `share` of the elements are within atol + rtol·|ref|.
Judgement matched_ratio(const Comparison& c, double atol, double rtol, double share);
/// max|got - ref| <= most·rms(ref).
Judgement rms_normalised(const Comparison& c, double most);
/// An element is wrong only where it is off by more than atol and by more than rtol·|ref|.
Judgement absolute_and_relative(const Comparison& c, double atol, double rtol);

/// The table that `refute power` measures, the contract's rule last.
struct AcceptanceRule {
  std::string_view id;  ///< one word
  std::string_view name;
  std::string_view source;
  /// Only on a usable criterion and an output of its size; `judge` looks.
  Judgement (*apply)(const Comparison& c, const ContractParts& contract);
};
std::span<const AcceptanceRule> acceptance_rules();

/// Declined on a criterion that is not usable, refused for an output of another size.
Judgement judge(const AcceptanceRule& rule, const Comparison& c,
                const ContractParameters& contract);
/// Every rule of the table, in its order; what several are made of is computed once.
std::vector<Judgement> judge_by_all(const Comparison& c, const ContractParameters& contract);

}  // namespace refute::metrics
