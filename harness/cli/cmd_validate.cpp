#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "harness/cli/command.hpp"
#include "harness/cli/committed_levels.hpp"
#include "harness/model/exit_code.hpp"
#include "harness/pipeline/load/diagnostics.hpp"
#include "harness/pipeline/load/load_contracts.hpp"

namespace refute::cli {
namespace {

using pipeline::LoadResult;
using pipeline::RenderOptions;

struct FormatRow {
  std::string_view name;
  std::string (*render)(const LoadResult&, const RenderOptions&);
};

constexpr std::array<FormatRow, 4> kFormats = {{
    {"text", pipeline::render_text},
    {"json", pipeline::render_json},
    {"sarif", [](const LoadResult& r, const RenderOptions&) { return pipeline::render_sarif(r); }},
    {"github",
     [](const LoadResult& r, const RenderOptions&) { return pipeline::render_github(r); }},
}};

const FormatRow* find_format(std::string_view name) {
  for (const FormatRow& row : kFormats) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

struct ValidateOptions {
  std::vector<std::string> paths;
  std::string format = "text";
  bool json = false;
  bool strict = false;
  std::vector<std::string> outputs;
  unsigned jobs = 0;
};

struct Output {
  const FormatRow* format;
  std::string path;
};

int usage(const std::string& message) {
  fmt::print(stderr, "refute: {}\nRun with --help for usage.\n", message);
  return static_cast<int>(ExitCode::usage);
}

constexpr std::string_view kFormatNames = "text, json, sarif or github";

// Every output is understood before anything is read, so that a slip in the last one costs nothing.
Result<std::vector<Output>> parse_outputs(const std::vector<std::string>& texts) {
  std::vector<Output> outputs;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    const FormatRow* format = find_format(text.substr(0, equals));
    if (equals == std::string::npos || format == nullptr || equals + 1 == text.size()) {
      return Error{
          fmt::format("--output {}: wants FORMAT=PATH, FORMAT one of {}", text, kFormatNames), ""};
    }
    outputs.push_back({format, text.substr(equals + 1)});
  }
  return outputs;
}

bool write_file(const Output& output, const LoadResult& result, bool strict) {
  const std::string text = output.format->render(result, {.color = false, .strict = strict});
  std::FILE* file = std::fopen(output.path.c_str(), "wb");
  const bool written =
      file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const bool closed = file != nullptr && std::fclose(file) == 0;
  if (written && closed) return true;
  fmt::print(stderr, "refute: {} could not be written: {}\n", output.path, std::strerror(errno));
  return false;
}

bool wants_color() {
  const char* no_color = std::getenv("NO_COLOR");
  const bool refused = no_color != nullptr && *no_color != '\0';
  return !refused && isatty(STDOUT_FILENO) == 1;
}

// Paths that are not there must also be seen where stdout goes to a program.
void report_unreadable(const LoadResult& result, const FormatRow& shown) {
  if (shown.name == "text") return;
  for (const Error& e : result.unreadable) fmt::print(stderr, "refute: {}\n", e.what);
}

int validate(const ValidateOptions& options) {
  const FormatRow* format = find_format(options.json ? "json" : options.format);
  if (format == nullptr)
    return usage(fmt::format("--format {}: wants {}", options.format, kFormatNames));
  const Result<std::vector<Output>> outputs = parse_outputs(options.outputs);
  if (!outputs) return usage(outputs.error().what);

  const std::vector<std::string> paths =
      options.paths.empty() ? std::vector<std::string>{"contracts"} : options.paths;
  const auto levels = committed_levels(paths);
  if (!levels) fmt::print(stderr, "refute: {}; {}\n", levels.error().what, levels.error().hint);
  const LoadResult result = pipeline::load_contracts(
      paths, {.threads = options.jobs, .levels = levels && *levels ? &**levels : nullptr});

  const std::string text =
      format->render(result, {.color = wants_color(), .strict = options.strict});
  std::fwrite(text.data(), 1, text.size(), stdout);
  report_unreadable(result, *format);
  if (result.sources.empty() && result.unreadable.empty()) {
    fmt::print(stderr, "refute: no contract (*.yaml, *.yml) in {}; nothing was validated\n",
               fmt::join(paths, ", "));
  }
  bool written = true;
  for (const Output& output : *outputs)
    written = write_file(output, result, options.strict) && written;
  const ExitCode status = pipeline::exit_codes(result, options.strict).front();
  const bool sound = written && static_cast<bool>(levels);
  if (!sound && (status == ExitCode::ok || status == ExitCode::nothing_selected))
    return static_cast<int>(ExitCode::no_verdict);
  return static_cast<int>(status);
}

std::function<int()> attach(CLI::App& app) {
  auto options = std::make_shared<ValidateOptions>();
  app.add_option("path", options->paths, "Contracts, or folders of them (default: contracts)")
      ->type_name("PATH");
  app.add_option("--format", options->format, "Findings on stdout: text, json, sarif or github")
      ->type_name("FORMAT")
      ->capture_default_str();
  app.add_flag("--json", options->json, "Short for --format json");
  app.add_option("--output", options->outputs, "Write the findings to a file as well (repeatable)")
      ->type_name("FORMAT=PATH")
      ->allow_extra_args(false);
  app.add_flag("--strict", options->strict, "Warnings fail as well: exit 1");
  app.add_option("--jobs", options->jobs, "Threads (default: as many as the machine has)")
      ->type_name("N");
  return [options] { return validate(*options); };
}

}  // namespace

extern const Command kValidateCommand;
const Command kValidateCommand = {
    "validate",
    "Check contracts without running anything: syntax, schema, references, levels typed by hand, "
    "tolerances, and whether each claim could fail.",
    "  refute validate                                  every contract under contracts/\n"
    "  refute validate contracts/crux-B-11-v1.yaml --format json\n"
    "  refute validate --strict --output sarif=findings.sarif\n"
    "Levels typed by hand are compared with reports/ledger.json beside contracts/, if there is "
    "one.\n",
    attach,
};

}  // namespace refute::cli
