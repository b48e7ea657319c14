// The same round trip on a trained model's weights: the published limit, and the band.

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

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

/// The model's weight matrices in the file's order. Vectors (biases, norms) are left out: nobody quantises them.
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

/// Reads the fixture and records its digest. A file that is there and cannot be read is no absent fixture.
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
  return worker::declined(DeclineReason::no_fixture,
                          fmt::format("the weights `{}` are not in the cache; fixtures/generators/minilm.py brings them, "
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

/// Relative error over all matrices together, kept as the two sums that it is the root of.
struct Pool {
  double error2 = 0, norm2 = 0;

  void add(const RoundTripError& e, std::span<const float> w) {
    double n = 0;
    for (float x : w) n += static_cast<double>(x) * x;
    norm2 += n;
    error2 += e.pooled * e.pooled * n;
  }
  double value() const { return norm2 == 0 ? 0 : std::sqrt(error2 / norm2); }
};

/// Quantises matrix by matrix; `judge` gives a verdict when it has seen enough.
template <class Judge>
Verdict for_every_matrix(Context& context, Fp8Granularity granularity, std::size_t block, Judge judge) {
  const auto model = read_model(context);
  if (!model) return absent();
  const auto subject = fp8_subject_of(context);
  Pool pool;
  double worst_row = 0, worst_block = 0;
  std::string worst_tensor;
  double worst = 0;
  for (const Matrix& m : model->matrices) {
    if (!wanted(context, m)) continue;
    const Fp8Layout layout{m.rows, m.cols, granularity, block};
    const RoundTripResult result = round_trip_error(*subject, m.values.values(), layout);
    context.add_cases(1);
    if (!result.error) return worker::refuted(m.name + ": " + result.problem, Value::Map{{"tensor", Value(m.name)}});
    pool.add(*result.error, m.values.values());
    if (result.error->pooled > worst) worst = result.error->pooled, worst_tensor = m.name;
    worst_row = std::max(worst_row, result.error->worst_row);
    worst_block = std::max(worst_block, result.error->worst_block);
    if (std::optional<Verdict> verdict = judge(m, layout, *result.error)) return *verdict;
  }
  const std::string prefix(to_string(granularity));
  context.measure(prefix + ".pooled", pool.value());
  context.measure(prefix + ".worst_tensor", worst);
  context.measure(prefix + ".worst_tensor_name", worst_tensor);
  context.measure(prefix + ".worst_row", worst_row);
  context.measure(prefix + ".worst_block", worst_block);
  return worker::survived();
}

}  // namespace

Verdict fp8_limit_fixture(Context& context) {
  context.domain(Domain::fixture);
  context.agreement(Agreement::tolerance);
  const double limit = context.real("max_relative_error");
  return for_every_matrix(
      context, Fp8Granularity::tensor, 128,
      [&](const Matrix& m, const Fp8Layout& layout, const RoundTripError& e) -> std::optional<Verdict> {
        if (context.compare().at_most(e.pooled, limit, m.name + "'s relative error")) return std::nullopt;
        context.measure("relative_error", e.pooled);
        return worker::refuted(fmt::format("{} [{}, {}]: {}", m.name, m.rows, m.cols, context.compare().mismatch()->detail),
                               counterexample_of(m, layout.granularity, e));
      });
}

Verdict fp8_band_fixture(Context& context) {
  context.domain(Domain::fixture);
  context.agreement(Agreement::tolerance);
  const worker::Band band = context.band("band");
  const std::size_t block = context.count("block");
  Sha256 digest;
  for (Fp8Granularity granularity : granularities_of(context)) {
    Verdict verdict = for_every_matrix(
        context, granularity, block,
        [&](const Matrix& m, const Fp8Layout& layout, const RoundTripError& e) -> std::optional<Verdict> {
          const std::string where = fmt::format("{}, per {}", m.name, to_string(granularity));
          if (auto declined = without_power(e.pooled, m.values.values(), layout, band.low, where)) return declined;
          digest.field(m.name).field(to_string(granularity)).value(Value(e.pooled));
          if (context.compare().in_band(e.pooled, band.low, band.high, "relative error")) return std::nullopt;
          return worker::refuted(where + ": " + context.compare().mismatch()->detail,
                                 counterexample_of(m, granularity, e));
        });
    if (!std::holds_alternative<Survived>(verdict)) return verdict;
  }
  context.result(digest.finish());
  return worker::survived();
}

}  // namespace refute::falsifiers
