#include "harness/pipeline/judge/run_pairs.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "harness/pipeline/judge/report_words.hpp"

namespace refute::pipeline {
namespace {

constexpr std::string_view kHint =
    "someone has changed the store, so nothing in this run counts: run again";

std::optional<Error> first_foreign(const std::string& folder, const StoredRun& run) {
  const std::size_t pairs = std::min(run.evidence.size(), run.observations.size());
  for (std::size_t i = 0; i < pairs; ++i) {
    const Digest &is = run.evidence[i].record, &was = run.observations[i].record;
    if (is == was) continue;
    return Error{
        fmt::format("{}/record.jsonl:{}: this is not the record that the run wrote there: its "
                    "digest is {}…, and observations.jsonl has {}…",
                    folder, i + 1, is.text.substr(0, 12), was.text.substr(0, 12)),
        std::string(kHint)};
  }
  return std::nullopt;
}

Error wrong_count(const std::string& folder, std::uint64_t found, const std::string& beside) {
  return {fmt::format("{}/record.jsonl holds {}, and {}", folder, counted(found, "record"), beside),
          std::string(kHint)};
}

/// A run that ended has forced everything to disk before it said so: nothing may be missing.
std::optional<Error> check_whole(const std::string& folder, const StoredRun& run) {
  const std::uint64_t records = run.evidence.size(), beside = run.observations.size();
  if (records != beside) {
    return wrong_count(folder, records, fmt::format("observations.jsonl speaks of {}", beside));
  }
  if (run.facts.records && records != *run.facts.records) {
    return wrong_count(folder, records,
                       fmt::format("the run ended with {} (run.json)", *run.facts.records));
  }
  return std::nullopt;
}

/// A kill may fall between the two lines of a pair, and whoever reads while a run goes on reads one
/// file before the other.
std::optional<Error> leave_out_rest(const std::string& folder, bool growing, StoredRun& run) {
  const std::size_t records = run.evidence.size(), beside = run.observations.size();
  const std::size_t pairs = std::min(records, beside);
  if (!growing && std::max(records, beside) > pairs + 1) {
    return wrong_count(folder, records, fmt::format("observations.jsonl speaks of {}", beside));
  }
  if (!growing && records != beside) {
    run.notes.push_back(
        fmt::format("{}: the last record was not written whole and was left out", run.facts.id));
  }
  run.evidence.resize(pairs);
  run.observations.resize(pairs);
  return std::nullopt;
}

}  // namespace

std::optional<Error> check_pairs(const std::string& folder, bool growing, StoredRun& run) {
  if (auto error = first_foreign(folder, run)) return error;
  if (run.facts.finished) return check_whole(folder, run);
  return leave_out_rest(folder, growing, run);
}

}  // namespace refute::pipeline
