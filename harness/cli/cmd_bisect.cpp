// bisect: which operation of a decoder is wrong, or whether what is seen is noise.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "harness/cli/command.hpp"
#include "harness/cli/model_run_options.hpp"
#include "harness/forward/model_tokenizer.hpp"
#include "harness/instruments/bisect/report.hpp"
#include "harness/json/json.hpp"
#include "harness/pipeline/judge/file_text.hpp"

namespace refute::cli {
namespace {

using bisect::CapturedRun;
using bisect::End;
using bisect::Report;
using forward::DecoderModel;

struct Arguments {
  std::vector<std::string> what;  ///< MODEL, or two captures, or all three
  std::string good, bad, original, tokens, prompt, svg, format = "text";
  std::optional<std::uint32_t> says;
  std::size_t max_tokens = 4, replicas = 4;
  const CLI::Option* max_tokens_option = nullptr;
  unsigned jobs = 0;
  std::uint64_t memory_mib = 8192;
  bool json = false, all = false;

  bool as_json() const { return json || format == "json"; }
  bool of_captures() const { return what.size() > 1; }
  unsigned threads() const {
    return jobs != 0 ? jobs : std::max(1u, std::thread::hardware_concurrency());
  }
};

ModelRefusal bad_option(std::string what, std::string hint) {
  return {ExitCode::usage, "bad-option", {std::move(what), std::move(hint)}};
}

/// Options that do not belong together.
std::optional<ModelRefusal> refuse_mix(const Arguments& a) {
  if (a.format != "text" && a.format != "json")
    return bad_option("--format wants text or json", "");
  if (a.of_captures()) {
    if (!a.good.empty() || !a.bad.empty()) {
      return bad_option("captures have run already: --good and --bad are for a MODEL alone",
                        "name two captures, or one MODEL with --good and --bad");
    }
    if (!a.tokens.empty() || !a.prompt.empty()) {
      return bad_option(
          "captures have tokens of their own: --tokens and --prompt are for a MODEL "
          "alone",
          "");
    }
    if (a.max_tokens_option->count() != 0) {
      return bad_option("captures are of one step: --max-tokens is for a MODEL alone", "");
    }
    if (a.what.size() == 2 && !a.original.empty()) {
      return bad_option("--original needs MODEL before the two captures",
                        "refute bisect MODEL GOOD BAD --original ORIGINAL");
    }
    return std::nullopt;
  }
  if (a.bad.empty()) {
    return bad_option("a MODEL alone needs the path that is in doubt",
                      "--bad fast; or name two captures after it");
  }
  if (a.tokens.empty() == a.prompt.empty()) {
    return bad_option("there is nothing to run on", "give --tokens 1,2,3 or --prompt TEXT");
  }
  return std::nullopt;
}

Result<DecoderModel, ModelRefusal> open_model(const Arguments& a, const std::string& path) {
  auto model =
      DecoderModel::open(path, {.resident_bytes = static_cast<std::size_t>(a.memory_mib) << 20,
                                .threads = a.threads(),
                                .config_of = a.original});
  if (!model) return ModelRefusal{ExitCode::usage, "bad-model", model.error()};
  return *std::move(model);
}

/// MODEL and --original, as far as they are named.
struct Models {
  std::optional<DecoderModel> model, original;
};

std::optional<ModelRefusal> open_models(const Arguments& a, Models& models) {
  if (a.what.size() != 2) {
    auto model = open_model(a, a.what[0]);
    if (!model) return model.error();
    models.model = *std::move(model);
  }
  if (a.original.empty()) return std::nullopt;
  auto original = open_model(a, a.original);
  if (!original) return original.error();
  models.original = *std::move(original);
  return std::nullopt;
}

Result<std::vector<std::uint32_t>, ModelRefusal> tokens_of(const Arguments& a,
                                                           const DecoderModel& model) {
  if (a.prompt.empty()) {
    auto tokens = parse_tokens(a.tokens);
    if (!tokens) return bad_option(tokens.error().what, tokens.error().hint);
    return *std::move(tokens);
  }
  auto tokenizer = forward::tokenizer_of(model);
  if (!tokenizer) return ModelRefusal{ExitCode::usage, "no-tokenizer", tokenizer.error()};
  auto tokens = encode(*tokenizer, a.prompt);
  if (!tokens) return bad_option(tokens.error().what, tokens.error().hint);
  return *std::move(tokens);
}

Result<End, ModelRefusal> end_of(const char* option, const std::string& text,
                                 const DecoderModel& model, unsigned threads) {
  End end;
  end.model = &model;
  end.path.name = oracle_of(model);
  end.path.threads = threads;
  if (!text.empty()) {
    auto parsed = bisect::parse_end(text, end);
    if (!parsed) {
      return bad_option(fmt::format("{}: {}", option, parsed.error().what), parsed.error().hint);
    }
    end = *std::move(parsed);
  }
  if (const auto refusal = refuse_path(end.path, model)) {
    const bool finding = refusal->code == "unsupported-head-dim";
    return ModelRefusal{finding ? ExitCode::findings : ExitCode::usage,
                        refusal->code,
                        {fmt::format("{}: {}", option, refusal->error.what), refusal->error.hint}};
  }
  return end;
}

/// What could not be run because of how it was asked for, or because a file was changed meanwhile.
ModelRefusal failed(const Error& error, const Models& models) {
  const bool damaged =
      (models.model && models.model->damaged()) || (models.original && models.original->damaged());
  return damaged ? ModelRefusal{ExitCode::no_verdict, "failed", error}
                 : ModelRefusal{ExitCode::usage, "cannot-bisect", error};
}

Result<Report, ModelRefusal> bisect_two_paths(const Arguments& a, const Models& models) {
  bisect::PathRequest request;
  const DecoderModel& good_model = models.original ? *models.original : *models.model;
  auto good = end_of("--good", a.good, good_model, a.threads());
  if (!good) return good.error();
  auto bad = end_of("--bad", a.bad, *models.model, a.threads());
  if (!bad) return bad.error();
  auto tokens = tokens_of(a, *models.model);
  if (!tokens) return tokens.error();
  request.good = *std::move(good);
  request.bad = *std::move(bad);
  request.prompt = *std::move(tokens);
  request.max_tokens = a.max_tokens;
  request.reported = a.says;
  request.replicas = a.replicas;
  auto report = bisect::bisect_paths(request);
  if (!report) return failed(report.error(), models);
  return *std::move(report);
}

Result<Report, ModelRefusal> bisect_two_captures(const Arguments& a, const Models& models) {
  const std::size_t first = a.what.size() - 2;
  std::vector<CapturedRun> runs;
  for (std::size_t i = first; i < a.what.size(); ++i) {
    auto run = CapturedRun::open(a.what[i]);
    if (!run) return ModelRefusal{ExitCode::usage, "bad-capture", run.error()};
    runs.push_back(*std::move(run));
  }
  const bisect::CaptureRequest request = {.good = &runs[0],
                                          .bad = &runs[1],
                                          .model = models.model ? &*models.model : nullptr,
                                          .original = models.original ? &*models.original : nullptr,
                                          .reported = a.says,
                                          .replicas = a.replicas,
                                          .threads = a.threads()};
  auto report = bisect::bisect_captures(request);
  if (!report) return failed(report.error(), models);
  return *std::move(report);
}

int run_command(const Arguments& a) {
  const bool json = a.as_json();
  if (const auto refusal = refuse_mix(a)) return print_refusal(*refusal, json);
  Models models;
  if (const auto refusal = open_models(a, models)) return print_refusal(*refusal, json);
  const auto report =
      a.of_captures() ? bisect_two_captures(a, models) : bisect_two_paths(a, models);
  if (!report) return print_refusal(report.error(), json);
  if (!a.svg.empty()) {
    if (const auto error = pipeline::replace_text(a.svg, bisect::report_svg(*report))) {
      return print_refusal({ExitCode::no_verdict, "not-written", *error}, json);
    }
  }
  fmt::print("{}", json ? json::dump_pretty(bisect::report_value(*report))
                        : bisect::report_text(*report, a.all));
  return static_cast<int>(exit_code(report->verdict.kind));
}

std::function<int()> attach(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  app.add_option("WHAT", a->what, "MODEL, or MODEL GOOD BAD, or GOOD BAD: the last two captures")
      ->required()
      ->expected(1, 3);
  app.add_option("--good", a->good,
                 "path of the good end: reference, reference-dequant, fast, and what differs from "
                 "naive and f32, as in fast+flash2+bf16; without it the reference");
  app.add_option("--bad", a->bad, "path of the end in doubt");
  app.add_option("--original", a->original,
                 "the model before it was quantised: what the good end runs on");
  CLI::Option* tokens = app.add_option("--tokens", a->tokens, "token ids: 1,2,3");
  app.add_option("--prompt", a->prompt, "text, by the tokenizer that came with the model")
      ->excludes(tokens);
  app.add_option("--says", a->says,
                 "token that the failing run gave right after the prompt: it has to come out here");
  a->max_tokens_option = app.add_option("--max-tokens", a->max_tokens,
                                        "how many to decode in search of one that differs")
                             ->capture_default_str()
                             ->check(CLI::Range(std::size_t{1}, std::size_t{100'000}));
  app.add_option("--replicas", a->replicas,
                 "runs with noise of the predicted size, to see what it makes of the decision")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{0}, std::size_t{1000}));
  app.add_option("--svg", a->svg, "write a picture: own and inherited error of every stage");
  app.add_flag("--all", a->all, "show every stage");
  app.add_option("-j,--jobs", a->jobs, "threads")->check(CLI::Range(0u, 1024u));
  app.add_option("--memory-mib", a->memory_mib, "for dequantised weights to be kept, per model")
      ->capture_default_str()
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 30));
  app.add_option("--format", a->format, "text or json")->capture_default_str();
  app.add_flag("--json", a->json, "short for --format json");
  return [a] { return run_command(*a); };
}

}  // namespace

extern const Command kBisectCommand;
const Command kBisectCommand = {
    "bisect",
    "Name the stage of a decoder that is wrong on one path or in one capture, or say that it is "
    "noise.",
    "  refute bisect model/ --bad fast+flash2 --tokens 1,5,9\n"
    "  refute bisect q4.gguf --original model/ --bad fast --tokens 1,5,9 --says 42\n"
    "  refute bisect q4.gguf ours/ theirs/ --svg bisect.svg\n"
    "  refute bisect q4.gguf --original model/ hf/ theirs/",
    attach,
};

}  // namespace refute::cli
