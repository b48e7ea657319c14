// CRUX-B-11-001: the relative Frobenius error of an FP8 round trip, stated or of two tensors.

#include <array>
#include <cmath>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "harness/instruments/observation.hpp"
#include "harness/instruments/observation_fields.hpp"

namespace refute::instruments {
namespace {

using enum ObservationOutcome;
using State = NumberField::State;

/// The figure, or what is wrong with it.
using Figure = std::variant<double, ObservationOutcome>;
using Elements = std::variant<std::vector<double>, ObservationOutcome>;

Figure stated(const Value& body, std::string_view key) {
  const NumberField field = number_field(body, key);
  switch (field.state) {
    case State::absent:
      return missing_relative_error;
    case State::null:
      return null_relative_error;
    case State::wrong_type:
      return wrong_type_relative_error;
    case State::non_finite:
      return non_finite_relative_error;
    case State::number:
      break;
  }
  if (!(field.value >= 0)) return negative_relative_error;
  return field.value;
}

Elements elements(const Value& body, std::string_view key) {
  const Value* tensor = body.find(key);
  if (tensor == nullptr) return missing_tensor;
  const Value::List* list = tensor->as_list();
  if (list == nullptr) return wrong_type_tensor;
  if (list->empty()) return empty_tensor;
  std::vector<double> x;
  x.reserve(list->size());
  for (const Value& element : *list) {
    const NumberField field = number_of(element);
    if (field.state == State::wrong_type) return wrong_type_tensor;
    if (field.state != State::number) return non_finite_element;
    x.push_back(field.value);
  }
  return x;
}

/// ‖reconstructed - original‖ / ‖original‖, the largest element taken out before squaring so that
/// neither overflow nor underflow makes it 0.
Figure measured(const std::vector<double>& original, const std::vector<double>& reconstructed) {
  if (original.size() != reconstructed.size()) return length_mismatch;
  double largest = 0;
  for (const double x : original) largest = std::max(largest, std::abs(x));
  if (largest == 0) return zero_norm;
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < original.size(); ++i) {
    const double x = original[i] / largest, y = reconstructed[i] / largest;
    error += (y - x) * (y - x);
    norm += x * x;
  }
  const double relative = std::sqrt(error / norm);
  if (!std::isfinite(relative)) return non_finite_relative_error;
  return relative;
}

Figure of_tensors(const Value& body) {
  const Elements original = elements(body, "original");
  if (const auto* bad = std::get_if<ObservationOutcome>(&original)) return *bad;
  const Elements reconstructed = elements(body, "reconstructed");
  if (const auto* bad = std::get_if<ObservationOutcome>(&reconstructed)) return *bad;
  return measured(std::get<0>(original), std::get<0>(reconstructed));
}

/// Every source of the figure that the body has; they have to agree, to nine digits.
Figure agreed(const Value& body) {
  std::optional<double> figure;
  const bool tensors = body.find("original") != nullptr || body.find("reconstructed") != nullptr;
  for (const std::string_view key : {"relative_frobenius_error", "rel_err", "tensors"}) {
    const bool there = key == "tensors" ? tensors : body.find(key) != nullptr;
    if (!there) continue;
    const Figure found = key == "tensors" ? of_tensors(body) : stated(body, key);
    if (std::holds_alternative<ObservationOutcome>(found)) return found;
    const double value = std::get<double>(found);
    if (figure && !(std::abs(*figure - value) <= 1e-9 * std::max(*figure, value))) {
      return stated_error_differs;
    }
    figure = value;
  }
  if (!figure) return missing_relative_error;
  return *figure;
}

constexpr std::array<std::string_view, 4> kKeys = {"relative_frobenius_error", "rel_err",
                                                   "original", "reconstructed"};

/// With the key that is not there, for who looks for it.
std::string detail_of(const Value& body, ObservationOutcome bad) {
  if (bad == missing_relative_error) {
    return "wants relative_frobenius_error, or rel_err, or original and reconstructed; " +
           keys_of(body);
  }
  if (bad != missing_tensor) return members(body, kKeys);
  const bool first = body.find("original") == nullptr;
  return fmt::format("no {}; {}", first ? "original" : "reconstructed", keys_of(body));
}

}  // namespace

ObservationFinding classify_frobenius(const Value& body, const ObservationLimits& limits) {
  constexpr auto kKind = ObservationKind::frobenius;
  if (!body.is_map()) return {kKind, "", not_an_object, shown(body)};
  const Figure figure = agreed(body);
  if (const auto* bad = std::get_if<ObservationOutcome>(&figure)) {
    return {kKind, "", *bad, detail_of(body, *bad)};
  }
  const double error = std::get<double>(figure);
  // Above is looked at first: a limit below the band leaves nothing that could hold.
  const ObservationOutcome outcome = !(error <= limits.max_relative_error)   ? above_band
                                     : !(error >= limits.min_relative_error) ? below_band
                                                                             : within_band;
  return {kKind, "", outcome,
          fmt::format("relative error {:.9g} (from {:.4g} to {:.4g})", error,
                      limits.min_relative_error, limits.max_relative_error)};
}

}  // namespace refute::instruments
