#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "harness/cli/command.hpp"
#include "harness/cli/quant_diff_run.hpp"
#include "harness/cli/stage_diff_run.hpp"
#include "harness/model/exit_code.hpp"

namespace refute::cli {
namespace {

struct Arguments {
  QuantDiffArguments quant;
  StageDiffArguments stages;
  bool values = false;
  bool quant_roundtrip = false, no_threshold = false, json = false;
  double threshold = 0.95;
  const CLI::Option* threshold_option = nullptr;
};

int usage(const std::string& message) {
  fmt::print(stderr, "refute: {}\nRun with --help for usage.\n", message);
  return static_cast<int>(ExitCode::usage);
}

int run_stages(Arguments& a) {
  const QuantDiffArguments& q = a.quant;
  if (!q.match.empty() || !q.map.empty() || !q.svg.empty() || !q.outputs.empty() ||
      a.quant_roundtrip || a.no_threshold || a.threshold_option->count() != 0 || q.thorough) {
    return usage(
        "stages take --tolerance, --relative-tolerance, --across-models, --top, -j and "
        "--json; the other options are for models");
  }
  a.stages.a = q.reference;
  a.stages.b = q.other;
  a.stages.format = q.format.empty() ? "text" : q.format;
  a.stages.top = q.top;
  a.stages.threads = q.threads;
  a.stages.color = q.color;
  return run_stage_diff(a.stages);
}

/// What kind of things are to be compared decides what the comparison is; `--values` and
/// `--quant-roundtrip` say aloud what diff does with such files anyway.
int run_diff(Arguments a) {
  if (a.quant.as.empty() == a.quant.other.empty()) {
    return usage(a.quant.other.empty() ? "diff wants a second model, or --as FORMAT"
                                       : "--as quantises the one model in memory: name no second");
  }
  if (!(std::fabs(a.threshold) <= 1)) return usage("--threshold wants a cosine, from -1 to 1");
  if (!a.no_threshold) a.quant.threshold = a.threshold;
  if (a.json) a.quant.format = "json";
  a.quant.color = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  if (a.quant.as.empty() && are_stages(a.quant.reference, a.quant.other)) return run_stages(a);
  if (a.stages.tolerance || a.stages.relative_tolerance || a.stages.across_models)
    return usage("--tolerance, --relative-tolerance and --across-models are for stages");
  return run_quant_diff(a.quant);
}

std::function<int()> attach(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  QuantDiffArguments& q = a->quant;
  q.threads = std::max(1u, std::thread::hardware_concurrency());
  app.add_option(
         "reference", q.reference,
         "the model that was quantised: .safetensors, .gguf, a folder or an index of shards; or a "
         "stage file of `refute trace`, or a folder of them")
      ->required();
  app.add_option("other", q.other, "what it became, in any of these formats; or the other stages");
  app.add_flag("--values", a->values,
               "compare two stage files value by value (what diff does with them anyway)");
  app.add_option("--tolerance", a->stages.tolerance,
                 "of stages: the largest |difference| that passes; above it the exit is 1");
  app.add_option("--relative-tolerance", a->stages.relative_tolerance,
                 "of stages: the largest relative error that passes, in every row too");
  app.add_flag("--across-models", a->stages.across_models,
               "compare captures of two models of one kind, and say so");
  app.add_flag("--quant-roundtrip", a->quant_roundtrip,
               "compare what quantisation left of each tensor (what diff does with models anyway)");
  app.add_option("--as", q.as,
                 "quantise the one model in memory and compare with that: q4_0 … q6_k, iq4_nl, "
                 "mxfp4, fp8-e4m3, fp8-e5m2, nf4, f16, bf16");
  app.add_option("--scale", q.scale, "of --as fp8-…: tensor (default), channel or block (of 128)")
      ->needs("--as");
  a->threshold_option = app.add_option("--threshold", a->threshold,
                                       "least cosine of a tensor; below it the exit is 1")
                            ->capture_default_str();
  app.add_flag("--no-threshold", a->no_threshold,
               "lift that gate, whatever --threshold says; all other findings stay");
  app.add_flag("--thorough", q.thorough,
               "quantise the reference again in K formats too, which takes several times as long")
      ->excludes("--as");
  app.add_option("--match", q.match,
                 "only tensors whose name, on either side, matches: *, ?, [a-z]");
  app.add_option("--map", q.map, "file of name pairs, the reference's first, one pair a line")
      ->excludes("--as");
  app.add_option("--top", q.top, "only so many rows, and every row with a finding")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 40));
  app.add_option("--format", q.format, "text (default), json, tsv, md or html");
  app.add_flag("--json", a->json, "short for --format json")->excludes("--format");
  app.add_option("--output", q.outputs, "FORMAT=PATH; repeatable")->allow_extra_args(false);
  app.add_option("--svg", q.svg, "write a picture: errors by layer, and their histogram");
  app.add_option("-j,--jobs", q.threads, "threads; the result does not depend on them")
      ->check(CLI::Range(1u, 1024u));
  return [a] { return run_diff(*a); };
}

}  // namespace

extern const Command kDiffCommand;
const Command kDiffCommand = {
    "diff",
    "Say what quantisation cost a model, tensor by tensor, and whether any of it is a bug; or how "
    "far two captures of a model are apart, stage by stage.",
    "  refute diff model.safetensors model-q4_k.gguf --quant-roundtrip\n"
    "  refute diff model.safetensors --as q8_0 --top 10\n"
    "  refute diff a.gguf b.gguf --json | jq -r '.[] | [.tensor, .rmse, .band_verdict] | @tsv'\n"
    "  refute diff a.safetensors b.gguf --output html=diff.html\n"
    "  refute diff a.safetensors b.gguf --format md --svg diff.svg > diff.md\n"
    "  refute diff good/ bad/ --relative-tolerance 1e-5\n"
    "  refute diff good/lm_head.bin bad/lm_head.bin --values --top 5 --tolerance 1e-4",
    attach,
};

}  // namespace refute::cli
