// Relations that hold without an oracle: rows of weights sum to one, scores may be shifted, values
// scaled, and the same call gives the same bits.

#include <algorithm>
#include <bit>
#include <cmath>

#include <fmt/format.h>

#include "falsifiers/crux_l_02/calibrated.hpp"
#include "falsifiers/crux_l_02/checks.hpp"
#include "falsifiers/crux_l_02/run_cases.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

using mutants::KernelInputs;
using mutants::KernelShape;
using worker::Context;

std::vector<float> times(const std::vector<float>& x, float factor) {
  std::vector<float> y(x);
  for (float& value : y) value *= factor;
  return y;
}

bool power_of_two(float x) {
  return (std::bit_cast<std::uint32_t>(x) & 0x7FFFFFu) == 0;
}

bool exact_scores(const AttentionCase& c) {
  return power_of_two(c.shape.scale()) && c.family == AttentionFamily::ties;
}

/// Multiples of 1/64, so that a sixteenth of them is a normal number in f16 too.
std::vector<float> coarse(const KernelShape& shape, const std::vector<float>& x) {
  std::vector<float> y(x.size());
  std::ranges::transform(x, y.begin(), [&](float value) {
    return mutants::stored(shape.storage, std::nearbyint(value * 64) / 64);
  });
  return y;
}

/// Among subnormal numbers steps do not scale: where the output is one, with or without the factor,
/// nothing is told, as long as what came out is about as small.
void drop_subnormal(mutants::Storage storage, float factor, const std::vector<float>& plain,
                    std::vector<float>& want, std::vector<float>& got) {
  const float least = storage == mutants::Storage::f16 ? 0x1p-14f : 0x1p-126f;
  const float small = 2 * least * std::max(1.0f, std::abs(factor));
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const bool normal = std::abs(plain[i]) >= least && std::abs(want[i]) >= least;
    if (!normal && std::abs(got[i]) < small) got[i] = want[i] = 0;
  }
}

Verdict sum_to_one_by(Context& context, const CalibratedRule& rule) {
  context.agreement(Agreement::tolerance);
  const auto subject = attention_subject_of(context);
  return check_variants(context, *subject,
                        [&](const AttentionCase& c, const KernelInputs& in,
                            const AttentionVariant& given) -> std::optional<CaseFailure> {
                          AttentionVariant variant = given;
                          variant.truncates_sums = truncates_sums(rule);
                          KernelInputs ones = in;
                          std::ranges::fill(ones.c, 1.0f);
                          const auto criterion =
                              criterion_of(rule, c.shape, ones, variant.rounds_probabilities);
                          const RunResult result = run_subject(context, *subject, c, ones, variant);
                          if (result.failure) return result.failure;
                          if (auto why = refusal(context.compare(), rule, criterion, result.out)) {
                            return CaseFailure{"values of 1: " + *why, variant};
                          }
                          return std::nullopt;
                        });
}

}  // namespace

Verdict attention_sum_to_one(Context& context) {
  return sum_to_one_by(context, calibrated_rule_of(context));
}

Verdict attention_sum_to_one_truncating(Context& context) {
  return sum_to_one_by(context, truncating_rule_of(context));
}

Verdict attention_shift(Context& context) {
  const auto shift = static_cast<float>(context.count("shift"));
  const auto subject = attention_subject_of(context);
  return check_variants(
      context, *subject,
      [&](const AttentionCase& c, const KernelInputs& in,
          const AttentionVariant& variant) -> std::optional<CaseFailure> {
        const RunResult plain = run_subject(context, *subject, c, in, variant);
        if (plain.failure) return plain.failure;
        // The same to every key, so the same to every score of a row: all whole numbers, below
        // 2^24.
        for (const float by : {shift, -shift}) {
          KernelInputs shifted = in;
          for (float& x : shifted.b) x += by;
          const RunResult moved = run_subject(context, *subject, c, shifted, variant);
          if (moved.failure) return moved.failure;
          auto why = differ(context, moved.out, plain.out,
                            fmt::format("{:+g} on every key's elements", by), variant);
          if (why) return why;
        }
        return std::nullopt;
      },
      {exact_scores, "scores are exact only for family ties and a head_dim of 4^n"});
}

