#include "harness/instruments/bisect/arithmetic.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "harness/tensor/text.hpp"

namespace refute::bisect {
namespace {

using metrics::Format;

constexpr std::size_t kWholeRow = ~std::size_t{0};

struct ActivationRow {
  std::string_view name;
  Format storage;
  std::size_t eight_bit_block;
};
constexpr auto kActivations = std::to_array<ActivationRow>({
    {"F64", Format::f32, 0},  // the files have f32, and each stage had more to read
    {"F32", Format::f32, 0},
    {"FLOAT32", Format::f32, 0},
    {"F16", Format::f16, 0},
    {"FLOAT16", Format::f16, 0},
    {"BF16", Format::bf16, 0},
    {"BFLOAT16", Format::bf16, 0},
    {"Q8_0", Format::f32, 32},
    {"Q8_1", Format::f32, 32},
    {"Q8_K", Format::f32, 256},
    {"I8", Format::f32, kWholeRow},
    {"INT8", Format::f32, kWholeRow},
});

struct AccumulatorRow {
  std::string_view name;
  Format format;
  bool exact;
};
constexpr auto kAccumulators = std::to_array<AccumulatorRow>({
    {"F64", Format::f32, true},
    {"FLOAT64", Format::f32, true},
    {"F32", Format::f32, false},
    {"FLOAT32", Format::f32, false},
    {"I32", Format::f32, false},
    {"OF TORCH", Format::f32, false},  // hf_trace.py; torch sums products of halves in f32
    {"F16", Format::f16, false},
    {"FLOAT16", Format::f16, false},
    {"BF16", Format::bf16, false},
    {"BFLOAT16", Format::bf16, false},
});

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

template <class Rows>
Error unknown(const char* member, std::string_view word, const Rows& rows) {
  std::string names;
  for (const auto& row : rows) names += fmt::format("{}{}", names.empty() ? "" : ", ", row.name);
  return {fmt::format("{} '{}' has no floor here", member, tensor::printable(word)),
          "the manifest's path has to say one of " + names};
}

}  // namespace

double Arithmetic::between() const {
  return std::max(unit_roundoff(storage), unit_roundoff(accumulator));
}

double Arithmetic::least_between() const {
  return exact_sums ? 0 : std::max(half_smallest(storage), half_smallest(accumulator));
}

double Arithmetic::least_input() const {
  return fused ? half_smallest(storage) : 0;
}

double Arithmetic::inputs() const {
  return fused ? unit_roundoff(storage) : 0;
}

metrics::DeclaredPrecision Arithmetic::precision() const {
  return {.output = storage,
          .accumulator = accumulator,
          .scores = Format::f32,
          .probabilities = storage};
}

Arithmetic coarser_of(const Arithmetic& a, const Arithmetic& b) {
  const auto coarser = [](Format x, Format y) {
    return unit_roundoff(x) >= unit_roundoff(y) ? x : y;
  };
  return {.storage = coarser(a.storage, b.storage),
          .accumulator = coarser(a.accumulator, b.accumulator),
          .exact_sums = a.exact_sums && b.exact_sums,
          .eight_bit_block = std::max(a.eight_bit_block, b.eight_bit_block),
          .fused = a.fused || b.fused};
}

Result<Arithmetic> declared_arithmetic(const tensor::CapturePath& path) {
  const std::string activation = upper(path.activation_dtype);
  const std::string accumulate = upper(path.accumulate_dtype);
  const auto a = std::ranges::find(kActivations, activation, &ActivationRow::name);
  if (a == kActivations.end()) {
    return unknown("activation_dtype", path.activation_dtype, kActivations);
  }
  const auto s = std::ranges::find(kAccumulators, accumulate, &AccumulatorRow::name);
  if (s == kAccumulators.end()) {
    return unknown("accumulate_dtype", path.accumulate_dtype, kAccumulators);
  }
  return Arithmetic{.storage = a->storage,
                    .accumulator = s->format,
                    .exact_sums = s->exact,
                    .eight_bit_block = a->eight_bit_block,
                    .fused = !s->exact || activation == "F64"};
}

}  // namespace refute::bisect
