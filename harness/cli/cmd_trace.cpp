// trace: the outputs of chosen stages of one forward pass, as files.

#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "harness/cli/command.hpp"
#include "harness/cli/model_run_options.hpp"
#include "harness/forward/trace.hpp"
#include "harness/json/json.hpp"
#include "harness/tensor/text.hpp"

namespace refute::cli {
namespace {

using forward::TraceReport;

struct Arguments {
  ModelRunOptions run;
  std::string stages, layers, folder;
};

Result<forward::TraceRequest> request_of(const Arguments& a, const ModelRun& run) {
  forward::TraceRequest request;
  request.tokens = run.tokens;
  request.path = run.path;
  auto stages = tensor::parse_stages(a.stages);
  if (!stages) return Error{"--save-tensor: " + stages.error().what, stages.error().hint};
  request.stages = *std::move(stages);
  if (a.layers.empty()) return request;
  const auto layers = tensor::parse_layers(a.layers);
  if (!layers) return Error{"--layers: " + layers.error().what, layers.error().hint};
  request.layers = *layers;
  return request;
}

std::size_t bytes_of(const tensor::CapturedFile& file) {
  return tensor::kAprtHeaderBytes + 4 * file.count();
}

std::size_t total_bytes(const TraceReport& report) {
  std::size_t bytes = 0;
  for (const tensor::CapturedFile& file : report.manifest.files) bytes += bytes_of(file);
  return bytes;
}

Value report_value(const TraceReport& r, const ModelRun& run) {
  Value record = Value::Map{};
  record.set("folder", r.folder);
  record.set("run_id", run_id(r.manifest).text);
  record.set("model_sha256", r.manifest.model_sha256.text);
  set_path_members(record, run);
  Value files = Value::List{}, stale = Value::List{}, top = Value::List{}, odd = Value::List{};
  for (const tensor::CapturedFile& file : r.manifest.files) {
    files.push(Value::Map{{"file", file.path()}, {"bytes", std::uint64_t{bytes_of(file)}}});
  }
  for (const std::string& path : r.stale) stale.push(path);
  for (const forward::Candidate& c : r.top) {
    top.push(Value::Map{{"token", std::int64_t{c.token}}, {"logit", static_cast<double>(c.logit)}});
  }
  for (const forward::NonFinite& n : r.non_finite) {
    odd.push(Value::Map{{"file", tensor::stage_file(n.at.stage, n.at.layer)},
                        {"count", std::uint64_t{n.count}}});
  }
  record.set("files", files);
  record.set("bytes", std::uint64_t{total_bytes(r)});
  record.set("non_finite", odd);
  record.set("stale_files", stale);
  record.set("top", top);
  return record;
}

std::string shape_text(const std::vector<std::size_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::string report_text(const TraceReport& r, const ModelRun& run) {
  const tensor::CapturePath path = forward::describe(run.path, run.model);
  std::string text =
      fmt::format("model   {} ({}, {}, sha256 {:.12})\ntokens  {}\npath    {}, {} ({:.12})\n",
                  tensor::printable(r.manifest.model), r.manifest.architecture, path.weight_dtype,
                  r.manifest.model_sha256.text, r.manifest.tokens.size(), path.name, path.attention,
                  path_fingerprint(path).text);
  text += fmt::format("run     {:.12}\n", run_id(r.manifest).text);
  if (!r.top.empty()) {
    const float margin = r.top.size() < 2 ? 0 : r.top[0].logit - r.top[1].logit;
    text += fmt::format("next    token {}, {:.4g} ahead of the second\n", r.top[0].token, margin);
  }
  for (const tensor::CapturedFile& file : r.manifest.files) {
    text +=
        fmt::format("  {:<32} {:>12}  {}\n", file.path(), bytes_of(file), shape_text(file.shape));
  }
  text += fmt::format("{} files, {} bytes in {}\n", r.manifest.files.size(), total_bytes(r),
                      tensor::printable(r.folder));
  return text;
}

/// What must not be overlooked, on stderr.
void warn(const TraceReport& r) {
  if (!r.non_finite.empty()) {
    const forward::NonFinite& first = r.non_finite.front();
    fmt::print(stderr, "refute: warning: {} files hold NaN or infinity, first {} ({} values)\n",
               r.non_finite.size(), tensor::stage_file(first.at.stage, first.at.layer),
               first.count);
  }
  if (!r.stale.empty()) {
    fmt::print(stderr,
               "refute: warning: {} stage files in {} are of an earlier run, first {}; the "
               "manifest does not list them\n",
               r.stale.size(), tensor::printable(r.folder), r.stale.front());
  }
}

int run_command(const Arguments& a) {
  const bool json = a.run.as_json();
  const auto run = open_model_run(a.run);
  if (!run) return print_refusal(run.error(), json);
  const auto request = request_of(a, *run);
  if (!request) return print_refusal({ExitCode::usage, "bad-option", request.error()}, json);
  const auto plan = forward::plan_trace(run->model, *request);
  if (!plan) return print_refusal({ExitCode::usage, "bad-selection", plan.error()}, json);
  const auto digest = run->model.digest();
  if (!digest) return print_refusal({ExitCode::no_verdict, "unreadable", digest.error()}, json);
  const std::string folder =
      a.folder.empty() ? forward::default_trace_folder(run->model) : a.folder;
  const auto report =
      forward::run_trace(run->model, *request, *plan, folder, *digest, "refute " REFUTE_VERSION);
  if (!report) return print_refusal({ExitCode::no_verdict, "failed", report.error()}, json);
  warn(*report);
  fmt::print("{}",
             json ? json::dump_pretty(report_value(*report, *run)) : report_text(*report, *run));
  return static_cast<int>(ExitCode::ok);
}

std::function<int()> attach(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  add_model_run_options(app, a->run);
  app.add_option("--save-tensor", a->stages, "stages with commas between them, or all")->required();
  app.add_option("--layers", a->layers, "A..B, without B; all without it");
  app.add_option("-o,--output", a->folder, "folder to write; MODEL-trace without it")
      ->check([](const std::string& name) { return name.empty() ? "names no folder" : ""; });
  return [a] { return run_command(*a); };
}

}  // namespace

extern const Command kTraceCommand;
const Command kTraceCommand = {
    "trace",
    "Write the outputs of chosen stages of one forward pass, with a manifest of what ran.",
    "  refute trace tiny.gguf --tokens 1,5,9 --save-tensor all\n"
    "  refute trace model/ --tokens 1,5,9 --save-tensor attn_norm,ffn_gate --layers 3..5 -o good\n"
    "  refute trace model/ --tokens 1,5,9 --save-tensor lm_head --path fast --attn flash2",
    attach,
};

}  // namespace refute::cli
