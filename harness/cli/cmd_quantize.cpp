#include <algorithm>
#include <bit>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/cli/command.hpp"
#include "harness/cli/cuda_presence.hpp"
#include "harness/cli/device_gate.hpp"
#include "harness/cli/model_output.hpp"
#include "harness/cli/quantize_messages.hpp"
#include "harness/instruments/glob.hpp"
#include "harness/instruments/quantize.hpp"
#include "harness/model/near_miss.hpp"
#include "harness/tensor/text.hpp"

namespace refute::cli {
namespace {

using instruments::QuantizeOptions;
using instruments::QuantizePlan;
using kernels::Fp8Granularity;

constexpr std::size_t kLargestBlock = 1u << 16;

struct Arguments {
  std::string input, output, format, scale, device;
  std::size_t block = 0;
  std::vector<std::string> keep, drop;
  bool force = false, fallback = false;
  unsigned jobs = 0;
};

int usage(const std::string& message) {
  return fail(ExitCode::usage, {message, "see refute quantize --help"});
}

std::string unknown_format(const std::string& name) {
  const auto& names = instruments::quantize_target_names();
  const std::string near = near_miss(name, names);
  return fmt::format("--format {}: wants {}{}", name, fmt::join(names, ", "),
                     near.empty() ? "" : "; " + did_you_mean(near));
}

bool is_fp8(const QuantizeOptions& options) {
  return std::holds_alternative<kernels::Fp8Format>(options.target);
}

/// --scale and --block speak of FP8 alone. The text is what is wrong with them.
std::optional<std::string> read_scale(const Arguments& a, QuantizeOptions& options) {
  const bool given = !a.scale.empty() || a.block != 0;
  if (given && !is_fp8(options)) return "--scale and --block are for fp8-e4m3 and fp8-e5m2";
  if (a.scale == "channel") options.granularity = Fp8Granularity::channel;
  if (a.scale == "block") options.granularity = Fp8Granularity::block;
  if (!a.scale.empty() && a.scale != "tensor" && options.granularity == Fp8Granularity::tensor)
    return fmt::format("--scale {}: wants tensor, channel or block", a.scale);
  if (a.block == 0) return std::nullopt;
  if (options.granularity != Fp8Granularity::block) return "--block goes with --scale block";
  // Any other size could not be told from the scales' shape by whoever reads the file.
  if (!std::has_single_bit(a.block) || a.block > kLargestBlock)
    return fmt::format("--block {}: wants a power of two up to {}", a.block, kLargestBlock);
  options.block = a.block;
  return std::nullopt;
}

std::size_t source_bytes(const tensor::ModelFile& model) {
  std::size_t bytes = 0;
  for (const auto& tensor : model.tensors())
    bytes += tensor.bytes.size() + tensor.scales.bytes.size();
  return bytes;
}

/// The file is there, but a tensor of which nothing is left is a finding.
ExitCode exit_of(const std::vector<instruments::FlushedTensor>& flushed) {
  const bool gone =
      std::ranges::any_of(flushed, [](const auto& tensor) { return tensor.losses.whole(); });
  return gone ? ExitCode::findings : ExitCode::ok;
}

/// Where FP8 and NF4 go, and ggml's formats.
std::string ending_of(const QuantizeOptions& options) {
  return std::holds_alternative<kernels::GgmlFormat>(options.target) ? ".gguf" : ".safetensors";
}

int write_quantized(const Arguments& a, const tensor::ModelFile& model, const QuantizePlan& plan) {
  const std::string format = to_string(plan.options.target);
  const std::string path =
      !a.output.empty() ? a.output : name_beside(a.input, format, ending_of(plan.options));
  auto file = open_output(model, path, a.force);
  if (!file) return fail(ExitCode::usage, file.error());
  tell_kept(plan);
  std::vector<instruments::FlushedTensor> flushed;
  const int status = write_model(model, *std::move(file), a.jobs,
                                 [&](const instruments::BatchOptions& batches, auto& to) {
                                   auto done = instruments::quantize(model, plan, batches, to);
                                   flushed = std::move(done.flushed);
                                   return std::move(done.failure);
                                 });
  if (status != 0) return status;
  tell_flushed(flushed);
  fmt::print("{}: {}, {} of tensors became {}{}\n", tensor::escaped(path), quantized_text(plan),
             show_bytes(source_bytes(model)), show_bytes(plan.layout.size),
             flushed_summary(flushed));
  return static_cast<int>(exit_of(flushed));
}

bool has_fallback(const instruments::QuantizeTarget& target) {
  const auto* ggml = std::get_if<kernels::GgmlFormat>(&target);
  return ggml && instruments::fallback_format(*ggml, 1);
}

/// A glob that matches no tensor was meant otherwise.
std::optional<Error> idle_glob(const tensor::ModelFile& model, std::string_view option,
                               const std::vector<std::string>& globs) {
  std::vector<std::string> names;
  for (const auto& tensor : model.tensors()) names.push_back(tensor.name);
  for (const std::string& glob : globs) {
    if (const auto problem = instruments::glob_problem(glob))
      return Error{fmt::format("{} {}: {}", option, glob, *problem), ""};
    const bool used = std::ranges::any_of(
        names, [&](const std::string& name) { return instruments::glob_matches(glob, name); });
    if (!used) {
      return Error{fmt::format("{} {}: no tensor of {} is called that", option, glob, model.path()),
                   did_you_mean(near_miss(glob, names))};
    }
  }
  return std::nullopt;
}

int run_quantize(const Arguments& a) {
  const auto target = instruments::quantize_target(a.format);
  if (!target) return usage(unknown_format(a.format));
  QuantizeOptions options{
      .target = *target, .keep = a.keep, .fallback = a.fallback, .drop = a.drop};
  if (a.fallback && !has_fallback(*target))
    return usage("--fallback is for q2_k to q6_k, whose blocks are 256 values long");
  if (const auto problem = read_scale(a, options)) return usage(*problem);
  if (const auto wrong = wrong_ending(a.output, to_string(*target), ending_of(options)))
    return fail(ExitCode::usage, *wrong);
  if (!a.device.empty() && a.device != "cpu" && a.device != "cuda")
    return usage(fmt::format("--device {}: wants cpu or cuda", a.device));
  if (a.device == "cuda") {
    const DeviceRefusal refusal = cuda_refusal(is_fp8(options), a.format,
                                               std::getenv("REFUTE_CUDA_SM_OVERRIDE"), find_cuda());
    return fail(refusal.code, {refusal.message, ""});
  }
  auto model = tensor::ModelFile::open(a.input);
  if (!model) return fail(ExitCode::usage, model.error());
  for (const auto& [option, globs] : {std::pair("--keep", &a.keep), std::pair("--drop", &a.drop)}) {
    if (const auto problem = idle_glob(*model, option, *globs))
      return fail(ExitCode::usage, *problem);
  }
  const auto plan = plan_quantize(*model, options);
  if (!plan) return fail(ExitCode::usage, plan.error());
  if (plan->quantized == 0) {
    tell_kept(*plan);
    return fail(ExitCode::nothing_selected,
                {a.input + ": there is nothing in it to quantise", "nothing was written"});
  }
  return write_quantized(a, *model, *plan);
}

std::function<int()> attach(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  app.add_option("input", a->input,
                 "A safetensors or GGUF file, an index of shards, or the folder of one")
      ->required()
      ->type_name("IN");
  app.add_option("--format", a->format,
                 fmt::format("{}", fmt::join(instruments::quantize_target_names(), ", ")))
      ->required();
  app.add_option("-o,--output", a->output,
                 "Where it goes; beside the input without it. FP8 and NF4 make safetensors, the "
                 "others GGUF")
      ->type_name("OUT");
  app.add_option("--scale", a->scale, "FP8: one scale per tensor (default), channel or block");
  app.add_option("--block", a->block, "FP8 by block: values along a row that share a scale (128)");
  app.add_option("--keep", a->keep, "Leave tensors of this name alone; * and ? match (repeatable)")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  app.add_option("--drop", a->drop, "Leave tensors of this name out of the result (repeatable)")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  app.add_flag("--fallback", a->fallback,
               "K formats: rows that are no multiple of 256 take a format of blocks of 32, as "
               "llama.cpp does it");
  app.add_option("--device", a->device, "cpu (default) or cuda");
  app.add_option("-j,--jobs", a->jobs, "Threads; the result does not depend on them")
      ->check(CLI::Range(0u, 1024u));
  app.add_flag("--force", a->force, "Replace the output if it is there");
  return [a] { return run_quantize(*a); };
}

}  // namespace

extern const Command kQuantizeCommand;
const Command kQuantizeCommand = {
    "quantize",
    "Quantise the weights of a model file to FP8, NF4 or one of ggml's formats.",
    "  refute quantize model.safetensors --format q4_k\n"
    "  refute quantize model/ --format fp8-e4m3 --scale block -o model-fp8.safetensors\n"
    "  refute quantize model.gguf --format nf4 --keep '*.ffn_down.*'",
    attach,
};

}  // namespace refute::cli
