#include <fmt/format.h>

#include "harness/pipeline/load/lint.hpp"
#include "harness/pipeline/load/scalar.hpp"
#include "harness/pipeline/load/text_rules.hpp"

namespace refute::pipeline {

void lint_metadata(const Document& document, Findings& findings) {
  const SpanNode* metadata = document.root.find("metadata");
  if (metadata == nullptr) return;
  const SpanNode* updated = metadata->find("updated");
  const std::string_view created_text = trimmed(metadata->text_of("created")).substr(0, 10);
  const std::string_view updated_text = trimmed(metadata->text_of("updated")).substr(0, 10);
  // ISO dates compare as texts.
  if (is_date(created_text) && is_date(updated_text) && updated_text < created_text) {
    findings.add("RF0211", Severity::error, *updated,
                 fmt::format("updated {}, before it was created on {}", updated_text, created_text),
                 "correct one of the two dates");
  }
}

}  // namespace refute::pipeline
