#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/format.h>

#include "harness/model/near_miss.hpp"
#include "harness/pipeline/load/lint.hpp"
#include "harness/pipeline/load/scalar.hpp"
#include "harness/pipeline/load/text_rules.hpp"

namespace refute::pipeline {
namespace {

struct Link {
  std::size_t to;
  const SpanNode* node;
};

const SpanNode* id_node(const SpanNode& entry) {
  const SpanNode* id = entry.find("id");
  return id != nullptr && id->is_scalar() && !trimmed(id->text).empty() ? id : nullptr;
}

class Across {
 public:
  explicit Across(std::span<Checked> files) : files_(files), links_(files.size()) {}

  void check() {
    check_contract_ids();
    check_ids("falsification_tests", "claim", true);
    check_ids("proof_obligations", "obligation", false);
    for (std::size_t i = 0; i < files_.size(); ++i) add_names(i);
    for (std::size_t i = 0; i < files_.size(); ++i) check_links(i);
    check_cycles();
  }

 private:
  void check_contract_ids() {
    std::map<std::string, const Document*> seen;
    for (const Checked& f : files_) {
      const SpanNode* metadata = f.document.root.find("metadata");
      const SpanNode* id = metadata == nullptr ? nullptr : id_node(*metadata);
      if (id == nullptr) continue;
      const auto [it, fresh] = seen.emplace(std::string(trimmed(id->text)), &f.document);
      if (fresh) continue;
      f.findings.add("RF0308", f.document.graded(), *id,
                     fmt::format("contract `{}` is also in {}", it->first, it->second->file),
                     "evidence is kept by id: give one of them another");
    }
  }

  // Evidence is kept by claim id, so two claims of one id are an error where evidence is made.
  // Obligations are only ever named inside their own file.
  void check_ids(std::string_view section, std::string_view what, bool kept_by_id) {
    struct First {
      const Document* document;
      int line;
    };
    std::map<std::string_view, First> seen;
    for (const Checked& f : files_) {
      for (const SpanNode* entry : f.document.entries(section)) {
        const SpanNode* id = id_node(*entry);
        if (id == nullptr) continue;
        const auto [it, fresh] = seen.emplace(trimmed(id->text), First{&f.document, id->span.line});
        if (fresh || it->second.document == &f.document) continue;
        const bool bound = f.document.machine_read || it->second.document->machine_read;
        const Severity severity = !kept_by_id ? Severity::info
                                  : bound     ? Severity::error
                                              : Severity::warning;
        f.findings.add(
            "RF0308", severity, *id,
            fmt::format("{} `{}` is also in {}", what, it->first, it->second.document->file),
            fmt::format("first given at {}:{}; give one of them another id",
                        it->second.document->file, it->second.line));
      }
    }
  }

  void add_names(std::size_t i) {
    const Document& d = files_[i].document;
    by_name_.emplace(d.stem, i);
    by_name_.emplace(d.contract_id(), i);
    names_.push_back(d.stem);
  }

  static std::string_view bare_name(std::string_view text) {
    text = trimmed(text);
    const std::size_t slash = text.rfind('/');
    if (slash != std::string_view::npos) text.remove_prefix(slash + 1);
    return without_suffix(without_suffix(text, ".yaml"), ".yml");
  }

  void check_links(std::size_t i) {
    const Document& d = files_[i].document;
    const SpanNode* metadata = d.root.find("metadata");
    if (metadata != nullptr) {
      for (const std::string_view key : {"depends_on", "parent_contracts", "parent_contract"}) {
        for (const SpanNode* node : text_nodes(metadata->find(key))) check_link(i, *node);
      }
    }
    for (const SpanNode* obligation : d.entries("proof_obligations")) {
      for (const SpanNode* node : text_nodes(obligation->find("parent_contract")))
        check_exists(i, *node);
    }
  }

  void check_link(std::size_t i, const SpanNode& node) {
    const auto it = by_name_.find(bare_name(node.text));
    if (it == by_name_.end()) return check_exists(i, node);
    if (it->second != i) {
      links_[i].push_back({it->second, &node});
      return;
    }
    files_[i].findings.add("RF0304", Severity::error, node, "this contract depends on itself",
                           "remove the entry");
  }

  // A single file may be validated alone; its neighbours then are on disk only.
  void check_exists(std::size_t i, const SpanNode& node) {
    const std::string_view name = bare_name(node.text);
    if (name.empty() || name.size() > 200 || is_placeholder(name) || by_name_.contains(name))
      return;
    const std::filesystem::path folder =
        std::filesystem::path(files_[i].document.file).parent_path();
    for (const std::string_view ending : {".yaml", ".yml"}) {
      std::error_code error;
      if (std::filesystem::exists(folder / (std::string(name) + std::string(ending)), error))
        return;
    }
    files_[i].findings.add("RF0305", Severity::warning, node,
                           fmt::format("there is no contract `{}` here", name),
                           did_you_mean(near_miss(name, names_, Nearness::surely_meant)));
  }

  enum class Mark { fresh, open, done };

  void check_cycles() {
    std::vector<Mark> marks(files_.size(), Mark::fresh);
    for (std::size_t i = 0; i < files_.size(); ++i) walk(i, marks);
  }

  struct Step {
    std::size_t file, next;
  };

  // Depth first, without recursion: the chain of contracts may be as long as the corpus.
  void walk(std::size_t start, std::vector<Mark>& marks) {
    if (marks[start] != Mark::fresh) return;
    std::vector<Step> path = {{start, 0}};
    marks[start] = Mark::open;
    while (!path.empty()) {
      Step& step = path.back();
      if (step.next == links_[step.file].size()) {
        marks[step.file] = Mark::done;
        path.pop_back();
        continue;
      }
      const Link& link = links_[step.file][step.next++];
      if (marks[link.to] == Mark::open) report_cycle(path, link);
      if (marks[link.to] != Mark::fresh) continue;
      marks[link.to] = Mark::open;
      path.push_back({link.to, 0});
    }
  }

  void report_cycle(const std::vector<Step>& path, const Link& closing) {
    std::string names;
    bool inside = false;
    for (const Step& step : path) {
      inside = inside || step.file == closing.to;
      if (inside) names += files_[step.file].document.stem + " → ";
    }
    names += files_[closing.to].document.stem;
    files_[path.back().file].findings.add("RF0306", Severity::error, *closing.node,
                                          fmt::format("contracts depend on each other: {}", names),
                                          "one of them has to do without the other");
  }

  std::span<Checked> files_;
  std::vector<std::vector<Link>> links_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
  std::vector<std::string> names_;
};

}  // namespace

void lint_across(std::span<Checked> files) {
  Across(files).check();
}

}  // namespace refute::pipeline
