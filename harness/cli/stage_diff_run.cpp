#include "harness/cli/stage_diff_run.hpp"

#include <cmath>
#include <cstdio>
#include <filesystem>

#include <fmt/format.h>

#include "harness/cli/model_run_options.hpp"
#include "harness/instruments/stage_diff.hpp"
#include "harness/instruments/stage_diff_report.hpp"
#include "harness/json/json.hpp"
#include "harness/model/exit_code.hpp"
#include "harness/tensor/aprt.hpp"
#include "harness/tensor/capture.hpp"

namespace refute::cli {
namespace {

using instruments::StageLimits;
using instruments::StageVerdict;

/// A folder with a manifest, or with stage files that lost theirs.
bool is_capture(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) return false;
  return std::filesystem::exists(path + "/" + std::string(tensor::kManifestName), ignored) ||
         !tensor::stale_files(path, {}).empty();
}

int refused(const StageDiffArguments& a, const Error& error) {
  return print_refusal({ExitCode::usage, "cannot-compare", error}, a.format == "json");
}

std::optional<Error> refuse(const StageDiffArguments& a) {
  if (a.format != "text" && a.format != "json")
    return Error{"--format wants text or json for stages", ""};
  for (const auto& limit : {a.tolerance, a.relative_tolerance}) {
    if (limit && !(*limit >= 0 && std::isfinite(*limit)))
      return Error{"a tolerance wants a number from 0 on", ""};
  }
  return std::nullopt;
}

int exit_of(StageVerdict verdict) {
  switch (verdict) {
    case StageVerdict::identical:
    case StageVerdict::within:
    case StageVerdict::not_judged:
      return static_cast<int>(ExitCode::ok);
    case StageVerdict::no_power:
      return static_cast<int>(ExitCode::incomplete);
    case StageVerdict::above:
    case StageVerdict::non_finite:
      return static_cast<int>(ExitCode::findings);
  }
  return static_cast<int>(ExitCode::internal);
}

int run_files(const StageDiffArguments& a, const StageLimits& limits) {
  constexpr std::size_t kTop = 10;
  const auto diff = instruments::diff_stage_files(
      a.a, a.b, {.limits = limits, .top = a.top != 0 ? a.top : kTop, .threads = a.threads});
  if (!diff) return refused(a, diff.error());
  fmt::print("{}", a.format == "json"
                       ? json::dump_pretty(instruments::stage_file_value(*diff, limits))
                       : instruments::stage_file_text(*diff, a.color));
  if (diff->values.count != 0) return exit_of(diff->judgement.verdict);
  fmt::print(stderr, "refute: both files hold no value: there is nothing to compare\n");
  return static_cast<int>(ExitCode::nothing_selected);
}

int run_captures(const StageDiffArguments& a, const StageLimits& limits) {
  constexpr std::size_t kTop = 3;
  const auto diff = instruments::diff_captures(a.a, a.b,
                                               {.limits = limits,
                                                .top = a.top != 0 ? a.top : kTop,
                                                .threads = a.threads,
                                                .across_models = a.across_models});
  if (!diff) return refused(a, diff.error());
  fmt::print("{}", a.format == "json" ? json::dump_pretty(instruments::capture_value(*diff, limits))
                                      : instruments::capture_text(*diff, a.color));
  if (diff->has_findings()) return static_cast<int>(ExitCode::findings);
  if (diff->any(StageVerdict::no_power)) return static_cast<int>(ExitCode::incomplete);
  if (diff->compared() != 0) return static_cast<int>(ExitCode::ok);
  fmt::print(stderr, "refute: the captures have no stage in common\n");
  return static_cast<int>(ExitCode::nothing_selected);
}

}  // namespace

bool are_stages(const std::string& a, const std::string& b) {
  const auto may_be_stage = [](const std::string& path) {
    std::error_code ignored;
    return tensor::is_aprt(path) || !std::filesystem::exists(path, ignored);
  };
  const bool files =
      (tensor::is_aprt(a) && may_be_stage(b)) || (tensor::is_aprt(b) && may_be_stage(a));
  return files || is_capture(a) || is_capture(b);
}

int run_stage_diff(const StageDiffArguments& a) {
  if (const auto error = refuse(a)) return refused(a, *error);
  const StageLimits limits = {a.tolerance, a.relative_tolerance};
  return is_capture(a.a) || is_capture(a.b) ? run_captures(a, limits) : run_files(a, limits);
}

}  // namespace refute::cli
