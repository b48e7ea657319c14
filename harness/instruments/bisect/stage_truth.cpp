#include "harness/instruments/bisect/stage_truth.hpp"

#include <cassert>
#include <cmath>

#include "harness/instruments/bisect/truth_attention.hpp"
#include "harness/instruments/bisect/truth_elements.hpp"
#include "harness/instruments/bisect/truth_products.hpp"

namespace refute::bisect {
namespace {

using enum Stage;
using forward::LayerWeight;
using forward::LayerWeights;
using Floats = std::span<const float>;

/// One stage to be computed: which formula, on which inputs and weights.
class Truth {
 public:
  Truth(StageAt at, const DecoderModel& model, AttentionKernel attention,
        const Arithmetic& arithmetic, const StageInputs& inputs, unsigned threads)
      : at_(at),
        model_(model),
        c_(model.config()),
        attention_(attention),
        a_(arithmetic),
        in_(inputs),
        threads_(threads) {}

  Result<StageTruth> compute() {
    if (at_.stage == embedding) return table_rows();
    if (at_.layer != tensor::kWholeModel) {
      const auto weights = model_.layer(at_.layer);
      if (!weights) return weights.error();
      w_ = *weights;
      return in_layer();
    }
    const auto weight = at_.stage == final_norm ? model_.final_norm() : model_.head();
    if (!weight) return weight.error();
    if (at_.stage == final_norm) return norm(*weight, in_.in[0]);
    return product({*weight}, in_.in[0].last(c_.hidden), 1);
  }

 private:
  std::size_t tokens() const { return in_.tokens.size(); }
  Floats weight(LayerWeight w) const { return (*w_)[w]; }

  Result<StageTruth> table_rows() const {
    std::vector<float> rows(tokens() * c_.hidden);
    if (auto error = model_.embed(in_.tokens, rows)) return *error;
    return copied_truth(rows, a_);
  }

  StageTruth norm(Floats weight, Floats x) const {
    return norm_truth(x, weight, c_.rms_epsilon, a_);
  }

  StageTruth product(const std::vector<Floats>& weights, Floats x, std::size_t rows) const {
    return product_truth(x, rows, weights, a_, threads_);
  }
  StageTruth product(LayerWeight w) const { return product({weight(w)}, in_.in[0], tokens()); }

  /// The columns of each row of Q, K and V that belong to `width` from `offset` on.
  std::vector<float> columns(std::size_t offset, std::size_t width) const {
    std::vector<float> out;
    out.reserve(tokens() * width);
    for (std::size_t t = 0; t < tokens(); ++t) {
      const Floats row = in_.in[0].subspan(t * c_.qkv_width() + offset, width);
      out.insert(out.end(), row.begin(), row.end());
    }
    return out;
  }

  StageTruth biased() const {
    StageTruth truth = bias_truth(
        in_.in[0],
        {weight(LayerWeight::q_bias), weight(LayerWeight::k_bias), weight(LayerWeight::v_bias)},
        a_);
    if (!a_.fused || in_.product_input.empty()) return truth;
    const StageTruth sum =
        product({weight(LayerWeight::q), weight(LayerWeight::k), weight(LayerWeight::v)},
                in_.product_input, tokens());
    for (std::size_t i = 0; i < sum.bound.size(); ++i) truth.bound[i] += sum.bound[i];
    return truth;
  }

  StageTruth rotated(std::size_t offset, std::size_t heads) const {
    const Positions at = {in_.past, tokens(), heads, model_.frequencies()};
    if (c_.qk_norm()) return rope_truth(in_.in[0], at, a_);
    return rope_truth(columns(offset, heads * c_.head_dim), at, a_);
  }

  AttentionShape shape() const {
    return {tokens(), in_.past + tokens(), c_.heads, c_.kv_heads, c_.head_dim};
  }

  StageTruth attended() const {
    if (attention_ == AttentionKernel::flash2) {
      return attention_truth(shape(), in_.in[0], in_.keys, in_.values, a_, threads_);
    }
    return mix_truth(shape(), in_.in[0], in_.values, a_);
  }

  StageTruth in_layer() const {
    switch (at_.stage) {
      case attn_norm:
        return norm(weight(LayerWeight::attn_norm), in_.in[0]);
      case ffn_norm:
        return norm(weight(LayerWeight::ffn_norm), in_.in[0]);
      case q_norm:
        return norm(weight(LayerWeight::q_norm), columns(0, c_.q_width()));
      case k_norm:
        return norm(weight(LayerWeight::k_norm), columns(c_.q_width(), c_.kv_width()));
      case qkv_matmul:
        return product({weight(LayerWeight::q), weight(LayerWeight::k), weight(LayerWeight::v)},
                       in_.in[0], tokens());
      case qkv_bias:
        return biased();
      case q_post_rope:
        return rotated(0, c_.heads);
      case k_post_rope:
        return rotated(c_.q_width(), c_.kv_heads);
      case attn_scores:
        return scores_truth(shape(), in_.in[0], in_.keys, a_);
      case attn_softmax:
        if (!in_.keys.empty()) return softmax_of_queries_truth(shape(), in_.in[0], in_.keys, a_);
        return softmax_truth(shape(), in_.in[0], a_);
      case Stage::attention:
        return attended();
      case attn_out:
        return product(LayerWeight::o);
      case ffn_gate:
        return product(LayerWeight::gate);
      case ffn_up:
        return product(LayerWeight::up);
      case ffn_out:
        return product(LayerWeight::down);
      case ffn_silu:
        return silu_truth(in_.in[0], a_);
      case ffn_swigl:
        return multiply_truth(in_.in[0], in_.in[1], a_);
      case post_attn_residual:
      case post_ffn_residual:
        return add_truth(in_.in[0], in_.in[1], a_);
      case embedding:
      case final_norm:
      case lm_head:
        assert(false);
    }
    return {};
  }

  StageAt at_;
  const DecoderModel& model_;
  const DecoderConfig& c_;
  AttentionKernel attention_;
  const Arithmetic& a_;
  const StageInputs& in_;
  unsigned threads_;
  const LayerWeights* w_ = nullptr;
};

}  // namespace

Result<StageTruth> stage_truth(StageAt at, const DecoderModel& model, AttentionKernel attention,
                               const Arithmetic& arithmetic, const StageInputs& inputs,
                               unsigned threads) {
  return Truth(at, model, attention, arithmetic, inputs, threads).compute();
}

}  // namespace refute::bisect
