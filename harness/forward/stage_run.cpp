#include "harness/forward/stage_run.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "harness/forward/flash2_stage.hpp"
#include "harness/forward/stage_kernels.hpp"

namespace refute::forward {
namespace {

using enum Stage;
using kernels::CausalShape;
using kernels::RopeShape;
using Floats = std::span<const float>;

/// One unit at work: its inputs, weights and output.
class Unit {
 public:
  Unit(StageAt at, const DecoderModel& model, const ExecutionPath& path, Activations& acts)
      : at_(at),
        model_(model),
        c_(model.config()),
        path_(path),
        k_(path.is_fast() ? kFastKernels : kReferenceKernels),
        acts_(acts),
        inputs_(stage_inputs(at, c_, path.attention)) {}

  std::optional<Error> run() {
    std::size_t size = 1;
    for (const std::size_t extent : stage_shape(at_.stage, c_, acts_.tokens.size(), acts_.past)) {
      size *= extent;
    }
    std::vector<float>& out = acts_.slot(at_.stage);
    out.resize(size);
    if (at_.layer != tensor::kWholeModel && at_.stage != embedding) {
      const auto weights = model_.layer(at_.layer);
      if (!weights) return weights.error();
      w_ = *weights;
    }
    return compute(out);
  }

 private:
  Floats in(std::size_t i = 0) const { return acts_.slot(inputs_[i].stage); }
  Floats weight(LayerWeight w) const { return (*w_)[w]; }
  std::size_t tokens() const { return acts_.tokens.size(); }

  void linear(Floats x, LayerWeight w, std::size_t outputs, std::span<float> out,
              std::size_t stride) const {
    k_.linear({tokens(), x.size() / tokens(), outputs, stride}, x, weight(w), out, path_.threads);
  }
  void linear(LayerWeight w, std::span<float> out) const {
    const std::size_t outputs = out.size() / tokens();
    linear(in(), w, outputs, out, outputs);
  }

  void qkv(std::span<float> out) const {
    const std::size_t stride = c_.qkv_width(), q = c_.q_width(), kv = c_.kv_width();
    linear(in(), LayerWeight::q, q, out, stride);
    linear(in(), LayerWeight::k, kv, out.subspan(q), stride);
    linear(in(), LayerWeight::v, kv, out.subspan(q + kv), stride);
  }

  void bias(std::span<float> out) const {
    std::vector<float> joined;
    for (const LayerWeight w : {LayerWeight::q_bias, LayerWeight::k_bias, LayerWeight::v_bias}) {
      joined.insert(joined.end(), weight(w).begin(), weight(w).end());
    }
    k_.add_bias(in(), joined, out);
  }

  /// The part of each token's row in qkv that belongs to the heads, normalised head by head.
  void head_norm(std::size_t offset, LayerWeight w, std::span<float> out) const {
    const std::size_t width = out.size() / tokens(), stride = c_.qkv_width();
    for (std::size_t t = 0; t < tokens(); ++t) {
      k_.rmsnorm(in().subspan(t * stride + offset, width), weight(w), c_.rms_epsilon,
                 out.subspan(t * width, width));
    }
  }

  void rope(std::size_t heads, std::size_t offset, std::span<float> out) const {
    const bool from_qkv = !c_.qk_norm();
    const std::size_t stride = from_qkv ? c_.qkv_width() : heads * c_.head_dim;
    k_.rope({tokens(), heads, stride}, acts_.angles, in().subspan(from_qkv ? offset : 0), out);
  }

  CausalShape causal() const {
    return {.tokens = tokens(),
            .keys = acts_.keys(),
            .capacity = acts_.cache.capacity(),
            .heads = c_.heads,
            .kv_heads = c_.kv_heads,
            .head_dim = c_.head_dim,
            .scale = 1 / std::sqrt(static_cast<double>(c_.head_dim))};
  }

  /// The keys of all tokens, with those at hand taken from the slot.
  Floats keys(std::size_t input) const {
    const auto all = acts_.cache.keys(at_.layer);
    acts_.cache.put(all, acts_.past, in(input), c_.kv_width());
    return all;
  }
  Floats values(std::size_t input) const {
    const auto all = acts_.cache.values(at_.layer);
    const Floats rows = in(input).subspan(c_.q_width() + c_.kv_width());
    acts_.cache.put(all, acts_.past, rows, c_.qkv_width());
    return all;
  }

