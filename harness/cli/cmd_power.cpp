#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "harness/cli/command.hpp"
#include "harness/instruments/power.hpp"
#include "harness/json/json.hpp"
#include "harness/model/exit_code.hpp"
#include "harness/model/near_miss.hpp"

namespace refute::cli {
namespace {

using mutants::KernelOp;

constexpr std::size_t kMostSeeds = 100'000;

struct Arguments {
  std::vector<std::string> ops;
  std::size_t seeds = 40;
  std::uint64_t first_seed = 1;
  unsigned jobs = 0;
  bool json = false;
  std::string format = "text";
};

int usage(const std::string& message) {
  fmt::print(stderr, "refute: {}\nRun with --help for usage.\n", message);
  return static_cast<int>(ExitCode::usage);
}

std::optional<KernelOp> op_named(std::string_view name) {
  for (const KernelOp op : {KernelOp::attention, KernelOp::softmax, KernelOp::gemm}) {
    if (name == mutants::to_string(op)) return op;
  }
  return std::nullopt;
}

std::string unknown_op(const std::string& name) {
  const std::string near =
      near_miss(name, std::span<const std::string_view>(mutants::kKernelOpNames));
  return fmt::format("--op {}: wants attention, softmax or gemm{}", name,
                     near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
}

/// On a terminal one line that is written over; elsewhere nothing, as the whole takes a minute.
void show_progress(instruments::PowerOptions& options) {
  if (isatty(STDERR_FILENO) == 0) return;
  options.progress = [](std::size_t done, std::size_t total) {
    fmt::print(stderr, "\r{}/{} shapes and seeds{}", done, total, done == total ? "\r\033[K" : "");
  };
}

int run_power(const Arguments& a) {
  instruments::PowerOptions options;
  if (!a.ops.empty()) options.ops.clear();
  for (const std::string& name : a.ops) {
    const auto op = op_named(name);
    if (!op) return usage(unknown_op(name));
    if (std::ranges::find(options.ops, *op) == options.ops.end()) options.ops.push_back(*op);
  }
  if (a.format != "text" && a.format != "json") return usage("--format wants text or json");
  if (a.seeds == 0 || a.seeds > kMostSeeds) {
    return usage(fmt::format("--seeds wants 1 to {}", kMostSeeds));
  }
  options.seeds = a.seeds;
  options.first_seed = a.first_seed;
  options.threads = a.jobs != 0 ? a.jobs : std::max(1u, std::thread::hardware_concurrency());
  show_progress(options);
  const instruments::PowerReport report = instruments::measure_power(options);
  const bool json = a.json || a.format == "json";
  const std::string text = json ? json::dump_pretty(instruments::power_value(report))
                                : instruments::render_power(report);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return static_cast<int>(report.contract_holds() ? ExitCode::ok : ExitCode::findings);
}

std::function<int()> attach(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  app.add_option("--op", a->ops, "attention, softmax or gemm; repeatable; all without it")
      ->allow_extra_args(false);
  app.add_option("--seeds", a->seeds, "how many seeds per shape")->capture_default_str();
  app.add_option("--first-seed", a->first_seed, "where the seeds start")->capture_default_str();
  app.add_option("-j,--jobs", a->jobs, "threads; the result does not depend on them")
      ->check(CLI::Range(0u, 1024u));
  app.add_option("--format", a->format, "text or json")->capture_default_str();
  app.add_flag("--json", a->json, "short for --format json");
  return [a] { return run_power(*a); };
}

}  // namespace

extern const Command kPowerCommand;
const Command kPowerCommand = {
    "power",
    "Measure what acceptance rules are worth: wrong kernels that they pass, correct ones that "
    "they "
    "refuse.",
    "  refute power                          all ops, 40 seeds\n"
    "  refute power --op attention --seeds 5\n"
    "  refute power --json | jq '.rules[] | {rule, wrong_passed, correct_refused}'",
    attach,
};

}  // namespace refute::cli
