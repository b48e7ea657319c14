// Values where one code ends and the next begins, in blocks whose scale brings them there exactly:
// what a quantiser that is only asked for tensors has to be asked about its comparisons.

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "falsifiers/nf4/checks.hpp"
#include "falsifiers/nf4/support.hpp"
#include "falsifiers/subjects/nf4_subjects.hpp"
#include "fixtures/oracles/nf4_oracle.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/worker/guarded_buffer.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using worker::Context;

void add_with_neighbours(std::vector<float>& values, float x) {
  for (const float y : {std::nextafter(x, -2.0f), x, std::nextafter(x, 2.0f)}) {
    if (std::fabs(y) <= 1.0f) values.push_back(y);
  }
}

/// Thresholds, levels and the middles between levels, each with its two neighbours, and both zeros.
std::vector<float> boundaries() {
  std::vector<float> all = {0.0f, -0.0f};
  const auto& levels = oracles::nf4_codebook();
  for (const float x : oracles::nf4_thresholds()) add_with_neighbours(all, x);
  for (const float x : levels) add_with_neighbours(all, x);
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
    const double middle = (double{levels[i]} + double{levels[i + 1]}) / 2;
    add_with_neighbours(all, static_cast<float>(middle));
  }
  return all;
}

/// The value nearest to x · scale that the quantiser's own product with 1/scale brings back to x,
/// if one of three does; x · scale where none does.
float unnormalised(float x, float scale) {
  const float near = x * scale, reciprocal = 1.0f / scale;
  for (const float w : {near, std::nextafter(near, 0.0f), std::nextafter(near, 2 * near)}) {
    if (w * reciprocal == x && std::fabs(w) <= scale) return w;
  }
  return std::fabs(near) <= scale ? near : std::copysign(scale, near);
}

/// Blocks of one scale in which every value stands at every position. Block r begins with value r;
/// a position is taken by the scale itself, another one and of the other sign in the second half.
std::vector<float> blocks_of(const std::vector<float>& values, float scale) {
  std::vector<float> scaled;
  for (const float x : values) scaled.push_back(unnormalised(x, scale));
  std::vector<float> w;
  w.reserve(2 * values.size() * kNf4Block);
  for (const bool second : {false, true}) {
    for (std::size_t r = 0; r < values.size(); ++r) {
      for (std::size_t p = 0; p < kNf4Block; ++p) w.push_back(scaled[(r + p) % values.size()]);
      const std::size_t own = (r + (second ? kNf4Block / 2 : 0)) % kNf4Block;
      w[w.size() - kNf4Block + own] = second ? -scale : scale;
    }
  }
  return w;
}

/// Every power of two at which no value here falls below the normal range and 1/scale is normal,
/// then scales drawn between these.
std::vector<float> scales_of(Context& context) {
  std::vector<float> scales;
  for (int e = -120; e <= 126; ++e) scales.push_back(std::ldexp(1.0f, e));
  for (const float scale : nf4_drawn_scales(context, scales.front(), scales.back()))
    scales.push_back(scale);
  return scales;
}

struct Quantized {
  worker::GuardedOutput<std::uint8_t> codes;
  worker::GuardedOutput<float> absmax;
  explicit Quantized(std::size_t size) : codes("codes", size), absmax("absmax", size / kNf4Block) {}
};

Verdict wrong_code(Context& context, Nf4Decision decision, float scale,
                   const std::vector<float>& w) {
  const auto& mismatch = context.compare().mismatch();
  Value counterexample;
  counterexample.set("decision", to_string(decision));
  counterexample.set("scale", worker::exact(scale));
  counterexample.set("element", mismatch->to_value());
  std::string input;
  if (mismatch->index && *mismatch->index < w.size()) {
    input = fmt::format(", {} at position {} of its block", worker::exact(w[*mismatch->index]),
                        *mismatch->index % kNf4Block);
    counterexample.set("input", worker::exact(w[*mismatch->index]));
  }
  return worker::refuted(fmt::format("{}, scale {}{}: {}", to_string(decision),
                                     worker::exact(scale), input, mismatch->sentence()),
                         std::move(counterexample));
}

// No comparison: in the negated arm it would keep those of the codes from being reached.
Verdict refused(Nf4Decision decision, float scale, Nf4Status status) {
  Value counterexample;
  counterexample.set("decision", to_string(decision));
  counterexample.set("scale", worker::exact(scale));
  return worker::refuted(
      fmt::format("{}, scale {}: quantize refuses it (status {})", to_string(decision),
                  worker::exact(scale), static_cast<int>(status)),
      std::move(counterexample));
}

}  // namespace

Verdict nf4_boundaries(Context& context) {
  context.agreement(Agreement::bytewise);
  const auto subject = nf4_subject_of(context);
  const auto decisions = decisions_of(context);
  const std::vector<float> values = boundaries();
  auto& compare = context.compare();
  Sha256 digest;
  for (const float scale : scales_of(context)) {
    const std::vector<float> w = blocks_of(values, scale);
    for (const Nf4Decision decision : decisions) {
      Quantized got(w.size());
      const auto result = subject->quantize(w, w.size() / kNf4Block, kNf4Block, decision,
                                            got.codes.span(), got.absmax.span());
      context.add_cases(w.size());
      if (const auto v = worker::first_violation(got.codes, got.absmax))
        return worker::refuted(v->message, v->buffer);
      if (result.status != Nf4Status::ok) return refused(decision, scale, result.status);
      const Nf4Reference want = nf4_reference(w, decision);
      if (!compare.bytes(got.codes.span(), want.codes))
        return wrong_code(context, decision, scale, w);
      digest.bytes(got.codes.span().data(), got.codes.span().size_bytes());
    }
  }
  context.result(digest.finish());
  return worker::survived();
}

}  // namespace refute::falsifiers
