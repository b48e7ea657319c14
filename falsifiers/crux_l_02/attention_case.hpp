#pragma once

// One attention input as the few words and numbers it follows from: what a contract freezes, what
// is shrunk, reported and replayed.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fixtures/mutants/attention_mutants.hpp"
#include "harness/model/result.hpp"
#include "harness/model/value.hpp"

namespace refute::falsifiers {

/// Where Q, K and V come from, the simplest first. Every value is one that the storage type holds.
enum class AttentionFamily : std::uint8_t {
  normal,
  all_equal,
  constant_values,
  ties,
  sink,
  peaked,
  huge_logits,
  outlier,
  cancellation,
  tiny,
};

struct AttentionFamilyRow {
  AttentionFamily family;
  std::string_view name;
  std::string_view help;
};
inline constexpr std::array<AttentionFamilyRow, 10> kAttentionFamilies = {{
    {AttentionFamily::normal, "normal", "Q, K and V about N(0, 1)"},
    {AttentionFamily::all_equal, "all_equal", "all queries and keys alike: every weight is equal"},
    {AttentionFamily::constant_values, "constant_values", "every key has the same value"},
    {AttentionFamily::ties, "ties", "Q and K in {-1, 0, 1}: many keys share the largest score"},
    {AttentionFamily::sink, "sink", "the first key outweighs all others"},
    {AttentionFamily::peaked, "peaked", "Q and K ten times as large: nearly one-hot rows"},
    {AttentionFamily::huge_logits, "huge_logits", "scores in the thousands of either sign"},
    {AttentionFamily::outlier, "outlier", "one value of 1000 and one key of 30 among N(0, 1)"},
    {AttentionFamily::cancellation, "cancellation",
     "equal keys in pairs, their values of opposite sign"},
    {AttentionFamily::tiny, "tiny", "V near the least normal number of the storage type"},
}};
constexpr std::string_view to_string(AttentionFamily f) {
  return kAttentionFamilies[static_cast<std::size_t>(f)].name;
}

struct AttentionCase {
  mutants::KernelShape shape;
  AttentionFamily family = AttentionFamily::normal;
  std::uint64_t seed = 0;
};

/// "B1 H4/2 S65x129 D64 causal": batch, query/key heads, queries x keys, head_dim; " scale 1/5" at
/// the end where the scale is not 1/√head_dim.
std::string shape_words(const mutants::KernelShape& shape);
/// Back again, with the storage type given. Bounded: no tensor above 2^24 elements.
Result<mutants::KernelShape> shape_from(std::string_view words, mutants::Storage storage);

std::string_view to_string(mutants::Storage storage);
Result<mutants::Storage> storage_from(std::string_view name);
Result<AttentionFamily> attention_family_from(std::string_view name);

/// Portable to the bit: made of integers and exact sums.
mutants::KernelInputs inputs_of(const AttentionCase& c);

/// Simpler neighbours, the boldest step first.
std::vector<AttentionCase> simpler(const AttentionCase& c);

/// {shape, dtype, family, seed}
Value to_value(const AttentionCase& c);
Result<AttentionCase> attention_case_from(const Value& value);

}  // namespace refute::falsifiers
