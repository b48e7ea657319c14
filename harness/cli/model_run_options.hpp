#pragma once

// What the commands that run a model share: its tokens, the path and the attention.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/forward/execution_path.hpp"
#include "harness/model/exit_code.hpp"
#include "harness/model/result.hpp"
#include "harness/model/value.hpp"
#include "harness/tokenizer/bpe.hpp"

namespace CLI {
class App;
}

namespace refute::cli {

struct ModelRunOptions {
  std::string model, tokens, prompt, path = "auto", attention = "naive", format = "text";
  unsigned jobs = 0;
  std::uint64_t memory_mib = 8192;
  bool json = false;

  bool as_json() const { return json || format == "json"; }
};

void add_model_run_options(CLI::App& app, ModelRunOptions& options);

/// "1,2,3": decimal, spaces around them allowed; at most a million.
Result<std::vector<std::uint32_t>> parse_tokens(const std::string& text);

struct ModelRun {
  forward::DecoderModel model;
  std::vector<std::uint32_t> tokens;
  forward::ExecutionPath path;
  std::optional<tokenizer::BpeTables> tokenizer;  ///< where the prompt was a text
};

/// Why a command does not run: printed on stderr, and with --json as a record on stdout too.
struct ModelRefusal {
  ExitCode exit = ExitCode::usage;
  std::string code;  ///< one word for machines
  Error error;
};

/// Opens the model and decides the path; --path auto is the oracle of the model. Refuses what the
/// path cannot run.
Result<ModelRun, ModelRefusal> open_model_run(const ModelRunOptions& options);

int print_refusal(const ModelRefusal& refusal, bool json);

/// attn_impl, kernel_source where flash2 ran, path and its fingerprint.
void set_path_members(Value& record, const ModelRun& run);

}  // namespace refute::cli
