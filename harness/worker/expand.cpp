#include "harness/worker/expand.hpp"

namespace refute::worker {

std::uint64_t derive_seed(std::uint64_t seed, std::uint64_t salt) {
  std::uint64_t z =
      seed + 0x9e3779b97f4a7c15u * (salt + 1);  // splitmix64 (Steele, Lea, Flood, 2014)
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace refute::worker
