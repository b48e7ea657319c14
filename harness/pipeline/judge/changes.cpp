#include "harness/pipeline/judge/changes.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "harness/json/json.hpp"
#include "harness/pipeline/judge/file_text.hpp"
#include "harness/pipeline/judge/report_words.hpp"

namespace refute::pipeline {
namespace {

ChangeKind level_change(Level before, Level after) {
  if (after == Level::refuted) return ChangeKind::refuted;
  if (before == Level::refuted) return ChangeKind::raised;
  return after < before ? ChangeKind::lowered : ChangeKind::raised;
}

std::string arrow(Level before, Level after) {
  return fmt::format("{} → {}", to_string(before), to_string(after));
}

void compare(const Baseline& baseline, const ClaimLedger& claim, std::vector<Change>& changes) {
  const auto add = [&](ChangeKind kind, std::optional<Level> before, std::string words) {
    changes.push_back({kind, claim.claim, before, claim.level, std::move(words)});
  };
  const auto old = baseline.levels.find(claim.claim);
  if (old == baseline.levels.end()) {
    const bool refuted = claim.level == Level::refuted;
    add(refuted ? ChangeKind::refuted : ChangeKind::added, {},
        fmt::format("new, {}", to_string(claim.level)));
  } else if (old->second != claim.level) {
    add(level_change(old->second, claim.level), old->second, arrow(old->second, claim.level));
  }
  const auto was = baseline.vacuous.find(claim.claim);
  const bool was_vacuous = was != baseline.vacuous.end() && was->second;
  if (claim.vacuous() && !was_vacuous) add(ChangeKind::vacuous, {}, "its check is vacuous now");
  if (!claim.vacuous() && was_vacuous) {
    add(ChangeKind::no_longer_vacuous, {}, "its check has power again");
  }
  if (!claim.stale.empty()) {
    add(ChangeKind::stale, {}, fmt::format("{} stale", counted(claim.stale.size(), "record")));
  }
}

Result<Baseline> read_baseline(const std::string& name, const Value& document) {
  Baseline baseline;
  baseline.name = name;
  const Value* claims = document.find("claims");
  const Value::List* list = claims ? claims->as_list() : nullptr;
  if (list == nullptr) {
    return Error{name + ": is neither a report nor a ledger: it has no list of claims",
                 "give a file from `refute report --format json`, or reports/ledger.json"};
  }
  for (const Value& claim : *list) {
    const Value *id = claim.find("claim"), *word = claim.find("level");
    const auto level = word && word->as_string() ? level_from(*word->as_string()) : std::nullopt;
    if (id == nullptr || id->as_string() == nullptr || !level) {
      return Error{name + ": holds a claim without an id or with a level that is no word", ""};
    }
    baseline.levels[{*id->as_string()}] = *level;
    const Value* vacuous = claim.find("vacuous");
    baseline.vacuous[{*id->as_string()}] = vacuous && vacuous->as_bool() && *vacuous->as_bool();
  }
  return baseline;
}

}  // namespace

bool is_worse(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::refuted:
    case ChangeKind::vacuous:
    case ChangeKind::lowered:
    case ChangeKind::gone:
    case ChangeKind::stale:
      return true;
    case ChangeKind::added:
    case ChangeKind::raised:
    case ChangeKind::no_longer_vacuous:
      return false;
  }
  return false;
}

std::vector<Change> changes_since(const Baseline& baseline, const Ledger& ledger) {
  std::vector<Change> changes;
  for (const ClaimLedger& claim : ledger.claims) compare(baseline, claim, changes);
  for (const auto& [id, level] : baseline.levels) {
    if (ledger.find(id) != nullptr) continue;
    changes.push_back(
        {ChangeKind::gone, id, level, {}, fmt::format("gone, was {}", to_string(level))});
  }
  std::ranges::stable_sort(changes, {}, [](const Change& c) { return std::tie(c.kind, c.claim); });
  return changes;
}

Result<Baseline> load_baseline(const std::string& path) {
  const bool folder = std::filesystem::is_directory(path);
  const std::string file = folder ? path + "/ledger.json" : path;
  Result<std::string> text = read_text(file);
  if (!text) return text.take_error();
  Result<Value> document = json::parse(*text, {.bytes = 256u << 20});
  if (!document) return Error{file + ": " + document.error().what, ""};
  return read_baseline(path, *document);
}

}  // namespace refute::pipeline
