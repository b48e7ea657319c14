#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/worker/context.hpp"
#include "harness/worker/property.hpp"
#include "harness/worker/tensor_case.hpp"
#include "kernels/nf4.hpp"

namespace refute::falsifiers {

/// Generated [rows, cols] tensors with whole blocks, from the contract's `families`, `max_rows` and
/// `max_cols`.
worker::CaseSpace nf4_space_of(worker::Context& context);

/// The contract's `drawn_scales` scales, log-uniform between two of them: drawn by exponent and
/// significand, so that every binade is as likely as any other.
std::vector<float> nf4_drawn_scales(worker::Context& context, float least, float most);

/// The contract's `decisions` and `layouts`.
std::vector<kernels::Nf4Decision> decisions_of(worker::Context& context);
std::vector<kernels::Nf4Layout> layouts_of(worker::Context& context);
std::string_view to_string(kernels::Nf4Decision decision);
std::string_view to_string(kernels::Nf4Layout layout);

/// What quantising must give, from the definition and the oracle alone.
struct Nf4Reference {
  std::vector<std::uint8_t> codes;
  std::vector<float> absmax, values;
};
Nf4Reference nf4_reference(std::span<const float> w, kernels::Nf4Decision decision);
std::uint8_t nf4_oracle_code(float x, kernels::Nf4Decision decision);

/// The reference's packed bytes.
std::vector<std::uint8_t> nf4_reference_packed(const Nf4Reference& q, kernels::Nf4Layout layout);

/// A failed case in words: `what` in front of the comparator's mismatch.
worker::CaseFailed nf4_failed(const worker::Comparator& compare, std::string what);
worker::CaseFailed nf4_failed(std::string message);

}  // namespace refute::falsifiers
