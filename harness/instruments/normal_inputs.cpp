#include "harness/instruments/normal_inputs.hpp"

#include "harness/instruments/attention_run.hpp"

namespace refute::instruments {

std::uint64_t NormalSource::bits() {
  std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

float NormalSource::next() {
  std::uint64_t sum = 0;
  for (int draw = 0; draw < 3; ++draw) {
    for (std::uint64_t b = bits(), i = 0; i < 4; ++i, b >>= 16) sum += b & 0xFFFFu;
  }
  return (static_cast<float>(sum) - 6 * 65535.0f) / 65536.0f;
}

std::vector<float> NormalSource::draw(metrics::Format storage, std::size_t count, float deviation) {
  std::vector<float> x(count);
  for (float& value : x) value = stored_as(storage, next() * deviation);
  return x;
}

}  // namespace refute::instruments
