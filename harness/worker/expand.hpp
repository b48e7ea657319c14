#pragma once

#include <cstdint>
#include <span>

namespace refute::worker {

/// A counter-based generator: word i of a stream is a function of (seed, stream, i) alone, so that
/// any element can be made without those before it, on any number of threads, in vector registers.
/// The stream keeps apart the words that one element needs.
///
/// Two rounds of a 32-bit multiply-xorshift mixer, keyed by one half of the seed each. Good enough
/// to draw test inputs (its uniformity is tested); not for cryptography.
[[gnu::always_inline]] inline std::uint32_t mix_word(std::uint32_t x) {
  x ^= x >> 16;
  x *= 0x21f0aaadu;
  x ^= x >> 15;
  x *= 0xd35a2d97u;
  x ^= x >> 15;
  return x;
}

[[gnu::always_inline]] inline std::uint32_t word_at(std::uint64_t seed, std::uint32_t stream,
                                                    std::uint32_t i) {
  const auto low = static_cast<std::uint32_t>(seed), high = static_cast<std::uint32_t>(seed >> 32);
  return mix_word(mix_word(i + low + stream * 0x9e3779b9u) ^ high ^ (stream * 0x85ebca6bu));
}

/// A well-mixed 64-bit number from two: for deriving seeds from seeds.
std::uint64_t derive_seed(std::uint64_t seed, std::uint64_t salt);

}  // namespace refute::worker
