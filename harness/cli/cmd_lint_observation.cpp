#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "harness/cli/command.hpp"
#include "harness/instruments/observation.hpp"
#include "harness/instruments/observation_fields.hpp"
#include "harness/json/json.hpp"
#include "harness/model/near_miss.hpp"
#include "harness/pipeline/judge/file_text.hpp"

namespace refute::cli {
namespace {

using instruments::ObservationKind;

constexpr std::size_t kLongestMessage = 400;
constexpr std::size_t kMostBytes = 16u << 20;

struct Arguments {
  std::string file, format = "text";
  std::vector<std::string> kinds;
  instruments::ObservationLimits limits;
  bool json = false;
};

int usage(const Error& error) {
  fmt::print(stderr, "refute: {}\n", error.what);
  if (!error.hint.empty()) fmt::print(stderr, "help: {}\n", error.hint);
  return static_cast<int>(ExitCode::usage);
}

/// At most one byte more than is allowed, so that an endless stream is noticed and not read.
Result<std::string> read_stdin() {
  std::string text(kMostBytes + 1, '\0');
  std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::cin.gcount()));
  if (text.size() > kMostBytes) {
    return Error{fmt::format("stdin is longer than {} MiB", kMostBytes >> 20), ""};
  }
  return text;
}

Result<Value> read_body(const std::string& path) {
  const auto text = path == "-" ? read_stdin() : pipeline::read_text(path, kMostBytes);
  if (!text) return text.error();
  auto body = json::parse(*text, {.bytes = kMostBytes});
  if (!body) {
    // The parser quotes what it could not read.
    const std::string what = instruments::printable(body.error().what, kLongestMessage);
    return Error{fmt::format("{}: {}", path, what), body.error().hint};
  }
  return body;
}

Result<std::vector<ObservationKind>> kinds_of(const Arguments& a) {
  std::vector<ObservationKind> kinds;
  for (const std::string& word : a.kinds) {
    const auto& names = instruments::kObservationKindNames;
    const auto at = std::ranges::find(names, word);
    if (at == names.end()) {
      const std::string near = near_miss(word, std::span<const std::string_view>(names));
      return Error{fmt::format("--kind {}: wants one of {}", word, fmt::join(names, ", ")),
                   did_you_mean(near)};
    }
    const auto kind = static_cast<ObservationKind>(at - names.begin());
    if (std::ranges::find(kinds, kind) == kinds.end()) kinds.push_back(kind);
  }
  return kinds;
}

int run_command(const Arguments& a) {
  if (a.format != "text" && a.format != "json") return usage({"--format wants text or json", ""});
  const auto kinds = kinds_of(a);
  if (!kinds) return usage(kinds.error());
  const auto body = read_body(a.file);
  if (!body) return usage(body.error());
  const auto findings = lint_observation(*body, *kinds, a.limits);
  if (!findings) {
    return usage({fmt::format("{}: {}", a.file, findings.error().what), findings.error().hint});
  }
  const std::string text = a.json || a.format == "json"
                               ? json::dump_pretty(observation_value(a.file, *findings, a.limits))
                               : render_observation(a.file, *findings);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return static_cast<int>(exit_codes(*findings).front());
}

void add_limits(CLI::App& app, instruments::ObservationLimits& limits) {
  const auto number = [&](const char* name, double& to, double most, const char* help) {
    app.add_option(name, to, help)->capture_default_str()->check(CLI::Range(0.0, most));
  };
  number("--max-abs-diff", limits.max_abs_diff, 1e30, "of parity; published");
  number("--min-cosine", limits.min_cosine, 1, "of parity; published");
  number("--min-relative-error", limits.min_relative_error, 1e30,
         "of frobenius: below it nothing is told; derived for E4M3");
  number("--max-relative-error", limits.max_relative_error, 1e30, "of frobenius; derived for E4M3");
  app.add_option("--publisher", limits.publisher, "whose kernel_source it has to be");
}

std::function<int()> attach(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  app.add_option("FILE", a->file, "the captured JSON body, - for stdin")->required();
  app.add_option(
         "--kind", a->kinds,
         "parity, provenance, head_dim_error, frobenius or capability; repeatable; what the "
         "body looks like without it")
      ->allow_extra_args(false);
  add_limits(app, a->limits);
  app.add_option("--format", a->format, "text or json")->capture_default_str();
  app.add_flag("--json", a->json, "short for --format json");
  return [a] { return run_command(*a); };
}

}  // namespace

extern const Command kLintObservationCommand;
const Command kLintObservationCommand = {
    "lint-observation",
    "Judges what a run printed: a captured JSON body, by the published claims about it.",
    "  refute parity --dtype bf16 --json | refute lint-observation -\n"
    "  refute lint-observation body.json --kind parity --kind provenance\n"
    "  refute lint-observation error.json --kind head_dim_error --json",
    attach,
};

}  // namespace refute::cli
