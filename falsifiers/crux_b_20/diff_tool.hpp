#pragma once

// The `refute diff` that the job asks for: the real command, or what a mutant would make of its
// answer.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "falsifiers/crux_b_20/model_files.hpp"
#include "fixtures/mutants/quant_diff_mutants.hpp"
#include "harness/worker/context.hpp"

namespace refute::falsifiers {

using mutants::QuantDiffAnswer;

class DiffTool {
 public:
  DiffTool(worker::Context& context, std::string refute);

  /// Runs `refute diff` with these arguments; its rows come from `--output json=…`.
  QuantDiffAnswer diff(std::vector<std::string> arguments);
  /// The real command's answer, whatever the job asks for: what the subject's is compared with.
  QuantDiffAnswer honest_diff(std::vector<std::string> arguments);
  /// Runs `refute quantize`; there are no rows.
  QuantDiffAnswer quantize(std::vector<std::string> arguments);
  /// Runs another command of refute, which no mutant touches, and demands that it succeeds.
  void run(std::vector<std::string> arguments);

  worker::Context& context() { return context_; }
  const ModelFolder& folder() const { return folder_; }

 private:
  /// The answer as the job's mutant would give it.
  QuantDiffAnswer tampered(QuantDiffAnswer answer) const;

  worker::Context& context_;
  std::string refute_;
  ModelFolder folder_;
};

/// Checks one case, made from a seed; false after a comparison that did not pass.
using DiffCheck = std::function<bool(DiffTool& tool, std::uint64_t seed)>;

/// Runs the contract's `cases` cases, or the one that is to be replayed. Declines where there is no
/// refute to run.
Verdict check_command(worker::Context& context, const DiffCheck& check);

/// The row of a tensor, or null.
const Value* row_of(const QuantDiffAnswer& answer, const std::string& tensor);
/// Whether a row has a finding of that kind; and one of any kind whose message holds the text.
bool has_finding(const Value* row, const std::string& kind);
bool finding_says(const Value* row, const std::string& text);
std::size_t row_count(const QuantDiffAnswer& answer);
std::string text_of(const Value* row, const std::string& key);
/// NaN when the row has no such number.
double number_of(const Value* row, const std::string& key);

}  // namespace refute::falsifiers