  void attention(std::span<float> out) const {
    switch (path_.attention) {
      case AttentionKernel::naive:
        return k_.attention_mix(causal(), in(0), values(1), out, path_.threads);
      case AttentionKernel::flash2:
        return flash2_stage(causal(), path_, in(0), keys(1), values(2), out);
    }
  }

  std::optional<Error> norm_of_all(std::span<float> out) const {
    const auto weight = model_.final_norm();
    if (!weight) return weight.error();
    k_.rmsnorm(in(), *weight, c_.rms_epsilon, out);
    return std::nullopt;
  }

  std::optional<Error> logits(std::span<float> out) const {
    const auto head = model_.head();
    if (!head) return head.error();
    const Floats last = in().last(c_.hidden);
    k_.linear({1, c_.hidden, c_.vocab, c_.vocab}, last, *head, out, path_.threads);
    return std::nullopt;
  }

  std::optional<Error> compute(std::span<float> out) const {
    switch (at_.stage) {
      case embedding:
        return model_.embed(acts_.tokens, out);
      case final_norm:
        return norm_of_all(out);
      case lm_head:
        return logits(out);
      default:
        compute_in_layer(out);
        return std::nullopt;
    }
  }

  void compute_in_layer(std::span<float> out) const {
    switch (at_.stage) {
      case attn_norm:
        return k_.rmsnorm(in(), weight(LayerWeight::attn_norm), c_.rms_epsilon, out);
      case qkv_matmul:
        return qkv(out);
      case qkv_bias:
        return bias(out);
      case q_norm:
        return head_norm(0, LayerWeight::q_norm, out);
      case k_norm:
        return head_norm(c_.q_width(), LayerWeight::k_norm, out);
      case q_post_rope:
        return rope(c_.heads, 0, out);
      case k_post_rope:
        return rope(c_.kv_heads, c_.q_width(), out);
      case attn_scores:
        return k_.attention_scores(causal(), in(0), keys(1), out, path_.threads);
      case attn_softmax:
        return k_.attention_softmax(causal(), in(), out, path_.threads);
      case Stage::attention:
        return attention(out);
      case attn_out:
        return linear(LayerWeight::o, out);
      case ffn_norm:
        return k_.rmsnorm(in(), weight(LayerWeight::ffn_norm), c_.rms_epsilon, out);
      case ffn_gate:
        return linear(LayerWeight::gate, out);
      case ffn_up:
        return linear(LayerWeight::up, out);
      case ffn_silu:
        return k_.silu(in(), out);
      case ffn_swigl:
        return k_.multiply(in(0), in(1), out);
      case ffn_out:
        return linear(LayerWeight::down, out);
      case post_attn_residual:
      case post_ffn_residual:
        return k_.add(in(0), in(1), out);
      case embedding:
      case final_norm:
      case lm_head:
        assert(false);
    }
  }

  StageAt at_;
  const DecoderModel& model_;
  const DecoderConfig& c_;
  const ExecutionPath& path_;
  const StageKernels& k_;
  Activations& acts_;
  std::vector<StageAt> inputs_;
  const LayerWeights* w_ = nullptr;
};

}  // namespace

void Activations::begin(const DecoderModel& model, std::span<const std::uint32_t> next,
                        std::size_t position) {
  tokens = next;
  past = position;
  const std::vector<double>& frequencies = model.frequencies();
  angles.half = frequencies.size();
  angles.cos.resize(next.size() * angles.half);
  angles.sin.resize(next.size() * angles.half);
  for (std::size_t t = 0; t < next.size(); ++t) {
    for (std::size_t i = 0; i < angles.half; ++i) {
      const double angle = static_cast<double>(position + t) * frequencies[i];
      angles.cos[t * angles.half + i] = std::cos(angle);
      angles.sin[t * angles.half + i] = std::sin(angle);
    }
  }
}

std::optional<Error> run_stage(StageAt at, const DecoderModel& model, const ExecutionPath& path,
                               Activations& acts) {
  return Unit(at, model, path, acts).run();
}

}  // namespace refute::forward
