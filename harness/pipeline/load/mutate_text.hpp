#pragma once

// Random texts for the differential test and the fuzzer. The same seed gives the same text
// everywhere: only raw engine bits are used, because the library's distributions differ.

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace refute::pipeline::testing {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  /// A number below `limit`, which is above zero.
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(engine_() % limit); }

 private:
  std::mt19937_64 engine_;
};

/// One to four edits: pieces deleted, doubled, swapped with others, or replaced by what is
/// dangerous in YAML.
std::string mutated(std::string_view text, Dice& dice);

/// Plain data that YAML can say in many ways: block and flow, plain, quoted and literal texts.
std::string random_yaml(Dice& dice);

/// Every sample contract of the repository, valid and invalid, that is not too large to edit often.
std::vector<std::string> sample_texts();

}  // namespace refute::pipeline::testing
