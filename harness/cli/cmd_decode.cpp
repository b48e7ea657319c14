// decode: what a model says next, and how surely.

#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "harness/cli/command.hpp"
#include "harness/cli/cuda_presence.hpp"
#include "harness/cli/model_run_options.hpp"
#include "harness/forward/decode.hpp"
#include "harness/json/json.hpp"
#include "harness/tensor/text.hpp"

namespace refute::cli {
namespace {

using forward::DecodeReport;
using forward::DecodeStep;
using instruments::Fallback;

struct Arguments {
  ModelRunOptions run;
  std::size_t max_tokens = 16;
  std::string device = "auto";
  bool allow_fallback = false;
};

/// What ran instead of what was asked for, and why.
struct Shortfall {
  Fallback fallback = Fallback::none;
  std::string reason;
};

/// There is no forward pass for a GPU here; one that is asked for is refused, or named as missing.
Result<Shortfall, ModelRefusal> shortfall_of(const Arguments& a) {
  if (a.device == "auto" || a.device == "cpu") return Shortfall{};
  if (a.device != "cuda") {
    return ModelRefusal{
        ExitCode::usage,
        "bad-option",
        {fmt::format("--device {}: wants one of auto, cpu, cuda", tensor::printable(a.device)),
         ""}};
  }
  const instruments::CudaPresence cuda = find_cuda();
  const Shortfall shortfall = {
      cuda.device ? Fallback::abi : Fallback::no_gpu,
      cuda.device ? "this build runs no model on a GPU" : "no CUDA device: " + cuda.because};
  if (a.allow_fallback) return shortfall;
  return ModelRefusal{ExitCode::usage,
                      std::string(to_string(shortfall.fallback)),
                      {"--device cuda cannot be met: " + shortfall.reason,
                       "--allow-fallback runs naive attention on the CPU instead and says so"}};
}

std::vector<std::uint32_t> tokens_of(const DecodeReport& r) {
  std::vector<std::uint32_t> tokens;
  for (const DecodeStep& step : r.steps) tokens.push_back(step.token());
  return tokens;
}

Value step_value(const DecodeStep& step) {
  Value top = Value::List{};
  for (const forward::Candidate& c : step.top) {
    top.push(Value::Map{{"token", std::int64_t{c.token}}, {"logit", static_cast<double>(c.logit)}});
  }
  return Value::Map{{"token", std::int64_t{step.token()}},
                    {"margin", static_cast<double>(step.margin())},
                    {"top", top}};
}

Value report_value(const DecodeReport& r, const ModelRun& run, const Shortfall& shortfall) {
  Value prompt = Value::List{}, tokens = Value::List{}, steps = Value::List{};
  for (const std::uint32_t token : run.tokens) prompt.push(std::int64_t{token});
  for (const DecodeStep& step : r.steps) {
    tokens.push(std::int64_t{step.token()});
    steps.push(step_value(step));
  }
  Value record = Value::Map{};
  record.set("model", run.model.name());
  record.set("architecture", to_string(run.model.config().family));
  set_path_members(record, run);
  if (shortfall.fallback != Fallback::none) {
    record.set("fallback", to_string(shortfall.fallback));
    record.set("fallback_reason", shortfall.reason);
  }
  record.set("prompt", prompt);
  record.set("tokens", tokens);
  if (run.tokenizer) record.set("text", decode(*run.tokenizer, tokens_of(r)));
  record.set("stopped", to_string(r.end));
  record.set("steps", steps);
  return record;
}

std::string report_text(const DecodeReport& r, const ModelRun& run) {
  const tensor::CapturePath path = forward::describe(run.path, run.model);
  std::string text = fmt::format("path   {}, {} ({:.12}), weights {}\n", path.name, path.attention,
                                 path_fingerprint(path).text, path.weight_dtype);
  text += "token     margin  the five most likely, with their logits\n";
  for (const DecodeStep& step : r.steps) {
    text += fmt::format("{:>5}  {:>9.4g} ", step.token(), step.margin());
    for (const forward::Candidate& c : step.top)
      text += fmt::format(" {}:{:.5g}", c.token, c.logit);
    text += '\n';
  }
  if (run.tokenizer) {
    text += fmt::format("text   {}\n", tensor::printable(decode(*run.tokenizer, tokens_of(r))));
  }
  return text + fmt::format("{} tokens, stopped by {}\n", r.steps.size(), to_string(r.end));
}

std::optional<Error> refuse_prompt(const ModelRun& run, std::size_t positions) {
  const forward::DecoderConfig& c = run.model.config();
  if (auto error = forward::refuse_tokens(c, run.tokens, positions)) return error;
  return forward::refuse_size(c, run.path.attention, run.tokens.size(), positions,
                              forward::physical_memory_bytes());
}

int run_command(const Arguments& a) {
  const bool json = a.run.as_json();
  const auto shortfall = shortfall_of(a);
  if (!shortfall) return print_refusal(shortfall.error(), json);
  // First as it was asked for: what flash2 refuses is refused, whatever would run in its place.
  auto run = open_model_run(a.run);
  if (!run) return print_refusal(run.error(), json);
  const auto error = refuse_prompt(*run, run->tokens.size() + a.max_tokens);
  if (error) return print_refusal({ExitCode::usage, "bad-tokens", *error}, json);
  if (shortfall->fallback != Fallback::none) {
    run->path.attention = forward::AttentionKernel::naive;
    fmt::print(stderr, "refute: warning: cuda was asked for, naive ran on the CPU ({}: {})\n",
               to_string(shortfall->fallback), shortfall->reason);
  }
  const auto report = forward::decode(run->model, run->path, run->tokens, a.max_tokens);
  if (!report) return print_refusal({ExitCode::no_verdict, "failed", report.error()}, json);
  fmt::print("{}", json ? json::dump_pretty(report_value(*report, *run, *shortfall))
                        : report_text(*report, *run));
  if (report->end != forward::DecodeEnd::non_finite) return static_cast<int>(ExitCode::ok);
  fmt::print(stderr, "refute: {} of the logits after token {} are NaN or infinite\n",
             report->non_finite, run->tokens.size() + report->steps.size());
  return static_cast<int>(ExitCode::findings);
}

std::function<int()> attach(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  add_model_run_options(app, a->run);
  app.add_option("--max-tokens", a->max_tokens, "how many to decode")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}));
  app.add_option("--device", a->device, "auto, cpu or cuda")->capture_default_str();
  app.add_flag("--allow-fallback", a->allow_fallback,
               "run naive on the CPU where the device is not there, and say so");
  return [a] { return run_command(*a); };
}

}  // namespace

extern const Command kDecodeCommand;
const Command kDecodeCommand = {
    "decode",
    "Decode greedily, with the five most likely tokens of each step and the margin between them.",
    "  refute decode tiny.gguf --tokens 1,5,9 --max-tokens 8\n"
    "  refute decode model/ --prompt 'The capital of' --max-tokens 4\n"
    "  refute decode model/ --tokens 1,5,9 --path fast --attn flash2 --json",
    attach,
};

}  // namespace refute::cli
