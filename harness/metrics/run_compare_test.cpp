#include "harness/metrics/run_compare.hpp"

#include <vector>

#include "harness/catch.hpp"

using namespace refute::metrics;

namespace {

struct Run {
  std::uint32_t first, last;
  std::uint8_t code;
};

const std::vector<Run> kRuns = {{0, 9, 1}, {10, 10, 2}, {11, 999, 3}, {1000, 0xFFFFFFFFu, 4}};

std::vector<std::uint8_t> right_codes(std::uint64_t first, std::size_t count) {
  std::vector<std::uint8_t> codes;
  for (std::uint64_t p = first; p < first + count; ++p) {
    codes.push_back(p < 10 ? 1 : p == 10 ? 2 : p < 1000 ? 3 : 4);
  }
  return codes;
}

std::optional<std::size_t> compare(const std::vector<std::uint8_t>& codes, std::uint32_t first) {
  return first_mismatch_against_runs<Run>(codes, first, kRuns);
}

}  // namespace

TEST_CASE("right codes match from any start, across any number of runs") {
  for (std::uint32_t first = 0; first < 1100; first += 7) {
    for (const std::size_t count : {0, 1, 2, 15, 64, 1500}) {
      CHECK_FALSE(compare(right_codes(first, count), first).has_value());
    }
  }
  CHECK_FALSE(compare(right_codes(0xFFFFFFF0u, 16), 0xFFFFFFF0u).has_value());
}

TEST_CASE("one wrong code is found wherever it stands") {
  for (std::size_t at = 0; at < 1200; ++at) {
    auto codes = right_codes(3, 1200);
    codes[at] ^= 0x80;
    CHECK(compare(codes, 3) == at);
  }
}

TEST_CASE("of two wrong codes the first is named") {
  auto codes = right_codes(0, 50);
  codes[40] = codes[20] = 77;
  CHECK(compare(codes, 0) == std::size_t{20});
}

TEST_CASE("codes beyond the last pattern match nothing") {
  CHECK(compare(right_codes(0xFFFFFFF0u, 17), 0xFFFFFFF0u) == std::size_t{16});
}

TEST_CASE("a run of wrong but equal codes is no match") {
  CHECK(compare(std::vector<std::uint8_t>(8, 9), 0) == std::size_t{0});
  CHECK(first_other_byte(std::vector<std::uint8_t>{5, 5, 5, 6, 5}, 5) == 3);
  CHECK(first_other_byte({}, 5) == 0);
}
