#include "harness/forward/execution_path.hpp"

#include <fmt/format.h>

#include "harness/instruments/parity.hpp"
#include "kernels/decoder.hpp"

namespace refute::forward {
namespace {

std::string attention_name(const ExecutionPath& path) {
  const char* backend = path.is_fast() ? "cpu_simd" : "cpu_scalar";
  switch (path.attention) {
    case AttentionKernel::naive:
      return fmt::format("attention: naive, {}", path.is_fast() ? "f32 in 16 lanes" : "f64");
    case AttentionKernel::flash2:
      return fmt::format("attention: {}, {} f32", instruments::flash2_source(), backend);
  }
  return "";
}

}  // namespace

std::optional<PathRefusal> refuse_path(const ExecutionPath& path, const DecoderModel& model) {
  if (path.name == PathName::reference && model.quantised()) {
    return PathRefusal{"quantised-weights",
                       {fmt::format("{}: path reference needs the weights as they were trained, "
                                    "and these are {}",
                                    model.path(), model.weight_types()),
                        "use --path reference-dequant, or name the original model"}};
  }
  if (path.is_fast() && !kernels::openblas().found) {
    return PathRefusal{"no-openblas",
                       {"path fast needs OpenBLAS: " + kernels::openblas().why,
                        "install libopenblas0, or use --path reference"}};
  }
  const std::size_t head_dim = model.config().head_dim;
  if (path.attention == AttentionKernel::flash2 && !kernels::flash2_supports(head_dim)) {
    return PathRefusal{
        "unsupported-head-dim",
        {fmt::format("unsupported-head-dim: flash2 has no kernel for head_dim {}", head_dim),
         "it has 64 and 128; --attn naive takes any"}};
  }
  return std::nullopt;
}

PathName oracle_of(const DecoderModel& model) {
  return model.quantised() ? PathName::reference_dequant : PathName::reference;
}

tensor::CapturePath describe(const ExecutionPath& path, const DecoderModel& model) {
  tensor::CapturePath d;
  d.name = to_string(path.name);
  d.attention = to_string(path.attention);
  d.backend = "cpu";
  d.kernels.push_back(
      path.is_fast() ? fmt::format("linear: {}, {} threads", kernels::openblas().name, path.threads)
                     : "linear: f64 in 8 lanes");
  d.kernels.push_back(attention_name(path));
  d.kernels.push_back(path.is_fast() ? "norm, rope, silu: f32" : "norm, rope, silu: f64");
  d.weight_dtype = model.weight_types();
  d.activation_dtype = "F32";
  d.accumulate_dtype = path.is_fast() ? "F32" : "F64";
  return d;
}

bool has_stage(tensor::Stage stage, const DecoderConfig& config, AttentionKernel attention) {
  using tensor::Stage;
  if (stage == Stage::qkv_bias) return config.qkv_bias;
  if (stage == Stage::q_norm || stage == Stage::k_norm) return config.qk_norm();
  const bool materialised = stage == Stage::attn_scores || stage == Stage::attn_softmax;
  if (materialised) return attention == AttentionKernel::naive;
  return true;
}

}  // namespace refute::forward
