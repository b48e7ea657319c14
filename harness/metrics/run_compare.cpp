#include "harness/metrics/run_compare.hpp"

#include <cstring>

namespace refute::metrics {

std::size_t first_other_byte(std::span<const std::uint8_t> bytes, std::uint8_t value) {
  if (bytes.empty() || bytes[0] != value) return 0;
  // If the first byte is right and each equals the one before it, all are: memcmp is the fastest
  // loop there is.
  if (std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0) return bytes.size();
  return static_cast<std::size_t>(
      std::find_if(bytes.begin(), bytes.end(), [value](std::uint8_t b) { return b != value; }) -
      bytes.begin());
}

}  // namespace refute::metrics
