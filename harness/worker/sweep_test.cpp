#include "harness/worker/sweep.hpp"

#include <atomic>
#include <stdexcept>
#include <vector>

#include "harness/catch.hpp"

using namespace refute::worker;

namespace {

/// Offends at every value of a list.
MakeChecker offending_at(std::vector<std::uint64_t> values) {
  return [values]() -> ChunkCheck {
    return [values](std::uint64_t first, std::size_t count) -> std::optional<std::uint64_t> {
      for (std::uint64_t v : values) {
        if (v >= first && v < first + count) return v;
      }
      return std::nullopt;
    };
  };
}

}  // namespace

TEST_CASE("Everything is gone through once, whatever the threads and the last chunk") {
  for (unsigned threads : {1u, 2u, 5u}) {
    std::vector<std::atomic<int>> seen(1003);
    const auto result = sweep(
        3, 1003, threads,
        [&]() -> ChunkCheck {
          return [&](std::uint64_t first, std::size_t count) {
            for (std::size_t i = 0; i < count; ++i) ++seen[first + i];
            return std::optional<std::uint64_t>();
          };
        },
        64);
    CHECK_FALSE(result.smallest);
    CHECK(result.checked == 1000);
    for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == (i >= 3 ? 1 : 0));
  }
}

TEST_CASE("The least offender is found, the same for any number of threads") {
  for (unsigned threads : {1u, 2u, 3u, 8u}) {
    for (int repeat = 0; repeat < 20; ++repeat) {
      const auto result = sweep(0, 1 << 16, threads, offending_at({40000, 777, 778, 65535}), 32);
      CHECK(result.smallest == 777);
      CHECK(result.checked == 778);
    }
  }
}

TEST_CASE("The last value of all 2^32 is reached") {
  const std::uint64_t all = std::uint64_t{1} << 32;
  CHECK(sweep(all - 100, all, 2, offending_at({all - 1}), 64).smallest == all - 1);
}

TEST_CASE(
    "Only the chunks around landmarks are looked at, and the value before one is among them") {
  const std::vector<std::uint64_t> landmarks = {0, 640, 700};
  const auto around = [&](std::uint64_t offender) {
    return sweep_around(landmarks, 0, 1000, 2, offending_at({offender}), 64);
  };
  CHECK(around(639).smallest == 639);
  CHECK(around(640).smallest == 640);
  CHECK(around(5).smallest == 5);
  CHECK_FALSE(around(300).smallest);
  CHECK(around(300).checked == 3 * 64);  // the chunks at 0, 576 and 640
  CHECK(around(650).checked == 64 + 64 + 11);
  CHECK_FALSE(sweep_around({}, 0, 1000, 2, offending_at({5}), 64).smallest);
}

TEST_CASE("A checker's exception comes out") {
  const auto throwing = []() -> ChunkCheck {
    return [](std::uint64_t first, std::size_t) -> std::optional<std::uint64_t> {
      if (first >= 512) throw std::runtime_error("gone");
      return std::nullopt;
    };
  };
  CHECK_THROWS_AS(sweep(0, 10000, 3, throwing, 64), std::runtime_error);
}

TEST_CASE("What comes first in order counts, an offender or an exception") {
  for (const auto& [offender, gone] : {std::pair{640, 704}, {704, 640}}) {
    const auto check = [offender = offender, gone = gone]() -> ChunkCheck {
      return [=](std::uint64_t first, std::size_t) -> std::optional<std::uint64_t> {
        if (first == static_cast<std::uint64_t>(gone)) throw std::runtime_error("gone");
        if (first == static_cast<std::uint64_t>(offender)) return first;
        return std::nullopt;
      };
    };
    for (int repeat = 0; repeat < 50; ++repeat) {
      if (gone < offender) {
        CHECK_THROWS_AS(sweep(0, 10000, 4, check, 64), std::runtime_error);
      } else {
        CHECK(sweep(0, 10000, 4, check, 64).smallest == 640);
      }
    }
  }
}
