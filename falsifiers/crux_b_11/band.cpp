// The two-sided band of the round trip's relative error, on generated distributions.

#include "falsifiers/crux_b_11/band.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "falsifiers/crux_b_11/checks.hpp"
#include "falsifiers/crux_b_11/reference_quantize.hpp"
#include "falsifiers/crux_b_11/support.hpp"
#include "falsifiers/subjects/fp8_subjects.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/metrics/error.hpp"
#include "harness/worker/domains.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/expand.hpp"
#include "harness/worker/guarded_buffer.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using worker::Band;
using worker::Context;
using worker::Family;
using worker::GuardedOutput;

/// One distribution under one granularity.
struct Trial {
  Family family;
  Fp8Granularity granularity;
  std::uint64_t seed;

  std::string describe() const {
    return fmt::format("{}, per {}", worker::to_string(family), to_string(granularity));
  }
  Value to_value() const {
    Value v;
    v.set("distribution", worker::to_string(family));
    v.set("granularity", falsifiers::to_string(granularity));
    v.set("seed", std::to_string(seed));
    return v;
  }
};

Family family_of(const std::string& name) {
  if (const auto family = worker::family_from(name)) return *family;
  throw worker::JobError(fmt::format("`{}` is no family of generated tensors", name));
}

std::vector<Trial> trials_of(Context& context) {
  std::vector<std::string> names = context.words("distributions");
  const auto granularities = granularities_of(context);
  const Value* only = context.replay() ? context.replay()->find("distribution") : nullptr;
  if (only && only->is_string()) names = {*only->as_string()};
  const Value* seed = context.replay() ? context.replay()->find("seed") : nullptr;
  std::vector<Trial> trials;
  for (const std::string& name : names) {
    const Family family = family_of(name);
    const auto replayed = seed ? worker::unsigned_from(*seed) : std::nullopt;
    const std::uint64_t drawn =
        worker::derive_seed(context.seed(), static_cast<std::uint64_t>(family));
    for (Fp8Granularity g : granularities) trials.push_back({family, g, replayed.value_or(drawn)});
  }
  return trials;
}

}  // namespace

RoundTripResult round_trip_error(worker::Fp8Subject& subject, std::span<const float> w,
                                 const Fp8Layout& layout) {
  GuardedOutput<std::uint8_t> codes("codes", layout.size());
  GuardedOutput<float> scales("scales", layout.scale_count()), values("values", layout.size());
  const auto q = subject.quantize(w, layout, {}, codes.span(), scales.span());
  if (q.status != Fp8Status::ok)
    return {{}, fmt::format("quantize refuses it (status {})", static_cast<int>(q.status))};
  const auto d =
      subject.dequantize(codes.span(), scales.span(), layout, Fp8Format::e4m3, values.span());
  if (d.status != Fp8Status::ok) {
    return {{}, fmt::format("dequantize refuses it (status {})", static_cast<int>(d.status))};
  }
  if (const auto v = worker::first_violation(codes, scales, values)) return {{}, v->message};
  const auto report = metrics::measure(values.span(), w);
  if (!report.relative_frobenius.defined()) {
    return {{},
            fmt::format("the error is undefined: {}",
                        metrics::to_string(report.relative_frobenius.reason()))};
  }
  RoundTripError error{report.relative_frobenius.value(), 0, 0, 0};
  const auto row = metrics::worst_row(values.span(), w, layout.rows, layout.cols);
  const auto block = metrics::worst_block(values.span(), w, layout.rows, layout.cols, layout.block);
  if (row.worst.defined())
    error.worst_row = row.worst.value(), error.worst_row_index = row.worst_group;
  if (block.worst.defined()) error.worst_block = block.worst.value();
  return {error, {}};
}

double reference_error(std::span<const float> w, const Fp8Layout& layout) {
  const Quantized q = reference_quantize(w, layout, {});
  const auto metric = metrics::measure(q.values, w).relative_frobenius;
  return metric.defined() ? metric.value() : 0.0;
}

bool has_power(double pooled, std::span<const float> w, const Fp8Layout& layout, double low) {
  return pooled >= low || reference_error(w, layout) >= low;
}

Verdict fp8_band_generated(Context& context) {
  context.agreement(Agreement::tolerance);
  const auto subject = fp8_subject_of(context);
  const Band band = context.band("band");
  const std::size_t rows = context.count("rows"), cols = context.count("cols"),
                    block = context.count("block");
  const std::vector<std::string> row_names = context.words("row_distributions");
  std::vector<float> w(rows * cols);
  auto& compare = context.compare();
  Sha256 digest;
  for (const Trial& trial : trials_of(context)) {
    worker::fill(trial.family, trial.seed, w);
    const Fp8Layout layout{rows, cols, trial.granularity, block};
    const RoundTripResult result = round_trip_error(*subject, w, layout);
    context.add_cases(1);
    if (!result.error)
      return worker::refuted(trial.describe() + ": " + result.problem, trial.to_value());
    const RoundTripError& e = *result.error;
    if (!has_power(e.pooled, w, layout, band.low)) {
      return worker::declined(
          DeclineReason::no_power,
          fmt::format("{}: not discriminating; an exact round trip stays below {:.4f} %",
                      trial.describe(), 100 * band.low));
    }
    const bool judge_rows =
        std::ranges::find(row_names, worker::to_string(trial.family)) != row_names.end();
    const bool ok = compare.in_band(e.pooled, band.low, band.high, "pooled relative error") &&
                    (!judge_rows || compare.in_band(e.worst_row, band.low, band.high,
                                                    "worst row's relative error"));
    if (!ok) return refuted_by(compare, trial.describe(), trial.to_value());
    context.measure(fmt::format("{}.{}.relative_error", worker::to_string(trial.family),
                                to_string(trial.granularity)),
                    e.pooled);
    context.measure(fmt::format("{}.{}.relative_error_of_worst_row",
                                worker::to_string(trial.family), to_string(trial.granularity)),
                    e.worst_row);
    context.measure(fmt::format("{}.{}.relative_error_of_worst_block",
                                worker::to_string(trial.family), to_string(trial.granularity)),
                    e.worst_block);
    digest.field(trial.describe())
        .value(Value(e.pooled))
        .value(Value(e.worst_row))
        .value(Value(e.worst_block));
  }
  context.result(digest.finish());
  return worker::survived();
}

}  // namespace refute::falsifiers
