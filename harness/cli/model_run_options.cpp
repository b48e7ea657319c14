#include "harness/cli/model_run_options.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "harness/forward/model_tokenizer.hpp"
#include "harness/instruments/parity.hpp"
#include "harness/json/json.hpp"
#include "harness/model/near_miss.hpp"
#include "harness/tensor/text.hpp"

namespace refute::cli {
namespace {

using forward::AttentionKernel;
using forward::ExecutionPath;
using forward::PathName;

constexpr std::size_t kMostTokens = 1'000'000;

template <std::size_t kCount>
Result<std::size_t> choice(const char* option, const std::string& word,
                           const std::array<std::string_view, kCount>& names) {
  const auto at = std::ranges::find(names, word);
  if (at != names.end()) return static_cast<std::size_t>(at - names.begin());
  const std::string near = near_miss(word, std::span<const std::string_view>(names));
  return Error{fmt::format("{} {}: wants one of {}", option, tensor::printable(word),
                           fmt::join(names, ", ")),
               did_you_mean(near)};
}

Result<ExecutionPath> path_of(const ModelRunOptions& o, const forward::DecoderModel& model) {
  constexpr std::array<std::string_view, 4> kPaths = {"auto", "reference", "reference-dequant",
                                                      "fast"};
  const auto name = choice("--path", o.path, kPaths);
  if (!name) return name.error();
  const auto attention = choice("--attn", o.attention, instruments::kAttentionKernelNames);
  if (!attention) return attention.error();
  return ExecutionPath{*name == 0 ? forward::oracle_of(model) : static_cast<PathName>(*name - 1),
                       static_cast<AttentionKernel>(*attention),
                       o.jobs != 0 ? o.jobs : std::max(1u, std::thread::hardware_concurrency())};
}

ModelRefusal bad_option(const Error& error) {
  return {ExitCode::usage, "bad-option", error};
}

}  // namespace

void add_model_run_options(CLI::App& app, ModelRunOptions& o) {
  app.add_option("MODEL", o.model, "GGUF file, or folder with config.json and safetensors")
      ->required();
  CLI::Option* tokens = app.add_option("--tokens", o.tokens, "token ids: 1,2,3");
  app.add_option("--prompt", o.prompt, "text, by the tokenizer that came with the model")
      ->excludes(tokens);
  app.add_option("--path", o.path,
                 "reference, reference-dequant, fast; auto is the reference that fits the weights")
      ->capture_default_str();
  app.add_option("--attn", o.attention, "naive or flash2")->capture_default_str();
  app.add_option("-j,--jobs", o.jobs, "threads; no figure of the references depends on them")
      ->check(CLI::Range(0u, 1024u));
  app.add_option("--memory-mib", o.memory_mib,
                 "for dequantised weights to be kept; more are dequantised anew each time")
      ->capture_default_str()
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 30));
  app.add_option("--format", o.format, "text or json")->capture_default_str();
  app.add_flag("--json", o.json, "short for --format json");
}

Result<std::vector<std::uint32_t>> parse_tokens(const std::string& text) {
  std::vector<std::uint32_t> tokens;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string_view word = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    std::uint32_t token = 0;
    const auto [at, failed] = std::from_chars(word.data(), word.data() + word.size(), token);
    if (word.empty() || failed != std::errc() || at != word.data() + word.size()) {
      return Error{fmt::format("--tokens: '{}' is no token id", tensor::printable(word)),
                   "write decimal ids with commas between them: 1,2,3"};
    }
    tokens.push_back(token);
    if (tokens.size() > kMostTokens) return Error{"--tokens: more than a million", ""};
  }
  return tokens;
}

Result<ModelRun, ModelRefusal> open_model_run(const ModelRunOptions& o) {
  if (o.format != "text" && o.format != "json") {
    return bad_option({"--format wants text or json", ""});
  }
  if (o.tokens.empty() == o.prompt.empty()) {
    return bad_option({"there is nothing to run on", "give --tokens 1,2,3 or --prompt TEXT"});
  }
  forward::DecoderOptions options;
  options.resident_bytes = static_cast<std::size_t>(o.memory_mib) << 20;
  options.threads = o.jobs != 0 ? o.jobs : std::max(1u, std::thread::hardware_concurrency());
  auto model = forward::DecoderModel::open(o.model, options);
  if (!model) return ModelRefusal{ExitCode::usage, "bad-model", model.error()};
  std::optional<tokenizer::BpeTables> tokenizer;
  if (!o.prompt.empty()) {
    auto read = forward::tokenizer_of(*model);
    if (!read) return ModelRefusal{ExitCode::usage, "no-tokenizer", read.error()};
    tokenizer = *std::move(read);
  }
  auto tokens = tokenizer ? encode(*tokenizer, o.prompt) : parse_tokens(o.tokens);
  if (!tokens) return bad_option(tokens.error());
  const auto path = path_of(o, *model);
  if (!path) return bad_option(path.error());
  if (const auto refusal = forward::refuse_path(*path, *model)) {
    // A head_dim that a kernel refuses is a finding about the model; the rest is how it was asked.
    const bool finding = refusal->code == "unsupported-head-dim";
    return ModelRefusal{finding ? ExitCode::findings : ExitCode::usage, refusal->code,
                        refusal->error};
  }
  return ModelRun{*std::move(model), *std::move(tokens), *path, std::move(tokenizer)};
}

int print_refusal(const ModelRefusal& refusal, bool json) {
  fmt::print(stderr, "refute: {}\n", refusal.error.what);
  if (!refusal.error.hint.empty()) fmt::print(stderr, "  {}\n", refusal.error.hint);
  if (json) {
    fmt::print("{}", json::dump_pretty(Value::Map{{"error", refusal.code},
                                                  {"message", refusal.error.what},
                                                  {"hint", refusal.error.hint}}));
  }
  return static_cast<int>(refusal.exit);
}

void set_path_members(Value& record, const ModelRun& run) {
  const tensor::CapturePath path = forward::describe(run.path, run.model);
  Value kernels = Value::List{};
  for (const std::string& kernel : path.kernels) kernels.push(kernel);
  record.set("path", path.name);
  record.set("path_fingerprint", path_fingerprint(path).text);
  record.set("kernels", kernels);
  record.set("weight_dtype", path.weight_dtype);
  record.set("attn_impl", path.attention);
  if (run.path.attention == AttentionKernel::flash2) {
    record.set("kernel_source", instruments::flash2_source());
  }
}

}  // namespace refute::cli
