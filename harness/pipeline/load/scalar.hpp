#pragma once

// What a plain YAML scalar means. Read from its text by ourselves: yaml-cpp takes 010 for 8 and
// `yes` for true.

#include <cstdint>
#include <string_view>
#include <variant>

#include "harness/model/value.hpp"
#include "harness/pipeline/load/span_tree.hpp"

namespace refute::pipeline {

struct NotANumber {};  ///< .nan in any of its spellings
struct Infinite {};    ///< .inf, signed or not, and decimals beyond the range of a double
/// Looks like a number and is none in plain decimals: 010, 0x1F, 1_000. Readers disagree about what
/// it means.
struct OddNumber {};

using Scalar =
    std::variant<std::string_view, bool, std::int64_t, double, NotANumber, Infinite, OddNumber>;

/// Quoted and block scalars are texts. `yes`, `no`, `on`, `off` are texts too.
Scalar read_scalar(const SpanNode& node);

/// What the text would be without its quotes.
Scalar read_plain_scalar(std::string_view text);

/// The node as plain data. Odd and non-finite numbers stay texts; they have been reported where
/// numbers are wanted.
Value to_value(const SpanNode& node);

/// The number if it is a finite integer or real.
const double* as_number(const Scalar& scalar, double& storage);

std::string_view trimmed(std::string_view text);
/// Trimmed, every run of blanks and line breaks folded to one space: re-wrapping prose changes
/// nothing.
std::string folded(std::string_view text);

}  // namespace refute::pipeline
