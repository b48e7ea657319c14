#include "falsifiers/crux_b_11/support.hpp"

#include <array>
#include <bit>

#include <fmt/format.h>

#include "fixtures/oracles/fp8_oracle.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using worker::Context;
using worker::JobError;

template <class Enum, std::size_t n>
struct Vocabulary {
  const char* parameter;
  std::array<std::pair<std::string_view, Enum>, n> words;

  Enum value(std::string_view word) const {
    for (const auto& [name, value] : words) {
      if (name == word) return value;
    }
    throw JobError(fmt::format("`{}` is no word that `{}` knows", word, parameter));
  }
  std::string_view name(Enum value) const {
    for (const auto& [name, known] : words) {
      if (known == value) return name;
    }
    return "?";
  }
};

constexpr Vocabulary<Fp8Format, 2> kFormats = {
    "formats", {{{"e4m3", Fp8Format::e4m3}, {"e5m2", Fp8Format::e5m2}}}};
constexpr Vocabulary<Fp8Overflow, 2> kOverflows = {
    "overflow", {{{"satfinite", Fp8Overflow::satfinite}, {"nonsat", Fp8Overflow::nonsat}}}};
constexpr Vocabulary<Fp8Rounding, 2> kRoundings = {
    "rounding", {{{"ties_even", Fp8Rounding::ties_even}, {"ties_lower", Fp8Rounding::ties_lower}}}};
constexpr Vocabulary<Fp8Granularity, 3> kGranularities = {"granularities",
                                                          {{{"tensor", Fp8Granularity::tensor},
                                                            {"channel", Fp8Granularity::channel},
                                                            {"block", Fp8Granularity::block}}}};

/// A word of the replayed counterexample, or nothing if this is no replay or it does not say.
std::optional<std::string> replayed_word(const Context& context, const char* member) {
  if (!context.replay()) return std::nullopt;
  const Value* v = context.replay()->find(member);
  return v && v->is_string() ? std::optional(*v->as_string()) : std::nullopt;
}

template <class Enum, std::size_t n>
std::vector<Enum> listed(Context& context, const Vocabulary<Enum, n>& vocabulary,
                         const char* member) {
  std::vector<std::string> words = context.words(vocabulary.parameter);
  if (const auto word = replayed_word(context, member)) words = {*word};
  std::vector<Enum> all;
  for (const std::string& word : words) all.push_back(vocabulary.value(word));
  return all;
}

}  // namespace

std::vector<Fp8Format> formats_of(Context& context) {
  return listed(context, kFormats, "format");
}

std::vector<Fp8Granularity> granularities_of(Context& context) {
  return listed(context, kGranularities, "granularity");
}

std::vector<Fp8Mode> modes_of(Context& context) {
  const Fp8Rounding rounding = kRoundings.value(context.word("rounding"));
  const std::vector<Fp8Overflow> overflows = listed(context, kOverflows, "overflow");
  std::vector<Fp8Mode> modes;
  for (Fp8Format format : formats_of(context)) {
    for (Fp8Overflow overflow : overflows) modes.push_back({format, rounding, overflow});
  }
  return modes;
}

std::string_view to_string(Fp8Format format) {
  return kFormats.name(format);
}
std::string_view to_string(Fp8Granularity granularity) {
  return kGranularities.name(granularity);
}

Value to_value(Fp8Mode mode) {
  Value v;
  v.set("format", kFormats.name(mode.format));
  v.set("overflow", kOverflows.name(mode.overflow));
  v.set("rounding", kRoundings.name(mode.rounding));
  return v;
}

std::string describe(Fp8Mode mode) {
  return fmt::format("{}, {}, {}", kFormats.name(mode.format), kOverflows.name(mode.overflow),
                     kRoundings.name(mode.rounding));
}

std::uint8_t oracle_code(std::uint32_t f32_bits, Fp8Mode mode) {
  return oracles::fp8_encode_bits(
      f32_bits, mode.format == Fp8Format::e4m3 ? oracles::Fp8::e4m3 : oracles::Fp8::e5m2,
      mode.rounding == Fp8Rounding::ties_even ? oracles::Ties::even : oracles::Ties::lower,
      mode.overflow == Fp8Overflow::satfinite ? oracles::Overflow::satfinite
                                              : oracles::Overflow::nonsat);
}

float oracle_value(std::uint8_t code, Fp8Format format) {
  return std::bit_cast<float>(oracles::fp8_decode_bits(
      code, format == Fp8Format::e4m3 ? oracles::Fp8::e4m3 : oracles::Fp8::e5m2));
}

Verdict refuted_by(const worker::Comparator& compare, const std::string& where,
                   Value counterexample, const std::function<std::string(std::size_t)>& input) {
  if (!compare.mismatch()) throw std::logic_error("a comparison failed without a mismatch");
  const worker::Mismatch& mismatch = *compare.mismatch();
  Value element = mismatch.to_value();
  std::string of;
  if (input && mismatch.index) {
    const std::string words = input(static_cast<std::size_t>(*mismatch.index));
    element.set("input", words);
    of = ", of " + words;
  }
  counterexample.set("element", std::move(element));
  return worker::refuted(where + of + ": " + mismatch.sentence(), std::move(counterexample));
}

Verdict refuted_by(const worker::GuardViolation& violation, const std::string& where,
                   Value counterexample) {
  counterexample.set("buffer", violation.buffer);
  counterexample.set("offset", violation.offset);
  return worker::refuted(where + ": " + violation.message, std::move(counterexample));
}

std::optional<std::uint64_t> replayed_index(const Context& context) {
  const Value* element = context.replay() ? context.replay()->find("element") : nullptr;
  const Value* index = element ? element->find("index") : nullptr;
  return index ? worker::unsigned_from(*index) : std::nullopt;
}

}  // namespace refute::falsifiers
