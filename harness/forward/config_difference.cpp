#include "harness/forward/config_difference.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/forward/decoder_layout.hpp"

namespace refute::forward {
namespace {

/// Converters compute the divisors of Llama 3.1 in f32. A frequency theta^-x is then off by up to
/// ln(theta) units of 2^-24, under 16 of them, and the ramp between divided and kept frequencies
/// widens that by up to low / (high - low) · (factor - 1), which is 10 for Llama 3.2.
constexpr double kSameScaling = 0x1p-16;

std::string scaling_text(const DecoderModel& model) {
  const RopeConfig& r = model.config().rope;
  std::string text;
  switch (r.scaling) {
    case RopeScaling::none:
      text = "none";
      break;
    case RopeScaling::linear:
      text = fmt::format("linear, factor {}", r.factor);
      break;
    case RopeScaling::llama3:
      text = fmt::format("llama3, factor {}, low {}, high {}, original context {}", r.factor,
                         r.low_frequency_factor, r.high_frequency_factor, r.original_context);
      break;
  }
  return model.layout().rope_divisors == nullptr ? text : text + ", with rope_freqs.weight";
}

/// By what each pair's frequency is divided, whoever says so.
std::vector<double> divisors_of(const DecoderModel& model) {
  DecoderConfig plain = model.config();
  plain.rope.scaling = RopeScaling::none;
  std::vector<double> divisors = rope_frequencies(plain, {});
  for (std::size_t i = 0; i < divisors.size(); ++i) divisors[i] /= model.frequencies()[i];
  return divisors;
}

bool same_divisors(const DecoderModel& a, const DecoderModel& b) {
  return std::ranges::equal(divisors_of(a), divisors_of(b), [](double x, double y) {
    return std::abs(x - y) <= kSameScaling * std::abs(x);
  });
}

class Comparison {
 public:
  Comparison(const DecoderModel& a, const DecoderModel& b) : a_(a), b_(b) {}

  std::vector<ConfigDifference> all() {
    const DecoderConfig &x = a_.config(), &y = b_.config();
    text("model_type", to_string(x.family), to_string(y.family));
    count("num_hidden_layers", x.layers, y.layers, FitsStill::nothing);
    count("hidden_size", x.hidden, y.hidden, FitsStill::nothing);
    count("intermediate_size", x.ffn, y.ffn, FitsStill::nothing);
    count("vocab_size", x.vocab, y.vocab, FitsStill::nothing);
    flag("attention_bias", x.qkv_bias, y.qkv_bias);
    const bool fits = x.q_width() == y.q_width() && x.kv_width() == y.kv_width();
    const FitsStill heads = fits && !x.qk_norm() ? FitsStill::weights : FitsStill::nothing;
    count("num_attention_heads", x.heads, y.heads, heads);
    count("num_key_value_heads", x.kv_heads, y.kv_heads, heads);
    count("head_dim", x.head_dim, y.head_dim, heads);
    number("rms_norm_eps", x.rms_epsilon, y.rms_epsilon);
    number("rope_theta", x.rope.theta, y.rope.theta);
    scaling(x.rope, y.rope);
    return std::move(found_);
  }

 private:
  void add(const char* field, Value x, Value y, FitsStill fits) {
    found_.push_back({field, std::move(x), std::move(y), fits});
  }
  void text(const char* field, std::string_view x, std::string_view y) {
    if (x != y) add(field, std::string(x), std::string(y), FitsStill::nothing);
  }
  void flag(const char* field, bool x, bool y) {
    if (x != y) add(field, x, y, FitsStill::nothing);
  }
  void count(const char* field, std::size_t x, std::size_t y, FitsStill fits) {
    if (x != y) add(field, std::uint64_t{x}, std::uint64_t{y}, fits);
  }
  void number(const char* field, double x, double y) {
    if (static_cast<float>(x) != static_cast<float>(y)) add(field, x, y, FitsStill::stages);
  }

  /// Parameters where both spell it in the same ones, else what comes of them.
  void scaling(const RopeConfig& x, const RopeConfig& y) {
    const bool tensors =
        a_.layout().rope_divisors != nullptr || b_.layout().rope_divisors != nullptr;
    if (x.scaling == y.scaling && !tensors) {
      number("rope_scaling.factor", x.factor, y.factor);
      number("rope_scaling.low_freq_factor", x.low_frequency_factor, y.low_frequency_factor);
      number("rope_scaling.high_freq_factor", x.high_frequency_factor, y.high_frequency_factor);
      number("rope_scaling.original_max_position_embeddings", x.original_context,
             y.original_context);
    } else if (a_.config().head_dim == b_.config().head_dim && !same_divisors(a_, b_)) {
      add("rope_scaling", scaling_text(a_), scaling_text(b_), FitsStill::stages);
    }
  }

  const DecoderModel& a_;
  const DecoderModel& b_;
  std::vector<ConfigDifference> found_;
};

/// Numbers as f32 in the fewest digits, which differ wherever the numbers count as different.
std::string value_text(const Value& value) {
  if (const double* d = value.as_double()) return fmt::format("{}", static_cast<float>(*d));
  if (const std::int64_t* i = value.as_int()) return fmt::format("{}", *i);
  if (const bool* b = value.as_bool()) return *b ? "true" : "false";
  return *value.as_string();
}

}  // namespace

std::vector<ConfigDifference> config_differences(const DecoderModel& first,
                                                 const DecoderModel& second) {
  return Comparison(first, second).all();
}

std::string to_text(const ConfigDifference& d, const std::string& first_name,
                    const std::string& second_name) {
  return fmt::format("{} is {} in {} and {} in {}", d.field, value_text(d.first), first_name,
                     value_text(d.second), second_name);
}

}  // namespace refute::forward