Verdict attention_values_scale(Context& context) {
  const auto factor = static_cast<float>(context.count("factor"));
  if (!power_of_two(factor)) throw worker::JobError("`factor` has to be a power of two");
  const auto subject = attention_subject_of(context);
  return check_variants(
      context, *subject,
      [&](const AttentionCase& c, const KernelInputs& drawn,
          const AttentionVariant& variant) -> std::optional<CaseFailure> {
        const KernelInputs in{drawn.a, coarse(c.shape, drawn.b), coarse(c.shape, drawn.c)};
        const RunResult plain = run_subject(context, *subject, c, in, variant);
        if (plain.failure) return plain.failure;
        for (const float by : {factor, -factor, 1 / factor}) {
          const KernelInputs scaled{in.a, in.b, times(in.c, by)};
          const RunResult result = run_subject(context, *subject, c, scaled, variant);
          if (result.failure) return result.failure;
          std::vector<float> got = result.out, want = times(plain.out, by);
          drop_subnormal(c.shape.storage, by, plain.out, want, got);
          auto why = differ(context, std::move(got), std::move(want),
                            fmt::format("values times {:g}", by), variant);
          if (why) return why;
        }
        // A power of two moves from the queries to the keys without a trace.
        const KernelInputs moved{times(in.a, factor), times(in.b, 1 / factor), in.c};
        const RunResult result = run_subject(context, *subject, c, moved, variant);
        if (result.failure) return result.failure;
        return differ(context, result.out, plain.out,
                      fmt::format("queries times {:g}, keys by it", factor), variant);
      });
}

namespace {

/// Runs every case once, and again in each of some ways, which have to give the same bits.
struct Again {
  unsigned threads;
  bool after_another;  ///< call, of the same shape on other inputs
  std::string words;
};
Verdict same_again(Context& context, const std::vector<Again>& ways) {
  const auto subject = attention_subject_of(context);
  return check_variants(context, *subject,
                        [&](const AttentionCase& c, const KernelInputs& in,
                            const AttentionVariant& variant) -> std::optional<CaseFailure> {
                          const RunResult first = run_subject(context, *subject, c, in, variant);
                          if (first.failure) return first.failure;
                          AttentionCase another = c;
                          ++another.seed;
                          for (const Again& way : ways) {
                            AttentionVariant other = variant;
                            other.threads = way.threads;
                            if (way.after_another) {
                              const RunResult between = run_subject(context, *subject, another,
                                                                    inputs_of(another), other);
                              if (between.failure) return between.failure;
                            }
                            const RunResult again = run_subject(context, *subject, c, in, other);
                            if (again.failure) return again.failure;
                            auto why = differ(context, again.out, first.out, way.words, variant);
                            if (why) return why;
                          }
                          return std::nullopt;
                        });
}

}  // namespace

Verdict attention_determinism(Context& context) {
  std::vector<Again> ways;
  for (std::uint64_t i = 1; i <= std::min<std::uint64_t>(context.count("reruns"), 100); ++i) {
    // What the call before leaves behind is the same where it was the same call.
    const bool after_another = i % 2 == 1;
    ways.push_back({1, after_another,
                    fmt::format("run again{}, time {}",
                                after_another ? " after a call on other inputs" : "", i)});
  }
  return same_again(context, ways);
}

Verdict attention_threads(Context& context) {
  std::vector<Again> ways;
  for (const std::uint64_t n : context.counts("threads")) {
    ways.push_back({static_cast<unsigned>(std::min<std::uint64_t>(n, 64)), false,
                    fmt::format("run again on {} threads", n)});
  }
  return same_again(context, ways);
}

}  // namespace refute::falsifiers
