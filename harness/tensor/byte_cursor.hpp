#pragma once

// Reads little-endian numbers one after the other from bytes that may end too early.

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

namespace refute::tensor {

static_assert(std::endian::native == std::endian::little, "files are little-endian, as we are");

class ByteCursor {
 public:
  explicit ByteCursor(std::span<const std::byte> bytes) : bytes_(bytes) {}

  /// Once something did not fit, every later read gives zeros and this stays false.
  bool good() const { return good_; }
  std::size_t at() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }

  template <class T>
  requires std::integral<T> || std::floating_point<T> T take() {
    T value{};
    if (const auto bytes = take(sizeof(T)); good_) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }

  /// The next `count` bytes, or none of them.
  std::span<const std::byte> take(std::size_t count) {
    if (!good_ || count > left()) {
      good_ = false;
      return {};
    }
    at_ += count;
    return bytes_.subspan(at_ - count, count);
  }

  std::string_view take_text(std::size_t count) {
    const auto bytes = take(count);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  /// What was taken since `begin`.
  std::string_view since(std::size_t begin) const {
    return {reinterpret_cast<const char*>(bytes_.data()) + begin, at_ - begin};
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  bool good_ = true;
};

}  // namespace refute::tensor
