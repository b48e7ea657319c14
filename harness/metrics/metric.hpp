#pragma once

// A measured number, or the reason why there is none. A metric without a value never satisfies a
// condition.

#include <array>
#include <cassert>
#include <string_view>

namespace refute::metrics {

/// Why a metric has no value.
enum class Undefined {
  empty,           ///< no elements
  size_mismatch,   ///< the two sides are not equally long, or not as long as the shape says
  non_finite,      ///< NaN or infinity on either side: counted first, never averaged
  zero_reference,  ///< a relative error against nothing but zeros, which the other side does not
                   ///< share
  no_error,        ///< a ratio to an error that is exactly zero
};
constexpr std::array<std::string_view, 5> kUndefinedNames = {"empty", "size_mismatch", "non_finite",
                                                             "zero_reference", "no_error"};
constexpr std::string_view to_string(Undefined u) {
  return kUndefinedNames[static_cast<int>(u)];
}

class Metric {
 public:
  constexpr Metric(double value) : value_(value), defined_(true) {}
  constexpr Metric(Undefined reason) : reason_(reason) {}

  constexpr bool defined() const { return defined_; }
  /// Only of a defined metric.
  constexpr double value() const {
    assert(defined_);
    return value_;
  }
  /// Why there is no value; only of an undefined metric.
  constexpr Undefined reason() const {
    assert(!defined_);
    return reason_;
  }

  // Conditions in the positive form: false without a value, and false for NaN.
  constexpr bool at_most(double limit) const { return defined_ && value_ <= limit; }
  constexpr bool at_least(double limit) const { return defined_ && value_ >= limit; }
  constexpr bool within(double low, double high) const { return at_least(low) && at_most(high); }

  constexpr bool operator==(const Metric&) const = default;

 private:
  double value_ = 0;
  bool defined_ = false;
  Undefined reason_ = Undefined::empty;
};

}  // namespace refute::metrics
