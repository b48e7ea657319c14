// refute_bench [NAME…]: measures the groups named, or all of them, and prints a table of each.

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "harness/bench/benches.hpp"

namespace refute::bench {
namespace {

constexpr std::array kBenches = {
    Bench{"fp8-sweep", "all 2^32 f32 values through an FP8 encode, alone and checked", fp8_sweep},
    Bench{"fp8-bandwidth", "FP8 quantise and dequantise against memcpy", fp8_bandwidth},
    Bench{"nf4-bandwidth", "NF4 quantise and dequantise against memcpy", nf4_bandwidth},
    Bench{"nf4-products", "NF4 matrix products against naive ones", nf4_products},
    Bench{"metrics", "error metrics over 2^24 elements against memcpy", error_metrics},
};

int usage(std::FILE* to, int status) {
  fmt::print(to, "usage: refute_bench [NAME…]\n\nWithout a name all are measured:\n");
  for (const Bench& bench : kBenches) fmt::print(to, "  {:<14} {}\n", bench.name, bench.help);
  return status;
}

int run(const std::vector<std::string_view>& names) {
  for (const std::string_view name : names) {
    if (name == "--help" || name == "-h") return usage(stdout, 0);
    if (std::ranges::find(kBenches, name, &Bench::name) != kBenches.end()) continue;
    fmt::print(stderr, "refute_bench: nothing is called '{}'\n", name);
    return usage(stderr, 2);
  }
  for (const Bench& bench : kBenches) {
    if (!names.empty() && std::ranges::find(names, bench.name) == names.end()) continue;
    fmt::print("{}\n", render(bench.name, bench.run()));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace refute::bench

int main(int argc, char** argv) {
  return refute::bench::run({argv + 1, argv + argc});
}
