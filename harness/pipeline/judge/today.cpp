#include "harness/pipeline/judge/today.hpp"

#include <charconv>

namespace refute::pipeline {
namespace {

void compare(Freshness& result, Part part, const std::string& name, const std::string& was,
             const std::string* now) {
  if (now == nullptr) {
    result.unknown.push_back({part, name, was, ""});
  } else if (*now != was) {
    result.changed.push_back({part, name, was, *now});
  }
}

const std::string* source_now(const Binding& binding, const SubjectName& subject) {
  auto found = binding.sources.find(subject.text);
  if (found == binding.sources.end()) found = binding.sources.find(backend_of(subject));
  return found == binding.sources.end() ? nullptr : &found->second.text;
}

}  // namespace

std::string backend_of(const SubjectName& subject) {
  return subject.text.starts_with("cuda") ? "cuda" : "cpu";
}

std::optional<int> sm_of(const std::string& architecture) {
  constexpr std::string_view kPrefix = "sm_";
  if (!architecture.starts_with(kPrefix)) return std::nullopt;
  int sm = 0;
  const char* first = architecture.data() + kPrefix.size();
  const char* last = architecture.data() + architecture.size();
  const auto [end, error] = std::from_chars(first, last, sm);
  // One letter may follow the number: "sm_90a", "sm_100f".
  if (error != std::errc{} || sm <= 0 || last - end > 1) return std::nullopt;
  return sm;
}

std::string architecture_of(const std::vector<Evidence>& run) {
  for (const Evidence& e : run) {
    if (!e.provenance.architecture.empty()) return e.provenance.architecture;
  }
  return "";
}

Freshness freshness(const Digest& claim_digest, const Binding& binding, const Today& today,
                    const Evidence& evidence) {
  Freshness result;
  const Provenance& was = evidence.provenance;
  compare(result, Part::claim, "", was.claim.text, &claim_digest.text);
  compare(result, Part::source, backend_of(evidence.subject), was.source.text,
          source_now(binding, evidence.subject));
  for (const InputDigest& input : evidence.outcome.inputs) {
    const auto now = today.fixtures.find(input.name);
    compare(result, Part::input, input.name, input.sha256.text,
            now == today.fixtures.end() ? nullptr : &now->second.text);
  }
  if (!was.architecture.empty()) {
    compare(result, Part::architecture, "", was.architecture,
            today.architecture.empty() ? nullptr : &today.architecture);
  }
  return result;
}

}  // namespace refute::pipeline
