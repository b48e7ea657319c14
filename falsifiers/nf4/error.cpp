// The error of a round trip of N(0, 1): as it was published, and as it is.

#include "harness/metrics/error.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "falsifiers/nf4/checks.hpp"
#include "falsifiers/nf4/support.hpp"
#include "falsifiers/subjects/nf4_subjects.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/worker/domains.hpp"
#include "harness/worker/expand.hpp"
#include "harness/worker/guarded_buffer.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using worker::Context;

/// Errors are normalised by their block's largest magnitude, as the published claim does.
struct Nf4Error {
  double max = 0, mean = 0, relative_l2 = 0;
  std::size_t worst = 0;
  std::string problem;  ///< not empty: there are no numbers
};

std::vector<float> normal_weights(Context& context, std::size_t rows, std::size_t cols) {
  std::vector<float> w(rows * cols);
  const Value* replayed = context.replay() ? context.replay()->find("seed") : nullptr;
  const auto seed = replayed ? worker::unsigned_from(*replayed) : std::nullopt;
  worker::fill(worker::Family::normal, seed.value_or(context.seed()), w);
  return w;
}

Nf4Error round_trip(worker::Nf4Subject& subject, std::span<const float> w, std::size_t rows,
                    std::size_t cols) {
  worker::GuardedOutput<std::uint8_t> codes("codes", w.size());
  worker::GuardedOutput<float> absmax("absmax", w.size() / kNf4Block), values("values", w.size());
  const auto q =
      subject.quantize(w, rows, cols, Nf4Decision::thresholds, codes.span(), absmax.span());
  const auto d = subject.dequantize(codes.span(), absmax.span(), rows, cols, values.span());
  Nf4Error e;
  if (q.status != Nf4Status::ok || d.status != Nf4Status::ok) e.problem = "refuses a sound tensor";
  if (const auto v = worker::first_violation(codes, absmax, values)) e.problem = v->message;
  const auto relative = metrics::measure(values.span(), w).relative_frobenius;
  if (!relative.defined()) e.problem = "gives values that are not finite";
  if (!e.problem.empty()) return e;
  e.relative_l2 = relative.value();
  const Nf4Reference reference =
      nf4_reference(w, Nf4Decision::thresholds);  // whose absmax normalises
  double sum = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double error =
        std::fabs(static_cast<double>(values.span()[i]) - w[i]) / reference.absmax[i / kNf4Block];
    sum += error;
    if (error > e.max) e.max = error, e.worst = i;
  }
  e.mean = sum / static_cast<double>(w.size());
  return e;
}

Value counterexample_of(const Context& context, const Nf4Error& e, std::span<const float> w) {
  const Value* replayed = context.replay() ? context.replay()->find("seed") : nullptr;
  Value v;
  v.set("seed", replayed ? *replayed : Value(std::to_string(context.seed())));
  v.set("max_normalised_error", worker::hex_float(e.max));
  v.set("worst_element", static_cast<std::uint64_t>(e.worst));
  v.set("worst_value", worker::exact(w[e.worst]));
  return v;
}

}  // namespace

Verdict nf4_error_limit(Context& context) {
  context.agreement(Agreement::tolerance);
  const double limit = context.real("max_normalised_error");
  const std::size_t rows = context.count("rows"), cols = context.count("cols");
  const std::vector<float> w = normal_weights(context, rows, cols);
  const Nf4Error e = round_trip(*nf4_subject_of(context), w, rows, cols);
  context.add_cases(1);
  if (!e.problem.empty()) return worker::refuted(e.problem, counterexample_of(context, e, w));
  context.measure("max_normalised_error", e.max);
  if (context.compare().at_most(e.max, limit, "largest normalised error"))
    return worker::survived();
  return worker::refuted(context.compare().mismatch()->detail, counterexample_of(context, e, w));
}

Verdict nf4_error_bands(Context& context) {
  context.agreement(Agreement::tolerance);
  const worker::Band max = context.band("max_normalised_error"),
                     mean = context.band("mean_normalised_error"),
                     relative = context.band("relative_l2");
  const std::size_t rows = context.count("rows"), cols = context.count("cols");
  const std::vector<float> w = normal_weights(context, rows, cols);
  const Nf4Error e = round_trip(*nf4_subject_of(context), w, rows, cols);
  context.add_cases(1);
  if (!e.problem.empty()) return worker::refuted(e.problem, counterexample_of(context, e, w));
  context.measure("max_normalised_error", e.max);
  context.measure("mean_normalised_error", e.mean);
  context.measure("relative_l2", e.relative_l2);
  auto& compare = context.compare();
  const bool ok = compare.in_band(e.max, max.low, max.high, "largest normalised error") &&
                  compare.in_band(e.mean, mean.low, mean.high, "mean normalised error") &&
                  compare.in_band(e.relative_l2, relative.low, relative.high, "relative L2 error");
  if (!ok) return worker::refuted(compare.mismatch()->detail, counterexample_of(context, e, w));
  Sha256 digest;
  digest.value(Value(e.max)).value(Value(e.mean)).value(Value(e.relative_l2));
  context.result(digest.finish());
  return worker::survived();
}

}  // namespace refute::falsifiers
