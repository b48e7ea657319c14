#include "harness/instruments/bisect/end.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include <fmt/format.h>

#include "harness/tensor/text.hpp"

namespace refute::bisect {
namespace {

void round_to(metrics::Format format, std::span<float> values) {
  if (format == metrics::Format::f32) return;
  for (float& x : values) x = static_cast<float>(nearest(format, x));
}

template <std::size_t kCount, class T>
bool take(std::string_view word, const std::array<std::string_view, kCount>& names, T& into) {
  const auto at = std::ranges::find(names, word);
  if (at == names.end()) return false;
  into = static_cast<T>(at - names.begin());
  return true;
}

}  // namespace

std::string to_string(const End& end) {
  std::string text(to_string(end.path.name));
  if (end.path.attention != AttentionKernel::naive) {
    text += fmt::format("+{}", to_string(end.path.attention));
  }
  if (end.activations != metrics::Format::f32) {
    text += fmt::format("+{}", to_string(end.activations));
  }
  return text;
}

Result<End> parse_end(std::string_view text, End end) {
  end.path.attention = AttentionKernel::naive;
  end.activations = metrics::Format::f32;
  for (std::size_t begin = 0, part = 0; begin <= text.size(); ++part) {
    const std::size_t stop = std::min(text.find('+', begin), text.size());
    const std::string_view word = text.substr(begin, stop - begin);
    begin = stop + 1;
    const bool known = part == 0
                           ? take(word, forward::kPathNames, end.path.name)
                           : take(word, instruments::kAttentionKernelNames, end.path.attention) ||
                                 take(word, metrics::kFormatNames, end.activations);
    if (known) continue;
    return Error{
        fmt::format("path '{}': no '{}'", tensor::printable(text), tensor::printable(word)),
        fmt::format("write one of {}, then what differs from naive and f32: {}, {}, as in "
                    "fast+flash2+bf16",
                    fmt::join(forward::kPathNames, ", "),
                    fmt::join(instruments::kAttentionKernelNames, ", "),
                    fmt::join(metrics::kFormatNames, ", "))};
  }
  return end;
}

Arithmetic arithmetic_of(const End& end) {
  // flash2's scalar kernel sums in f32 on the references too; a fused kernel is judged so anyway.
  return {.storage = end.activations,
          .accumulator = metrics::Format::f32,
          .exact_sums = !end.path.is_fast(),
          .eight_bit_block = 0,
          .fused = false};
}

tensor::CapturePath describe(const End& end) {
  tensor::CapturePath path = forward::describe(end.path, *end.model);
  if (end.activations == metrics::Format::bf16) path.activation_dtype = "BF16";
  if (end.activations == metrics::Format::f16) path.activation_dtype = "F16";
  return path;
}

Pass::Pass(const End& end, std::size_t capacity)
    : end_(end), acts_(end.model->config(), capacity), history_(end.model->config()) {
  if (end.path.is_fast()) kernels::set_openblas_threads(end.path.threads);
}

void Pass::begin(std::span<const std::uint32_t> tokens) {
  position_ = next_;
  next_ += tokens.size();
  acts_.begin(*end_.model, tokens, position_);
}

std::optional<Error> Pass::run_alone(StageAt at) {
  if (auto error = end_.run(at, *end_.model, end_.path, acts_)) return error;
  round_to(end_.activations, acts_.slot(at.stage));
  return std::nullopt;
}

std::optional<Error> Pass::run(StageAt at) {
  if (auto error = run_alone(at)) return error;
  history_.record(at, acts_.slot(at.stage), acts_.tokens.size());
  return std::nullopt;
}

StageInputs Pass::inputs(StageAt at, AttentionKernel attention) {
  StageInputs inputs{acts_.tokens, acts_.past, {}, {}, {}, {}};
  for (const StageAt in : stage_inputs(at, end_.model->config(), attention)) {
    inputs.in.push_back(acts_.slot(in.stage));
  }
  if (at.stage == Stage::attn_scores || at.stage == Stage::attention) {
    inputs.keys = history_.keys(at.layer);
    inputs.values = history_.values(at.layer);
  }
  return inputs;
}

Decision decision_of(std::span<const float> logits) {
  const auto odd = std::ranges::count_if(logits, [](float x) { return !std::isfinite(x); });
  return {forward::top_candidates(logits, 5), static_cast<std::size_t>(odd)};
}

std::size_t total_tokens(const Steps& steps) {
  std::size_t n = 0;
  for (const auto& step : steps) n += step.size();
  return n;
}

// FNV-1a over the bits: two runs of one machine are compared, nobody means to fool it.
std::uint64_t print_of(std::span<const float> output) {
  std::uint64_t hash = 14695981039346656037u;
  for (const float x : output) hash = (hash ^ std::bit_cast<std::uint32_t>(x)) * 1099511628211u;
  return hash;
}

Result<Decision> run_step(Pass& pass, std::span<const std::uint32_t> tokens, Prints* prints) {
  const End& end = pass.end();
  pass.begin(tokens);
  for (const StageAt at : forward_order(end.model->config(), end.path.attention)) {
    if (auto error = pass.run(at)) return *error;
    if (prints != nullptr) prints->push_back(print_of(pass.output(at.stage)));
  }
  if (auto error = end.model->damaged()) return *error;
  return decision_of(pass.output(Stage::lm_head));
}

Result<Decision> run_all(const End& end, const Steps& steps) {
  Pass pass(end, total_tokens(steps));
  Decision decision;
  for (const auto& step : steps) {
    auto next = run_step(pass, step);
    if (!next) return next.take_error();
    decision = *std::move(next);
  }
  return decision;
}

std::optional<StageAt> first_difference(const End& end, const Prints& a, const Prints& b) {
  const auto order = forward_order(end.model->config(), end.path.attention);
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i] != b[i]) return order[i % order.size()];
  }
  return std::nullopt;
}

}  // namespace refute::bisect
