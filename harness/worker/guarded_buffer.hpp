#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace refute::worker {

/// A write where none was allowed, or an input that changed under the subject.
struct GuardViolation {
  std::string buffer;
  std::int64_t offset = 0;  ///< in bytes from the buffer's first; negative: before it
  std::string message;
};

namespace detail {
constexpr std::size_t kBand =
    64;  ///< bytes on each side; a multiple of every vector register's width
constexpr std::uint8_t kBandByte = 0xc3;
constexpr std::uint8_t kPoisonByte = 0xa5;
std::optional<GuardViolation> check_bands(std::span<const std::uint8_t> whole, std::size_t payload,
                                          std::string_view name);
std::optional<GuardViolation> check_unchanged(std::span<const std::uint8_t> now,
                                              std::span<const std::uint8_t> before,
                                              std::string_view name);
}  // namespace detail

/// Room for a subject's results, between two bands that nobody may write to. Starts out poisoned:
/// floats are NaN with a payload, everything else is 0xA5, so that an element which the subject
/// left out cannot look right by luck.
template <class T>
class GuardedOutput {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  GuardedOutput(std::string_view name, std::size_t count) : name_(name) { reset(count); }

  /// Poisons anew, for another run. Memory is kept.
  void reset(std::size_t count) {
    count_ = count;
    bytes_.resize(2 * detail::kBand + count * sizeof(T));
    std::memset(bytes_.data(), detail::kBandByte, detail::kBand);
    poison();
    std::memset(bytes_.data() + detail::kBand + count * sizeof(T), detail::kBandByte,
                detail::kBand);
  }

  std::span<T> span() { return {reinterpret_cast<T*>(bytes_.data() + detail::kBand), count_}; }
  std::span<const T> span() const {
    return {reinterpret_cast<const T*>(bytes_.data() + detail::kBand), count_};
  }

  /// What was written outside, if anything.
  std::optional<GuardViolation> violation() const {
    return detail::check_bands(bytes_, count_ * sizeof(T), name_);
  }

 private:
  void poison() {
    if constexpr (std::is_same_v<T, float>) {
      for (float& x : span()) x = std::bit_cast<float>(0x7fe5a5a5u);
    } else {
      std::memset(bytes_.data() + detail::kBand, detail::kPoisonByte, count_ * sizeof(T));
    }
  }

  std::string name_;
  std::size_t count_ = 0;
  std::vector<std::uint8_t> bytes_;
};

/// A subject's input, remembered so that a change is found afterwards and located. The caller keeps
/// the data alive. (A copy costs what a hash would, and can say where.)
template <class T>
class WatchedInput {
 public:
  WatchedInput(std::string_view name, std::span<const T> data) : name_(name) { reset(data); }

  /// Watches other data from now on. Memory is kept.
  void reset(std::span<const T> data) {
    data_ = data;
    before_.resize(data.size_bytes());
    if (!data.empty()) std::memcpy(before_.data(), data.data(), data.size_bytes());
  }

  std::optional<GuardViolation> violation() const {
    return detail::check_unchanged(
        {reinterpret_cast<const std::uint8_t*>(data_.data()), data_.size_bytes()}, before_, name_);
  }

 private:
  std::string name_;
  std::span<const T> data_;
  std::vector<std::uint8_t> before_;
};

/// The first violation among several buffers, if any.
template <class... Buffers>
std::optional<GuardViolation> first_violation(const Buffers&... buffers) {
  std::optional<GuardViolation> found;
  ((found = found ? found : buffers.violation()), ...);
  return found;
}

}  // namespace refute::worker
