#include "harness/instruments/bisect/config_verdict.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace refute::bisect {
namespace {

using forward::FitsStill;

std::vector<std::string> sentences(const std::vector<ConfigDifference>& config,
                                   const DecoderModel& good, const DecoderModel& bad) {
  std::vector<std::string> all;
  for (const ConfigDifference& d : config) all.push_back(to_text(d, good.path(), bad.path()));
  return all;
}

Verdict named(std::vector<ConfigDifference> config, const DecoderModel& good,
              const DecoderModel& bad) {
  const std::vector<std::string> all = sentences(config, good, bad);
  Verdict v{.kind = VerdictKind::wrong_config, .at = {}, .headline = {}, .why = {}};
  v.headline = "wrong config: " + all.front();
  v.why.assign(all.begin() + 1, all.end());
  v.config = std::move(config);
  return v;
}

}  // namespace

std::optional<Error> refuse_other_shapes(const std::vector<ConfigDifference>& config,
                                         const DecoderModel& good, const DecoderModel& bad) {
  const auto at = std::ranges::find(config, FitsStill::nothing, &ConfigDifference::fits);
  if (at == config.end()) return std::nullopt;
  return Error{fmt::format("{} and {} are models of two shapes: {}", good.path(), bad.path(),
                           to_text(*at, good.path(), bad.path())),
               "one has to be the other with its weights stored in another format"};
}

bool stages_match(const std::vector<ConfigDifference>& config) {
  return std::ranges::all_of(config, [](const auto& d) { return d.fits == FitsStill::stages; });
}

void conclude_config(Report& report, std::vector<ConfigDifference> config, const DecoderModel& good,
                     const DecoderModel& bad) {
  if (config.empty()) return;
  const Verdict stages = std::exchange(report.verdict, named(std::move(config), good, bad));
  Verdict& v = report.verdict;
  if (report.rows.empty()) {
    v.why.push_back(
        "stages of the two have different shapes, so none was compared: mend the config");
  } else if (stages.kind == VerdictKind::noise) {
    v.why.push_back(
        "each end computes rightly what its own config asks for: every stage is at or below its "
        "floor");
  } else {
    v.at = stages.at;
    v.only_in_place = stages.only_in_place;
    v.why.push_back("beside that: " + stages.headline);
    v.why.insert(v.why.end(), stages.why.begin(), stages.why.end());
    return;
  }
  v.why.push_back(decision_text({.symptom = report.symptom,
                                 .rows = report.rows,
                                 .good_unrepeated = {},
                                 .bad_unrepeated = {},
                                 .replicas = report.replicas,
                                 .flips = report.flips}));
}

}  // namespace refute::bisect
