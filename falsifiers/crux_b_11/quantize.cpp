// Whole tensors: scales and codes bit for bit, the bound of every element, and the inputs that must
// be refused.

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "falsifiers/crux_b_11/checks.hpp"
#include "falsifiers/crux_b_11/reference_quantize.hpp"
#include "falsifiers/crux_b_11/support.hpp"
#include "falsifiers/subjects/fp8_subjects.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/expand.hpp"
#include "harness/worker/guarded_buffer.hpp"
#include "harness/worker/property.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using worker::CaseFailed;
using worker::CasePassed;
using worker::CaseResult;
using worker::CaseSpace;
using worker::Context;
using worker::GuardedOutput;
using worker::TensorCase;
using worker::WatchedInput;

CaseSpace space_of(Context& context) {
  CaseSpace space;
  for (const std::string& name : context.words("families")) {
    const auto family = worker::family_from(name);
    if (!family)
      throw worker::JobError(fmt::format("`{}` is no family of generated tensors", name));
    space.families.push_back(*family);
  }
  space.max_rows = static_cast<std::uint32_t>(context.count("max_rows"));
  space.max_cols = static_cast<std::uint32_t>(context.count("max_cols"));
  space.column_step = static_cast<std::uint32_t>(context.count("block"));
  space.max_specials = 4;
  return space;
}

/// A subject's quantise and dequantise in guarded memory, reused from case to case.
class RoundTrip {
 public:
  explicit RoundTrip(worker::Fp8Subject& subject) : subject_(subject) {}

  /// What broke a rule that is not about values: a band, a changed input, a status. Empty if
  /// nothing did.
  std::optional<CaseFailed> run(std::span<const float> w, const Fp8Layout& layout, Fp8Mode mode) {
    watched_.reset(w);
    codes_.reset(layout.size());
    scales_.reset(layout.scale_count());
    values_.reset(layout.size());
    const auto q = subject_.quantize(w, layout, mode, codes_.span(), scales_.span());
    if (q.status != Fp8Status::ok) return unexpected("quantize", q.status);
    const auto d =
        subject_.dequantize(codes_.span(), scales_.span(), layout, mode.format, values_.span());
    if (d.status != Fp8Status::ok) return unexpected("dequantize", d.status);
    if (const auto v = worker::first_violation(codes_, scales_, values_, watched_)) {
      return CaseFailed{v->message, v->buffer, std::nullopt};
    }
    return std::nullopt;
  }

  std::span<const std::uint8_t> codes() const { return codes_.span(); }
  std::span<const float> scales() const { return scales_.span(); }
  std::span<const float> values() const { return values_.span(); }

 private:
  static CaseFailed unexpected(const char* step, Fp8Status status) {
    return {fmt::format("{} refuses a sound tensor (status {})", step, static_cast<int>(status)),
            step, std::nullopt};
  }

  worker::Fp8Subject& subject_;
  WatchedInput<float> watched_{"w", {}};
  GuardedOutput<std::uint8_t> codes_{"codes", 0};
  GuardedOutput<float> scales_{"scales", 0}, values_{"values", 0};
};

/// Every mode with every granularity.
struct Variant {
  Fp8Mode mode;
  Fp8Granularity granularity;
  std::size_t block;

  Fp8Layout layout(const TensorCase& c) const { return {c.rows, c.cols, granularity, block}; }
  std::string describe() const {
    return fmt::format("{}, per {}", falsifiers::describe(mode), to_string(granularity));
  }
};

std::vector<Variant> variants_of(Context& context) {
  std::vector<Variant> all;
  const std::size_t block = context.count("block");
  const auto granularities = granularities_of(context);
  for (Fp8Mode mode : modes_of(context)) {
    for (Fp8Granularity g : granularities) all.push_back({mode, g, block});
  }
  return all;
}

CaseFailed in_variant(const Variant& variant, const char* what, CaseFailed failure) {
  failure.message = fmt::format("{}: {}{}", variant.describe(), what, failure.message);
  return failure;
}

/// Runs a check of one variant over all of them, case by case.
template <class CheckVariant>
Verdict for_all_variants(Context& context, CheckVariant check_variant) {
  const auto variants = variants_of(context);
  return worker::check_property(context, context.count("cases"), space_of(context),
                                [&](const TensorCase& c, std::span<const float> w) -> CaseResult {
                                  for (const Variant& v : variants) {
                                    if (auto failure = check_variant(c, w, v)) return *failure;
                                  }
                                  return CasePassed{};
                                });
}

