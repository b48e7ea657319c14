// The same round trip on a trained model's weights: the published limit, and the band.

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "falsifiers/crux_b_11/band.hpp"
#include "falsifiers/crux_b_11/checks.hpp"
#include "falsifiers/crux_b_11/support.hpp"
#include "falsifiers/subjects/fp8_subjects.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/tensor/safetensors.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using worker::Context;

constexpr const char* kFixture = "minilm-l6-v2";

/// A weight matrix of the model, as the file names it.
struct Matrix {
  std::string name;
  std::size_t rows, cols;
  tensor::FloatView values;
};

/// The model's weight matrices in the file's order. Vectors (biases, norms) are left out: nobody
/// quantises them.
struct Model {
  tensor::Safetensors file;
  std::vector<Matrix> matrices;
};

std::vector<Matrix> matrices_of(const tensor::Safetensors& file) {
  std::vector<Matrix> all;
  for (const tensor::TensorInfo& info : file.tensors()) {
    if (info.shape.size() != 2 || info.rows() < 2) continue;
    auto values = file.floats(info);
    if (values) all.push_back({info.name, info.rows(), info.cols(), std::move(*values)});
  }
  return all;
}

/// Reads the fixture and records its digest. A file that is there and cannot be read is no absent
/// fixture.
std::optional<Model> read_model(Context& context) {
  const std::string* path = context.fixture(kFixture);
  if (!path) return std::nullopt;
  auto digest = sha256_of_file(*path);
  if (!digest) throw worker::JobError(digest.error().what);
  context.input(kFixture, *digest);
  auto file = tensor::Safetensors::open(*path);
  if (!file) throw worker::JobError(file.error().what);
  std::vector<Matrix> matrices = matrices_of(*file);
  return Model{std::move(*file), std::move(matrices)};
}

Verdict absent() {
  return worker::declined(
      DeclineReason::no_fixture,
      fmt::format(
          "the weights `{}` are not in the cache; fixtures/generators/minilm.py brings them, "
          "and nothing synthetic stands in for them",
          kFixture));
}

Value counterexample_of(const Matrix& matrix, Fp8Granularity granularity, const RoundTripError& e) {
  Value v;
  v.set("fixture", kFixture);
  v.set("tensor", matrix.name);
  v.set("granularity", to_string(granularity));
  v.set("relative_error", worker::hex_float(e.pooled));
  v.set("worst_row", static_cast<std::uint64_t>(e.worst_row_index));
  v.set("worst_row_error", worker::hex_float(e.worst_row));
  return v;
}

/// True unless this is a replay of another tensor's counterexample.
bool wanted(const Context& context, const Matrix& matrix) {
  const Value* name = context.replay() ? context.replay()->find("tensor") : nullptr;
  return !name || (name->is_string() && *name->as_string() == matrix.name);
}

/// What the matrices come to together, and where it is worst.
struct Summary {
  double error2 = 0, norm2 = 0;  ///< the pooled error is the root of their quotient
  double worst = 0, worst_row = 0, worst_block = 0;
  std::string worst_name;
  std::vector<std::string> set_aside;

  void add(const Matrix& m, const RoundTripError& e) {
    double n = 0;
    for (float x : m.values.values()) n += static_cast<double>(x) * x;
    norm2 += n;
    error2 += e.pooled * e.pooled * n;
    if (e.pooled > worst) worst = e.pooled, worst_name = m.name;
    worst_row = std::max(worst_row, e.worst_row);
    worst_block = std::max(worst_block, e.worst_block);
  }
  double pooled() const { return norm2 == 0 ? 0 : std::sqrt(error2 / norm2); }

  void measure(Context& context, std::string_view granularity) const {
    const std::string prefix(granularity);
    context.measure(prefix + ".relative_error", pooled());
    context.measure(prefix + ".relative_error_of_worst_matrix", worst);
    context.measure(prefix + ".worst_matrix", worst_name);
    context.measure(prefix + ".relative_error_of_worst_row", worst_row);
    context.measure(prefix + ".relative_error_of_worst_block", worst_block);
    if (!set_aside.empty())
      context.measure(prefix + ".not_discriminating",
                      fmt::format("{}", fmt::join(set_aside, ", ")));
  }
};

