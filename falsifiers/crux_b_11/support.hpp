#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/worker/context.hpp"
#include "harness/worker/guarded_buffer.hpp"
#include "kernels/fp8.hpp"

namespace refute::falsifiers {

/// Every mode that the contract's `formats`, `overflow` and `rounding` span, or the replay's one.
std::vector<kernels::Fp8Mode> modes_of(worker::Context& context);
/// The contract's `formats`, or the replay's one.
std::vector<kernels::Fp8Format> formats_of(worker::Context& context);
/// The contract's `granularities`.
std::vector<kernels::Fp8Granularity> granularities_of(worker::Context& context);

std::string_view to_string(kernels::Fp8Format format);
std::string_view to_string(kernels::Fp8Granularity granularity);
/// {format, overflow, rounding}: the part of a counterexample that says which mode it happened in.
Value to_value(kernels::Fp8Mode mode);
/// "e4m3, satfinite, ties_even"
std::string describe(kernels::Fp8Mode mode);

/// The oracle's answers, in the kernels' terms.
std::uint8_t oracle_code(std::uint32_t f32_bits, kernels::Fp8Mode mode);
float oracle_value(std::uint8_t code, kernels::Fp8Format format);

/// A refutation by the comparator's latest mismatch, with `where` in front of it and its members in
/// the counterexample.
/// `input`: the words for the input of an element, where the index alone says little.
Verdict refuted_by(const worker::Comparator& compare, const std::string& where,
                   Value counterexample, const std::function<std::string(std::size_t)>& input = {});
Verdict refuted_by(const worker::GuardViolation& violation, const std::string& where,
                   Value counterexample);

/// The element that a replayed counterexample names, if it names one.
std::optional<std::uint64_t> replayed_index(const worker::Context& context);

}  // namespace refute::falsifiers