/// The scale that a bound is measured in is the definition's, not the subject's own: a wrong scale
/// must not widen it.
void element_bounds(std::span<const float> w, const Fp8Layout& layout, Fp8Format format,
                    double slack, std::vector<double>& bound) {
  const std::size_t group = group_size(layout);
  bound.resize(w.size());
  for (std::size_t g = 0; g < layout.scale_count(); ++g) {
    const double scale = reference_scale(w.subspan(g * group, group), format);
    for (std::size_t i = g * group; i < (g + 1) * group; ++i) {
      const double x = std::fabs(static_cast<double>(w[i]));
      // The last term is what a product rounds by where floats are subnormal.
      bound[i] = half_step(x / scale, format) * scale + slack * x +
                 std::numeric_limits<float>::denorm_min();
    }
  }
}

/// 1 to 3 non-finite values in an otherwise finite tensor; the first of their places.
std::size_t spoil(const TensorCase& c, std::vector<float>& w) {
  constexpr std::uint32_t kBad[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0x7f800000, 0xff800000};
  std::size_t first = w.size();
  for (std::uint64_t n = 0; n <= worker::derive_seed(c.seed, 100) % 3; ++n) {
    const std::size_t at = worker::derive_seed(c.seed, 101 + n) % w.size();
    w[at] = std::bit_cast<float>(kBad[worker::derive_seed(c.seed, 110 + n) % std::size(kBad)]);
    first = std::min(first, at);
  }
  return first;
}

}  // namespace

Verdict fp8_quantize_exact(Context& context) {
  context.agreement(Agreement::bytewise);
  const auto subject = fp8_subject_of(context);
  RoundTrip trip(*subject);
  auto& compare = context.compare();
  return for_all_variants(context,
                          [&](const TensorCase& c, std::span<const float> w,
                              const Variant& v) -> std::optional<CaseFailed> {
                            const Fp8Layout layout = v.layout(c);
                            if (auto broken = trip.run(w, layout, v.mode))
                              return in_variant(v, "", *broken);
                            const Quantized want = reference_quantize(w, layout, v.mode);
                            if (!compare.bits(trip.scales(), want.scales)) {
                              CaseFailed failure =
                                  in_variant(v, "scale: ", worker::failed(compare));
                              failure.offender.reset();  // it counts scales, not elements
                              return failure;
                            }
                            if (!compare.bytes(trip.codes(), want.codes))
                              return in_variant(v, "code: ", worker::failed(compare));
                            if (!compare.bits(trip.values(), want.values))
                              return in_variant(v, "value: ", worker::failed(compare));
                            return std::nullopt;
                          });
}

Verdict fp8_element_bound(Context& context) {
  context.agreement(Agreement::tolerance);
  const auto subject = fp8_subject_of(context);
  const double slack = context.real("relative_slack");
  RoundTrip trip(*subject);
  auto& compare = context.compare();
  std::vector<double> want, bound;
  return for_all_variants(context,
                          [&](const TensorCase& c, std::span<const float> w,
                              const Variant& v) -> std::optional<CaseFailed> {
                            const Fp8Layout layout = v.layout(c);
                            if (auto broken = trip.run(w, layout, v.mode))
                              return in_variant(v, "", *broken);
                            want.assign(w.begin(), w.end());
                            element_bounds(w, layout, v.mode.format, slack, bound);
                            if (compare.within(trip.values(), want, bound)) return std::nullopt;
                            return in_variant(v, "", worker::failed(compare));
                          });
}

Verdict fp8_refuses_non_finite(Context& context) {
  const auto subject = fp8_subject_of(context);
  auto& compare = context.compare();
  std::vector<float> w;
  return for_all_variants(
      context,
      [&](const TensorCase& c, std::span<const float> tame,
          const Variant& v) -> std::optional<CaseFailed> {
        w.assign(tame.begin(), tame.end());
        const std::size_t first = spoil(c, w);
        const Fp8Layout layout = v.layout(c);
        GuardedOutput<std::uint8_t> codes("codes", layout.size());
        GuardedOutput<float> scales("scales", layout.scale_count());
        const GuardedOutput<std::uint8_t> untouched("codes", layout.size());
        const GuardedOutput<float> untouched_scales("scales", layout.scale_count());
        const auto result = subject->quantize(w, layout, v.mode, codes.span(), scales.span());
        const auto fail = [&](const char* what) {
          CaseFailed failure = in_variant(v, what, worker::failed(compare));
          failure.offender.reset();
          return failure;
        };
        if (const auto broken = worker::first_violation(codes, scales)) {
          return in_variant(v, "", CaseFailed{broken->message, broken->buffer, std::nullopt});
        }
        if (!compare.equal(static_cast<std::uint64_t>(result.status),
                           static_cast<std::uint64_t>(Fp8Status::non_finite),
                           "status: refused as non-finite")) {
          return fail("");
        }
        if (!compare.equal(result.index, first, "index of the first non-finite value"))
          return fail("");
        if (!compare.bytes(codes.span(), untouched.span())) return fail("wrote codes: ");
        if (!compare.bits(scales.span(), untouched_scales.span())) return fail("wrote scales: ");
        return std::nullopt;
      });
}

}  // namespace refute::falsifiers