/// Quantises matrix by matrix; `judge` gives a verdict when it has seen enough.
template <class Judge>
std::optional<Verdict> for_every_matrix(Context& context, const Model& model,
                                        Fp8Granularity granularity, std::size_t block,
                                        Summary& summary, Judge judge) {
  const auto subject = fp8_subject_of(context);
  for (const Matrix& m : model.matrices) {
    if (!wanted(context, m)) continue;
    const Fp8Layout layout{m.rows, m.cols, granularity, block};
    const RoundTripResult result = round_trip_error(*subject, m.values.values(), layout);
    context.add_cases(1);
    if (!result.error)
      return worker::refuted(m.name + ": " + result.problem, Value::Map{{"tensor", Value(m.name)}});
    summary.add(m, *result.error);
    if (std::optional<Verdict> verdict = judge(m, layout, *result.error)) return verdict;
  }
  return std::nullopt;
}

/// One granularity's matrices, each and together, against the band.
std::optional<Verdict> judge_band(Context& context, const Model& model, Fp8Granularity granularity,
                                  std::size_t block, worker::Band band, Sha256& digest) {
  auto& compare = context.compare();
  Summary summary;
  auto verdict = for_every_matrix(
      context, model, granularity, block, summary,
      [&](const Matrix& m, const Fp8Layout& layout,
          const RoundTripError& e) -> std::optional<Verdict> {
        digest.field(m.name).field(to_string(granularity)).value(Value(e.pooled));
        if (!has_power(e.pooled, m.values.values(), layout, band.low)) {
          summary.set_aside.push_back(m.name);
          return std::nullopt;
        }
        if (compare.in_band(e.pooled, band.low, band.high, "relative error")) return std::nullopt;
        return worker::refuted(fmt::format("{}, per {}: {}", m.name, to_string(granularity),
                                           compare.mismatch()->detail),
                               counterexample_of(m, granularity, e));
      });
  if (verdict) return verdict;
  summary.measure(context, to_string(granularity));
  if (context.replay()) return std::nullopt;  // one matrix has no pool
  if (summary.set_aside.size() == model.matrices.size()) {
    return worker::declined(DeclineReason::no_power,
                            "not discriminating: no matrix of the fixture can tell");
  }
  if (compare.in_band(summary.pooled(), band.low, band.high, "pooled relative error"))
    return std::nullopt;
  Value counterexample;
  counterexample.set("fixture", kFixture);
  counterexample.set("granularity", to_string(granularity));
  counterexample.set("pooled_relative_error", worker::hex_float(summary.pooled()));
  return worker::refuted(
      fmt::format("all matrices, per {}: {}", to_string(granularity), compare.mismatch()->detail),
      std::move(counterexample));
}

}  // namespace

Verdict fp8_limit_fixture(Context& context) {
  context.domain(Domain::fixture);
  context.agreement(Agreement::tolerance);
  const double limit = context.real("max_relative_error");
  const auto model = read_model(context);
  if (!model) return absent();
  auto& compare = context.compare();
  Summary summary;
  // All matrices are gone through, so that the figure reported is the model's and not one matrix's.
  std::optional<Verdict> first;
  const auto problem = for_every_matrix(
      context, *model, Fp8Granularity::tensor, 128, summary,
      [&](const Matrix& m, const Fp8Layout& layout,
          const RoundTripError& e) -> std::optional<Verdict> {
        if (compare.at_most(e.pooled, limit, "relative error") || first) return std::nullopt;
        first = worker::refuted(
            fmt::format("{} [{}, {}]: {}", m.name, m.rows, m.cols, compare.mismatch()->detail),
            counterexample_of(m, layout.granularity, e));
        return std::nullopt;
      });
  if (problem) return *problem;
  summary.measure(context, to_string(Fp8Granularity::tensor));
  return first.value_or(worker::survived());
}

Verdict fp8_band_fixture(Context& context) {
  context.domain(Domain::fixture);
  context.agreement(Agreement::tolerance);
  const worker::Band band = context.band("band");
  const std::size_t block = context.count("block");
  const auto granularities = granularities_of(context);
  const auto model = read_model(context);
  if (!model) return absent();
  Sha256 digest;
  for (Fp8Granularity granularity : granularities) {
    if (auto verdict = judge_band(context, *model, granularity, block, band, digest))
      return *verdict;
  }
  context.result(digest.finish());
  return worker::survived();
}

}  // namespace refute::falsifiers
