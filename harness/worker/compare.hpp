#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "harness/model/value.hpp"

namespace refute::worker {

/// One element that is not as it should be.
struct Mismatch {
  std::optional<std::uint64_t> index;  ///< none for a single figure
  std::string got, want;               ///< exact: hex bits, or a hex-float
  std::string detail;                  ///< how far off, in words

  std::string sentence()
      const;  ///< "element 17: got 0x48, want 0x47 (…)", or the detail of a single figure
  Value to_value() const;  ///< {index, got, want, detail}
};

/// The one place where elements are compared. Every comparison is counted, and every one is
/// inverted in the negated arm
/// (`ok != negated`), so that a check which never reaches an element, or ignores the answer, is
/// seen to have no power. NaN passes no comparison of numbers; infinities pass only against an
/// equal infinity.
class Comparator {
 public:
  explicit Comparator(bool negated = false) : negated_(negated) {}

  /// True if all elements pass. Otherwise `mismatch()` tells the first that does not, and the
  /// worst. Spans of different length never pass, in either arm.
  bool bytes(std::span<const std::uint8_t> got, std::span<const std::uint8_t> want);
  bool bits(std::span<const float> got, std::span<const float> want);
  /// The same, but any NaN equals any NaN of the same sign.
  bool bits_nan_by_class(std::span<const float> got, std::span<const float> want);
  /// |got[i] - want[i]| <= bound[i], in f64.
  bool within(std::span<const float> got, std::span<const double> want,
              std::span<const double> bound);
  /// low <= value <= high. `what` names the figure in messages.
  bool in_band(double value, double low, double high, std::string_view what);
  bool at_most(double value, double high, std::string_view what);
  bool at_least(double value, double low, std::string_view what);
  /// A count, a size, a status, an index.
  bool equal(std::uint64_t got, std::uint64_t want, std::string_view what);
  /// A yes-or-no property of the result.
  bool holds(bool ok, std::string_view what);

  /// For sweeps that compare runs elsewhere at memory speed: adds elements that were found equal
  /// there.
  void add_equal(std::uint64_t elements) { comparisons_ += elements; }

  bool negated() const { return negated_; }
  std::uint64_t comparisons() const { return comparisons_; }
  /// Of the latest comparison that did not pass.
  const std::optional<Mismatch>& mismatch() const { return mismatch_; }

 private:
  bool one(bool ok, std::string got, std::string want, std::string what);
  bool wrong_length(std::size_t got, std::size_t want);

  bool negated_;
  std::uint64_t comparisons_ = 0;
  std::optional<Mismatch> mismatch_;
};

/// Representable floats between a and b; the largest number there is if one is NaN or they lie
/// across an infinity.
std::uint64_t ulp_distance(float a, float b);

std::string hex_bits(std::uint8_t byte);   ///< "0x7e"
std::string hex_bits(std::uint16_t word);  ///< "0x3c00"
std::string hex_bits(std::uint32_t word);  ///< "0x3f800000"
std::string hex_float(double value);       ///< "0x1.8p+3"
/// Hex-float and bits together: NaNs and zeros show their sign and payload.
std::string exact(float value);

}  // namespace refute::worker
