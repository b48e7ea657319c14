#include "harness/cli/quantize_messages.hpp"

#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/tensor/text.hpp"

namespace refute::cli {
namespace {

using instruments::FlushedTensor;
using instruments::KeptBecause;
using instruments::QuantizePlan;

/// "layer.0.bias", "layer.1.bias" become "layer.*.bias (2)": a model has a hundred layers.
std::vector<std::string> fold_layers(const std::vector<std::string>& names) {
  std::vector<std::string> patterns;
  std::map<std::string, std::vector<std::string>> by_pattern;
  for (const std::string& name : names) {
    std::string pattern;
    for (const char c : name) {
      const bool digit = c >= '0' && c <= '9';
      const bool in_number = pattern.ends_with(".*");
      if (!digit) pattern += c;
      if (digit && !in_number) pattern += pattern.ends_with('.') ? '*' : c;
    }
    if (!by_pattern.contains(pattern)) patterns.push_back(pattern);
    by_pattern[pattern].push_back(name);
  }
  std::vector<std::string> folded;
  for (const std::string& pattern : patterns) {
    const auto& same = by_pattern[pattern];
    folded.push_back(same.size() == 1 ? same[0] : fmt::format("{} ({})", pattern, same.size()));
  }
  return folded;
}

/// "--fallback stores 32 as q5_0, as llama.cpp does", where rows are no whole blocks of a K format;
/// empty for other formats.
std::string way_out(const QuantizePlan& plan, const std::vector<const tensor::ModelTensor*>& kept) {
  const auto* format = std::get_if<kernels::GgmlFormat>(&plan.options.target);
  std::map<std::string, std::size_t> counts;
  for (const auto* tensor : kept) {
    const auto instead =
        format ? instruments::fallback_format(*format, tensor->cols()) : std::nullopt;
    if (instead) ++counts[std::string(kernels::ggml_info(*instead).name)];
  }
  std::string text;
  for (const auto& [name, count] : counts)
    text += fmt::format("{}{} as {}", text.empty() ? "" : ", ", count, name);
  return text.empty() ? "" : fmt::format("--fallback stores {}, as llama.cpp does", text);
}

void tell_way_out(const QuantizePlan& plan) {
  std::vector<const tensor::ModelTensor*> uneven;
  for (const auto& step : plan.steps) {
    if (step.kept == KeptBecause::uneven_rows) uneven.push_back(step.tensor);
  }
  const std::string text = way_out(plan, uneven);
  if (text.empty()) return;
  fmt::print(stderr,
             "refute: {} takes rows of a multiple of {}, which {} of {} tensors do not have; {}\n",
             to_string(plan.options.target), row_multiple(plan.options), uneven.size(),
             plan.steps.size(), text);
}

/// "all of it became zeros", "16 of 128 blocks became zeros, the first from value 512 on".
std::string flushed_part(const instruments::Losses& losses) {
  if (losses.whole()) return "all of it became zeros";
  const bool blocks = losses.first_flushed->length != 1;
  return fmt::format("{} of {} {} became zeros, the first {} {}", losses.flushed,
                     losses.flushed + losses.alive, blocks ? "blocks" : "values",
                     blocks ? "from value" : "is value", losses.first_flushed->first);
}

}  // namespace

void tell_kept(const QuantizePlan& plan) {
  for (const auto* tensor : plan.dropped) {
    fmt::print(stderr, "refute: tensor '{}' is left out, named with --drop\n",
               tensor::printable(tensor->name));
  }
  std::map<KeptBecause, std::vector<std::string>> kept;
  for (const auto& step : plan.steps) {
    if (step.kept) kept[*step.kept].push_back(tensor::printable(step.tensor->name));
  }
  for (const auto& [why, names] : kept) {
    fmt::print(stderr, "refute: {} left as {}, {}: {}\n",
               names.size() == 1 ? "1 tensor" : fmt::format("{} tensors", names.size()),
               names.size() == 1 ? "it is" : "they are", describe(why),
               fmt::join(fold_layers(names), ", "));
  }
  tell_way_out(plan);
}

std::string quantized_text(const QuantizePlan& plan) {
  const std::string format = to_string(plan.options.target);
  std::map<std::string, std::size_t> counts;
  for (const auto& step : plan.steps) {
    if (!step.kept) ++counts[to_string(step.target)];
  }
  std::string text =
      fmt::format("{} of {} tensors quantised to {}", counts[format], plan.steps.size(), format);
  for (const auto& [name, count] : counts) {
    if (name != format) text += fmt::format(", {} to {}", count, name);
  }
  return text;
}

void tell_flushed(const std::vector<FlushedTensor>& flushed) {
  for (const auto& [tensor, target, losses] : flushed) {
    fmt::print(stderr,
               "refute: warning: tensor '{}': {}: weights of {:.3g} and less in size are too small "
               "for {} there; leave it alone with --keep\n",
               tensor::printable(tensor->name), flushed_part(losses), losses.largest_flushed,
               to_string(target));
  }
}

std::string flushed_summary(const std::vector<FlushedTensor>& flushed) {
  if (flushed.empty()) return "";
  return fmt::format("; {} of them lost weights to zero (named above)", flushed.size());
}

}  // namespace refute::cli
