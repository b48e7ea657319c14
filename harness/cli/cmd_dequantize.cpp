#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "harness/cli/command.hpp"
#include "harness/cli/model_output.hpp"
#include "harness/instruments/dequantize.hpp"
#include "harness/tensor/text.hpp"

namespace refute::cli {
namespace {

using instruments::DequantizePlan;
using instruments::FloatContainer;
using tensor::DType;

struct Arguments {
  std::string input, output, dtype = "f32";
  bool force = false;
  unsigned jobs = 0;
};

std::optional<DType> float_type(const std::string& name) {
  if (name == "f32") return DType::f32;
  if (name == "f16") return DType::f16;
  if (name == "bf16") return DType::bf16;
  return std::nullopt;
}

std::optional<FloatContainer> container_of(const std::string& path) {
  const auto extension = std::filesystem::path(path).extension();
  if (extension == ".safetensors") return FloatContainer::safetensors;
  if (extension == ".npz") return FloatContainer::npz;
  if (extension == ".npy") return FloatContainer::npy;
  return std::nullopt;
}

int write_floats(const Arguments& a, const std::string& path, const tensor::ModelFile& model,
                 const DequantizePlan& plan) {
  auto file = open_output(model, path, a.force);
  if (!file) return fail(ExitCode::usage, file.error());
  const int status = write_model(model, *std::move(file), a.jobs,
                                 [&](const instruments::BatchOptions& batches, auto& to) {
                                   return instruments::dequantize(model, plan, batches, to);
                                 });
  if (status != 0) return status;
  fmt::print("{}: {} tensors, {}\n", tensor::escaped(path), plan.steps.size(),
             show_bytes(plan.size));
  // The rest is whole, but somebody who asked for the model did not get all of it.
  return static_cast<int>(plan.left_out.empty() ? ExitCode::ok : ExitCode::findings);
}

int run_dequantize(const Arguments& a) {
  const auto type = float_type(a.dtype);
  if (!type)
    return fail(ExitCode::usage, {fmt::format("--dtype {}: wants f32, f16 or bf16", a.dtype), ""});
  const std::string path =
      !a.output.empty() ? a.output : name_beside(a.input, a.dtype, ".safetensors");
  const auto container = container_of(path);
  if (!container)
    return fail(ExitCode::usage, {path + ": its extension does not say what to write",
                                  "end it with .safetensors, .npz or .npy"});
  auto model = tensor::ModelFile::open(a.input);
  if (!model) return fail(ExitCode::usage, model.error());
  const auto plan = plan_dequantize(*model, *container, *type);
  if (!plan) return fail(ExitCode::usage, plan.error());
  for (const auto* left_out : plan->left_out) {
    fmt::print(stderr, "refute: tensor '{}' is left out: type {} cannot be read here\n",
               tensor::printable(left_out->name), to_string(left_out->type));
  }
  if (plan->steps.empty()) {
    return fail(ExitCode::nothing_selected,
                {a.input + ": there is nothing in it to dequantise", "nothing was written"});
  }
  return write_floats(a, path, *model, *plan);
}

std::function<int()> attach(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  app.add_option("input", a->input,
                 "A safetensors or GGUF file, an index of shards, or the folder of one")
      ->required()
      ->type_name("IN");
  app.add_option("-o,--output", a->output,
                 "Where it goes, as .safetensors, .npz or .npy; beside the input without it")
      ->type_name("OUT");
  app.add_option("--dtype", a->dtype, "What floats become: f32, f16 or bf16")
      ->capture_default_str();
  app.add_option("-j,--jobs", a->jobs, "Threads; the result does not depend on them")
      ->check(CLI::Range(0u, 1024u));
  app.add_flag("--force", a->force, "Replace the output if it is there");
  return [a] { return run_dequantize(*a); };
}

}  // namespace

extern const Command kDequantizeCommand;
const Command kDequantizeCommand = {
    "dequantize",
    "Write a model's tensors as plain floats.",
    "  refute dequantize model.q4_k.gguf\n"
    "  refute dequantize model-fp8.safetensors -o weights.npz\n"
    "  refute dequantize model.gguf --dtype bf16 -o model.safetensors",
    attach,
};

}  // namespace refute::cli
