// refute_bench [--mib N] [NAME…] | --gpu: measures the groups named, or all of them, and prints a
// table of each. The device's group is measured only when asked for.

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/core.h>

#include "harness/bench/benches.hpp"

namespace refute::bench {
namespace {

constexpr std::array kBenches = {
    Bench{"fp8-sweep", "all 2^32 f32 values through an FP8 encode, alone and checked", fp8_sweep},
    Bench{"fp8-bandwidth", "FP8 quantise and dequantise against memcpy", fp8_bandwidth},
    Bench{"nf4-bandwidth", "NF4 quantise and dequantise against memcpy", nf4_bandwidth},
    Bench{"model-files", "quantise and dequantise a model file against reading it", model_files},
    Bench{"nf4-products", "NF4 matrix products against naive ones", nf4_products},
    Bench{"attention", "flash2 against naive on OpenBLAS, the f64 oracle against naive", attention},
    Bench{"forward", "a forward pass of 100 million weights against OpenBLAS's products alone",
          forward_pass},
    Bench{"stage-diff", "the diff of two stage files, and of two captures, against reading them",
          stage_diff},
    Bench{"metrics", "error metrics over 2^24 elements against memcpy", error_metrics},
    Bench{"validate", "refute validate of 1,000 contracts against bare YAML parsers", validate},
    Bench{"job-overhead", "one job from spawn to checked record against /bin/true", job_overhead},
    Bench{"property", "cases a second of a property over tensors of 1,000 elements",
          property_cases},
    Bench{"quant-diff", "the diff of two models against reading them, and --as FORMAT", quant_diff},
};

constexpr Bench kGpu = {"gpu", "the device's kernels against a copy on the device", gpu};

std::size_t files_mib = 1024;

int usage(std::FILE* to, int status) {
  fmt::print(to,
             "usage: refute_bench [--mib N] [NAME…]\n       refute_bench --gpu\n\nN is the size of "
             "files that are made for "
             "it. Without a name all are measured:\n");
  for (const Bench& bench : kBenches) fmt::print(to, "  {:<14} {}\n", bench.name, bench.help);
  fmt::print(to, "  {:<14} {}\n", "--gpu", kGpu.help);
  return status;
}

/// A group that cannot be measured says so and fails the whole, but not before the others had their
/// turn.
int measure(const Bench& bench) {
  try {
    fmt::print("{}\n", render(bench.name, bench.run()));
    std::fflush(stdout);
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "refute_bench: {}: {}\n", bench.name, e.what());
    return 1;
  }
}

/// Times on the clock mean little while others compute; whoever reads them has to know.
void warn_of_load() {
  double load = 0;
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  if (::getloadavg(&load, 1) == 1 && load > 0.5 * cores) {
    fmt::print(stderr,
               "refute_bench: load average {:.1f} on {} cores: other programs are running, so "
               "times will be too long\n",
               load, cores);
  }
}

/// Takes `--mib N` off the front; false when N is no number from 1 to 65536.
bool take_size(std::vector<std::string_view>& names) {
  if (names.empty() || names[0] != "--mib") return true;
  if (names.size() < 2) return false;
  const char* end = names[1].data() + names[1].size();
  const auto [used, error] = std::from_chars(names[1].data(), end, files_mib);
  if (error != std::errc{} || used != end || files_mib < 1 || files_mib > 65536) return false;
  names.erase(names.begin(), names.begin() + 2);
  return true;
}

int run(std::vector<std::string_view> names) {
  if (names.size() == 1 && names[0] == "--gpu") return measure(kGpu);
  if (!take_size(names)) return usage(stderr, 2);
  for (const std::string_view name : names) {
    if (name == "--help" || name == "-h") return usage(stdout, 0);
    if (std::ranges::find(kBenches, name, &Bench::name) != kBenches.end()) continue;
    fmt::print(stderr, "refute_bench: nothing is called '{}'\n", name);
    return usage(stderr, 2);
  }
  warn_of_load();
  int status = 0;
  for (const Bench& bench : kBenches) {
    if (!names.empty() && std::ranges::find(names, bench.name) == names.end()) continue;
    status = std::max(status, measure(bench));
  }
  return status;
}

}  // namespace

std::size_t size_mib() {
  return files_mib;
}

}  // namespace refute::bench

int main(int argc, char** argv) {
  return refute::bench::run({argv + 1, argv + argc});
}
