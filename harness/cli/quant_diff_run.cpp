#include "harness/cli/quant_diff_run.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include <fmt/format.h>

#include "harness/cli/byte_progress.hpp"
#include "harness/instruments/glob.hpp"
#include "harness/instruments/quant_diff_as.hpp"
#include "harness/instruments/quant_diff_pair.hpp"
#include "harness/instruments/quant_diff_report.hpp"
#include "harness/instruments/quant_diff_svg.hpp"
#include "harness/json/json.hpp"
#include "harness/model/exit_code.hpp"
#include "harness/model/near_miss.hpp"
#include "harness/pipeline/judge/file_text.hpp"
#include "harness/tensor/model_file.hpp"
#include "harness/tensor/text.hpp"

namespace refute::cli {
namespace {

using instruments::DiffReport;
using instruments::DiffReportOptions;

struct FormatRow {
  std::string_view name;
  std::string (*render)(const DiffReport&, const DiffReportOptions&);
};
constexpr std::array kFormats = {
    FormatRow{"text", instruments::diff_text},
    FormatRow{"json",
              [](const DiffReport& r, const DiffReportOptions& o) {
                return json::dump_pretty(instruments::diff_value(r, o));
              }},
    FormatRow{"tsv", instruments::diff_tsv},
    FormatRow{"md", instruments::diff_markdown},
    FormatRow{"html", instruments::diff_html},
};

const FormatRow* format_named(std::string_view name) {
  const auto row = std::ranges::find(kFormats, name, &FormatRow::name);
  return row == kFormats.end() ? nullptr : row;
}

struct Output {
  const FormatRow* format;
  std::string path;
};

/// All that the arguments mean, before a model is opened.
struct Plan {
  const FormatRow* format = nullptr;
  std::vector<Output> outputs;
  std::optional<instruments::QuantizeOptions> as;
  instruments::DiffOptions diff;
};

Error no_such(std::string_view option, std::string_view value, std::string_view wanted,
              const std::vector<std::string>& known) {
  return {fmt::format("{} {}: wants {}", option, value, wanted),
          did_you_mean(near_miss(value, known))};
}

Result<const FormatRow*> parse_format(std::string_view name, std::string_view option) {
  if (const FormatRow* row = format_named(name)) return row;
  std::vector<std::string> names;
  for (const FormatRow& row : kFormats) names.emplace_back(row.name);
  return no_such(option, name, "text, json, tsv, md or html", names);
}

Result<Output> parse_output(const std::string& text) {
  const std::size_t at = text.find('=');
  if (at == std::string::npos || at + 1 == text.size())
    return Error{fmt::format("--output {}: wants FORMAT=PATH", text), "as in --output md=diff.md"};
  auto format = parse_format(std::string_view(text).substr(0, at), "--output");
  if (!format) return format.take_error();
  return Output{*format, text.substr(at + 1)};
}

Result<instruments::QuantizeOptions> parse_as(const QuantDiffArguments& a) {
  const auto target = instruments::quantize_target(a.as);
  const auto& names = instruments::quantize_target_names();
  if (!target)
    return no_such("--as", a.as, fmt::format("one of {}", fmt::join(names, ", ")), names);
  if (a.scale.empty()) return instruments::QuantizeOptions{.target = *target, .keep = {}};
  if (!std::holds_alternative<kernels::Fp8Format>(*target))
    return Error{"--scale is for --as fp8-e4m3 and fp8-e5m2", ""};
  constexpr std::array<std::string_view, 3> kScalings = {"tensor", "channel", "block"};
  const auto scaling = std::ranges::find(kScalings, a.scale);
  if (scaling == kScalings.end()) {
    return no_such("--scale", a.scale, "tensor, channel or block",
                   {kScalings.begin(), kScalings.end()});
  }
  instruments::QuantizeOptions options{.target = *target, .keep = {}};
  options.granularity = static_cast<kernels::Fp8Granularity>(scaling - kScalings.begin());
  return options;
}

Result<Plan> plan_of(const QuantDiffArguments& a) {
  Plan plan;
  auto format = parse_format(a.format.empty() ? "text" : a.format, "--format");
  if (!format) return format.take_error();
  plan.format = *format;
  for (const std::string& text : a.outputs) {
    auto output = parse_output(text);
    if (!output) return output.take_error();
    plan.outputs.push_back(*std::move(output));
  }
  if (const auto problem = instruments::glob_problem(a.match))
    return Error{fmt::format("--match {}: {}", a.match, *problem), ""};
  if (!a.as.empty()) {
    auto as = parse_as(a);
    if (!as) return as.take_error();
    plan.as = *as;
  }
  if (!a.map.empty()) {
    auto text = pipeline::read_text(a.map);
    if (!text) return text.take_error();
    auto map = instruments::parse_name_map(*text, a.map);
    if (!map) return map.take_error();
    plan.diff.map = *std::move(map);
  }
  plan.diff.threshold = a.threshold;
  plan.diff.match = a.match;
  plan.diff.threads = a.threads;
  plan.diff.thorough = a.thorough;
  return plan;
}

/// A file that was cut short while it was read gives no verdict; anything else is the input's
/// fault.
int failed(const Error& error, ExitCode code) {
  fmt::print(stderr, "refute: {}\n", tensor::escaped(error.what));
  if (!error.hint.empty()) fmt::print(stderr, "{}\n", tensor::escaped(error.hint));
  return static_cast<int>(code);
}

int exit_of(const DiffReport& report) {
  if (report.common == 0) return static_cast<int>(ExitCode::nothing_selected);
  return static_cast<int>(report.has_findings() ? ExitCode::findings : ExitCode::ok);
}

void explain_nothing(const DiffReport& report, const QuantDiffArguments& a) {
  if (report.common != 0) return;
  if (!a.as.empty()) {
    fmt::print(stderr, "refute: nothing in {} can be quantised to {}{}\n",
               tensor::escaped(a.reference), a.as,
               a.match.empty() ? "" : " among what --match selects");
  } else if (report.rows.empty() && a.match.empty()) {
    fmt::print(stderr, "refute: neither model has a tensor\n");
  } else if (report.rows.empty()) {
    fmt::print(stderr, "refute: --match {} selects nothing\n", tensor::escaped(a.match));
  } else {
    fmt::print(stderr,
               "refute: the two models have no tensor in common\nName pairs in a file and give it "
               "with --map if they belong together.\n");
  }
}

std::optional<Error> write_outputs(const DiffReport& report, const Plan& plan,
                                   const QuantDiffArguments& a, const DiffReportOptions& options) {
  DiffReportOptions plain = options;
  plain.color = false;
  for (const Output& output : plan.outputs) {
    if (auto error = pipeline::replace_text(output.path, output.format->render(report, plain)))
      return error;
  }
  if (a.svg.empty()) return std::nullopt;
  return pipeline::replace_text(a.svg, instruments::diff_svg(report));
}

int report_on(const DiffReport& report, const Plan& plan, const QuantDiffArguments& a) {
  const DiffReportOptions options = {.top = a.top,
                                     .color = a.color,
                                     .reference = a.reference,
                                     .other = a.as.empty() ? a.other : "quantised to " + a.as,
                                     .picture = a.svg};
  const std::string text = plan.format->render(report, options);
  std::fwrite(text.data(), 1, text.size(), stdout);
  explain_nothing(report, a);
  if (const auto error = write_outputs(report, plan, a, options))
    return failed(*error, ExitCode::no_verdict);
  return exit_of(report);
}

}  // namespace

int run_quant_diff(const QuantDiffArguments& a) {
  auto plan = plan_of(a);
  if (!plan) return failed(plan.error(), ExitCode::usage);
  auto reference = tensor::ModelFile::open(a.reference);
  if (!reference) return failed(reference.error(), ExitCode::usage);
  std::optional<tensor::ModelFile> other;
  if (!plan->as) {
    auto opened = tensor::ModelFile::open(a.other);
    if (!opened) return failed(opened.error(), ExitCode::usage);
    other.emplace(*std::move(opened));
  }
  ByteProgress bar;
  plan->diff.progress = [&](std::size_t done, std::size_t total) { bar.show(done, total); };
  auto report = plan->as ? instruments::diff_in_memory(*reference, *plan->as, plan->diff)
                         : instruments::diff_models(*reference, *other, plan->diff);
  bar.wipe();
  if (!report) {
    const bool damaged = reference->damaged() || (other && other->damaged());
    return failed(report.error(), damaged ? ExitCode::no_verdict : ExitCode::usage);
  }
  return report_on(*report, *plan, a);
}

}  // namespace refute::cli
