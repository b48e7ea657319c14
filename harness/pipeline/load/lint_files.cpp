// Files and proofs that a contract names. Contracts name them from some folder above themselves, so
// each is tried.

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include <fmt/format.h>

#include "harness/pipeline/load/lint.hpp"
#include "harness/pipeline/load/scalar.hpp"
#include "harness/pipeline/load/text_rules.hpp"

namespace refute::pipeline {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> folders_above(const std::string& file) {
  constexpr int kMostSteps = 6;
  std::vector<fs::path> found;
  std::error_code error;
  fs::path folder = fs::absolute(fs::path(file), error).parent_path();
  for (int i = 0; i < kMostSteps && !folder.empty(); ++i) {
    found.push_back(folder);
    if (folder == folder.root_path()) break;
    folder = folder.parent_path();
  }
  return found;
}

std::optional<fs::path> find_file(const std::vector<fs::path>& folders, const std::string& name) {
  for (const fs::path& folder : folders) {
    std::error_code error;
    if (fs::exists(folder / name, error)) return folder / name;
  }
  return std::nullopt;
}

// A path that leaves the folders above is not looked for: a contract must not probe the machine.
bool is_inside(const std::string& name) {
  return !name.empty() && name.size() < 512 && name.front() != '/' &&
         name.find("..") == std::string::npos && name.find('\0') == std::string::npos;
}

bool looks_like_path(const std::string& name) {
  return name.find('/') != std::string::npos && name.find_first_of(" \n*{<$") == std::string::npos;
}

std::string module_path(std::string_view module) {
  std::string path(module);
  for (char& c : path) {
    if (c == '.') c = '/';
  }
  return path + ".lean";
}

bool states(const fs::path& file, std::string_view theorem) {
  constexpr std::size_t kMost = std::size_t{8} << 20;
  std::error_code error;
  if (!fs::is_regular_file(file, error) || fs::file_size(file, error) > kMost) return false;
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  const std::size_t dot = theorem.rfind('.');
  const std::string name(dot == std::string_view::npos ? theorem : theorem.substr(dot + 1));
  const std::string all = text.str();
  return all.find("theorem " + name) != std::string::npos ||
         all.find("lemma " + name) != std::string::npos;
}

class Files {
 public:
  Files(const Document& document, Findings& findings) : document_(document), findings_(findings) {}

  void check() {
    for (const SpanNode* obligation : document_.entries("proof_obligations"))
      check_proof(*obligation);
    for (const SpanNode* claim : document_.claims()) {
      const SpanNode* evidence = claim->find("evidence_discharged_by");
      if (evidence == nullptr) continue;
      for (const std::string_view key : {"classifier_path", "cli_path", "e2e_path", "harness"}) {
        for (const SpanNode* node : text_nodes(evidence->find(key))) check_path(*node);
      }
    }
  }

 private:
  // Most contracts name no file; those pay nothing.
  const std::vector<fs::path>& folders() {
    if (folders_.empty()) folders_ = folders_above(document_.file);
    return folders_;
  }

  void check_path(const SpanNode& node) {
    std::string name(trimmed(node.text));
    name = name.substr(0, name.find("::"));
    const std::size_t colon = name.rfind(':');
    if (colon != std::string::npos &&
        name.find_first_not_of("0123456789-", colon + 1) == std::string::npos)
      name.resize(colon);
    if (!is_inside(name) || !looks_like_path(name) || find_file(folders(), name)) return;
    findings_.add("RF0312", document_.remark(), node,
                  fmt::format("there is no `{}` below the folders above this contract", name),
                  "correct the path if the file belongs to this repository");
  }

  void check_proof(const SpanNode& obligation) {
    const SpanNode* lean = obligation.find("lean");
    if (lean == nullptr) return;
    const std::string_view status = trimmed(lean->text_of("status"));
    const std::string_view module = trimmed(lean->text_of("module"));
    const std::string_view theorem = trimmed(lean->text_of("theorem"));
    const bool proved =
        same_word(status, "proved") || same_word(status, "proven") || same_word(status, "verified");
    const std::string path = module_path(module);
    if (!proved || module.empty() || theorem.empty() || !is_inside(path)) return;
    auto file = find_file(folders(), path);
    if (!file) file = find_file(folders(), "lean/" + path);
    if (!file) {
      findings_.add(
          "RF0415", document_.graded(), *lean->find("module"),
          fmt::format("called proved, but `{}` is not below the folders above this contract", path),
          "add the proof, or set status: planned");
    } else if (!states(*file, theorem)) {
      findings_.add("RF0415", Severity::error, *lean->find("theorem"),
                    fmt::format("`{}` states no theorem `{}`", file->filename().string(), theorem),
                    "correct the name, or set status: planned");
    }
  }

  const Document& document_;
  Findings& findings_;
  std::vector<fs::path> folders_;
};

}  // namespace

void lint_files(const Document& document, Findings& findings) {
  Files(document, findings).check();
}

}  // namespace refute::pipeline
