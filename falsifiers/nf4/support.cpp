#include "falsifiers/nf4/support.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include <fmt/format.h>

#include "fixtures/oracles/nf4_oracle.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/expand.hpp"

namespace refute::falsifiers {

using namespace kernels;
using worker::CaseFailed;
using worker::Context;
using worker::JobError;

worker::CaseSpace nf4_space_of(Context& context) {
  worker::CaseSpace space;
  for (const std::string& name : context.words("families")) {
    const auto family = worker::family_from(name);
    if (!family) throw JobError(fmt::format("`{}` is no family of generated tensors", name));
    space.families.push_back(*family);
  }
  space.max_rows = static_cast<std::uint32_t>(context.count("max_rows"));
  space.max_cols = static_cast<std::uint32_t>(context.count("max_cols"));
  space.column_step = kNf4Block;
  space.max_specials = 4;
  return space;
}

std::vector<float> nf4_drawn_scales(Context& context, float least, float most) {
  // Among positive floats the patterns are ordered as the values, and as dense in each binade.
  const auto low = std::bit_cast<std::uint32_t>(least), high = std::bit_cast<std::uint32_t>(most);
  std::vector<float> scales(context.count("drawn_scales"));
  for (std::size_t i = 0; i < scales.size(); ++i) {
    const std::uint64_t draw = worker::derive_seed(context.seed(), i) % (high - low + 1);
    scales[i] = std::bit_cast<float>(low + static_cast<std::uint32_t>(draw));
  }
  return scales;
}

std::vector<Nf4Decision> decisions_of(Context& context) {
  std::vector<Nf4Decision> all;
  for (const std::string& word : context.words("decisions")) {
    if (word != "thresholds" && word != "nearest")
      throw JobError(fmt::format("`{}` is no way to decide a code", word));
    all.push_back(word == "thresholds" ? Nf4Decision::thresholds : Nf4Decision::nearest);
  }
  return all;
}

std::vector<Nf4Layout> layouts_of(Context& context) {
  std::vector<Nf4Layout> all;
  for (const std::string& word : context.words("layouts")) {
    if (word != "first_low" && word != "first_high")
      throw JobError(fmt::format("`{}` is no nibble order", word));
    all.push_back(word == "first_low" ? Nf4Layout::first_low : Nf4Layout::first_high);
  }
  return all;
}

std::string_view to_string(Nf4Decision decision) {
  return decision == Nf4Decision::thresholds ? "thresholds" : "nearest";
}
std::string_view to_string(Nf4Layout layout) {
  return layout == Nf4Layout::first_low ? "first_low" : "first_high";
}

std::uint8_t nf4_oracle_code(float x, Nf4Decision decision) {
  return decision == Nf4Decision::thresholds ? oracles::nf4_code_by_thresholds(x)
                                             : oracles::nf4_code_by_distance(x);
}

Nf4Reference nf4_reference(std::span<const float> w, Nf4Decision decision) {
  Nf4Reference q{std::vector<std::uint8_t>(w.size()), std::vector<float>(w.size() / kNf4Block),
                 std::vector<float>(w.size())};
  for (std::size_t b = 0; b < q.absmax.size(); ++b) {
    float largest = 0;
    for (float x : w.subspan(b * kNf4Block, kNf4Block)) largest = std::max(largest, std::fabs(x));
    q.absmax[b] = largest;
    const float reciprocal = 1.0f / largest;
    for (std::size_t i = b * kNf4Block; i < (b + 1) * kNf4Block; ++i) {
      const float x = largest == 0             ? 0.0f
                      : std::isinf(reciprocal) ? w[i] / largest
                                               : w[i] * reciprocal;
      q.codes[i] = nf4_oracle_code(x, decision);
      q.values[i] = oracles::nf4_codebook()[q.codes[i]] * largest;
    }
  }
  return q;
}

std::vector<std::uint8_t> nf4_reference_packed(const Nf4Reference& q, Nf4Layout layout) {
  std::vector<std::uint8_t> packed;
  for (std::size_t b = 0; b < q.absmax.size(); ++b) {
    const std::span<const std::uint8_t, 64> codes(q.codes.data() + b * 64, 64);
    const auto block =
        oracles::nf4_block_bytes(codes, q.absmax[b], layout == Nf4Layout::first_high);
    packed.insert(packed.end(), block.begin(), block.end());
  }
  return packed;
}

CaseFailed nf4_failed(const worker::Comparator& compare, std::string what) {
  CaseFailed failure = worker::failed(compare);
  failure.message = what + ": " + failure.message;
  return failure;
}

CaseFailed nf4_failed(std::string message) {
  return {message, message, std::nullopt};
}

}  // namespace refute::falsifiers
