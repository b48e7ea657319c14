// The quantisers against what ggml's reference quantisers made of the same values, and their error
// as llama.cpp's statistics tool prints it.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "falsifiers/crux_b_20/checks.hpp"
#include "fixtures/mutants/ggml_mutants.hpp"
#include "fixtures/oracles/quant_diff_oracle.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/tensor/safetensors.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/guarded_buffer.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using tensor::Safetensors;
using worker::Context;

constexpr const char* kFixture = "ggml-golden";

mutants::GgmlFunctions functions_of(const Context& context) {
  if (context.job().arm == Arm::mutant) {
    if (const auto* mutant = mutants::ggml_mutant(context.job().mutant.text))
      return mutant->functions;
    throw worker::JobError("there is no quantiser called `" + context.job().mutant.text + "`");
  }
  if (context.job().subject.text == "cpu_scalar")
    return {cpu_scalar::ggml_quantize, cpu_scalar::ggml_dequantize,
            cpu_scalar::ggml_quantize_error};
  if (context.job().subject.text == "cpu_simd")
    return {cpu_simd::ggml_quantize, cpu_simd::ggml_dequantize, cpu_simd::ggml_quantize_error};
  throw worker::JobError("there is no quantiser called `" + context.job().subject.text + "`");
}

/// One format of one set of the fixture.
struct Golden {
  std::string what;
  GgmlFormat format{};
  std::vector<float> input, values;  ///< values: empty where the set has none
  std::vector<std::uint8_t> blocks;
};

std::vector<float> floats_of(const Safetensors& file, const std::string& name) {
  const auto* info = file.find(name);
  if (!info) return {};
  auto floats = file.floats(*info);
  if (!floats) throw worker::JobError(floats.error().what);
  return {floats->values().begin(), floats->values().end()};
}

Golden golden_of(const Safetensors& file, const std::string& set, const std::string& format) {
  const auto known = ggml_format_named(format);
  const auto* info = file.find(set + "." + format + ".blocks");
  if (!known || !info) throw worker::JobError("the fixture has no " + set + "." + format);
  const auto bytes = file.bytes(*info);
  Golden g{.what = set + "." + format,
           .format = *known,
           .input = floats_of(file, set + ".input"),
           .values = floats_of(file, set + "." + format + ".values"),
           .blocks = {}};
  const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
  g.blocks.assign(first, first + bytes.size());
  return g;
}

/// The line of llama-quantize-stats, without the parts that take its histogram.
std::string statistics_line(double rmse, double max_abs) {
  return fmt::format("rmse {:.8f}, maxerr {:.8f}", rmse, max_abs);
}

bool quantises_alike(Context& context, const mutants::GgmlFunctions& f, const Golden& g) {
  auto& compare = context.compare();
  worker::GuardedOutput<std::uint8_t> blocks("blocks", g.blocks.size());
  const auto there = f.quantize(g.format, g.input, blocks.span());
  if (!compare.equal(static_cast<std::uint64_t>(there.status), 0, "status of quantising") ||
      !compare.bytes(blocks.span(), g.blocks))
    return false;
  if (const auto violation = worker::first_violation(blocks)) {
    return compare.holds(false, violation->message);
  }
  if (g.values.empty()) return true;
  worker::GuardedOutput<float> values("values", g.values.size());
  const auto back = f.dequantize(g.format, g.blocks, values.span());
  return compare.equal(static_cast<std::uint64_t>(back.status), 0, "status of dequantising") &&
         compare.bits(values.span(), g.values);
}

/// rmse and largest error of some values, from the sums of their runs.
std::string line_of(std::span<const GgmlRunError> runs, std::size_t count, double& rmse) {
  double d2 = 0, max_abs = 0;
  for (const GgmlRunError& run : runs) {
    d2 += run.sum_d2;
    max_abs = std::max(max_abs, double{run.max_abs});
  }
  rmse = std::sqrt(d2 / static_cast<double>(count));
  return statistics_line(rmse, max_abs);
}

bool errs_alike(Context& context, const Golden& g, std::span<const GgmlRunError> runs,
                std::size_t first, std::size_t count, double max_difference) {
  const auto want = oracles::quant_diff_numbers(std::span(g.input).subspan(first, count),
                                                std::span(g.values).subspan(first, count));
  double rmse = 0;
  const std::string line = line_of(runs, count, rmse);
  auto& compare = context.compare();
  return compare.at_most(std::fabs(rmse - want.rmse), max_difference, "|rmse - ggml's|") &&
         compare.holds(line == statistics_line(want.rmse, want.max_abs),
                       fmt::format("values from {} are as llama.cpp prints them: {}", first, line));
}

/// Against ggml's own values: each run of them, because one with large values hides the others,
/// and all together.
bool errs_alike(Context& context, const mutants::GgmlFunctions& f, const Golden& g,
                double max_difference) {
  if (g.values.empty()) return true;
  constexpr std::size_t kRun = 256;
  std::vector<GgmlRunError> runs(g.input.size() / kRun);
  (void)f.error(g.format, g.input, kRun, runs);
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const auto run = std::span(runs).subspan(r, 1);
    if (!errs_alike(context, g, run, r * kRun, kRun, max_difference)) return false;
  }
  return errs_alike(context, g, runs, 0, g.input.size(), max_difference);
}

Value where(const Golden& g) {
  Value v;
  v.set("vectors", g.what);
  return v;
}

}  // namespace

Verdict ggml_golden(Context& context) {
  const auto sets = context.words("sets"), formats = context.words("formats");
  const double max_difference = context.real("max_rmse_difference");
  const std::string* path = context.fixture(kFixture);
  if (path == nullptr)
    return worker::declined(DeclineReason::no_fixture, "the golden vectors of ggml are absent");
  auto file = Safetensors::open(*path);
  if (!file) throw worker::JobError(file.error().what);
  context.domain(Domain::fixture);
  context.agreement(Agreement::bytewise);
  const auto digest = sha256_of_file(*path);
  if (!digest) throw worker::JobError(digest.error().what);
  context.input(kFixture, *digest);

  const auto functions = functions_of(context);
  for (const std::string& set : sets) {
    for (const std::string& format : formats) {
      const Golden g = golden_of(*file, set, format);
      context.add_cases(1);
      if (quantises_alike(context, functions, g) &&
          errs_alike(context, functions, g, max_difference))
        continue;
      return worker::refuted(g.what + ": " + context.compare().mismatch()->sentence(), where(g));
    }
  }
  return worker::survived();
}

}  // namespace refute::falsifiers
