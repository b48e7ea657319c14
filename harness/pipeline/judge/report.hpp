#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/model/contract.hpp"
#include "harness/model/exit_code.hpp"
#include "harness/pipeline/judge/ledger.hpp"
#include "harness/pipeline/judge/store.hpp"
#include "harness/pipeline/judge/tally.hpp"

namespace refute::pipeline {

/// An earlier state to compare with: levels, and which claims were vacuous.
struct Baseline {
  std::string name;  ///< as the user named it
  std::map<ClaimId, Level> levels;
  std::map<ClaimId, bool> vacuous;
};

/// All that a report shows. Renderers are pure functions of it.
struct RunReport {
  std::vector<Contract> contracts;
  Ledger ledger;
  std::vector<Evidence> evidence;         ///< what the ledger was judged from
  std::vector<Observation> observations;  ///< of the run; for captured output and durations
  std::optional<RunFacts> facts;          ///< none: the committed evidence alone
  std::optional<Baseline> baseline;
  std::vector<ExitCode> exits;     ///< all that apply, first first
  std::vector<std::string> notes;  ///< on the run itself: cut short, or not the newest one
};

std::string report_text(const RunReport& report, bool color = false);
std::string report_markdown(const RunReport& report);
std::string report_json(const RunReport& report);
std::string report_junit(const RunReport& report);

/// Reads a baseline: an earlier `report --format json`, a ledger.json, or a folder that holds
/// ledger.json.
Result<Baseline> load_baseline(const std::string& path);

}  // namespace refute::pipeline
