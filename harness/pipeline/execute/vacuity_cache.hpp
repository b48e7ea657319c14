#pragma once

#include <map>
#include <optional>
#include <string>

#include "harness/pipeline/execute/line_cache.hpp"
#include "harness/pipeline/execute/plan.hpp"

namespace refute::pipeline {

/// Remembers what mutants, negated checks and controls came to, so that the power of a check is
/// shown once per version of claim, worker and inputs. Keeps the worker's own record, which is
/// checked again, word for word, when it is used. Only of workers that say themselves what their
/// evidence rests on (`source` in PROTOCOL.md), and of no subject server.
class VacuityCache {
 public:
  explicit VacuityCache(LineCache& cache);

  /// The outcome of an earlier process, or nothing.
  std::optional<Outcome> find(const PlannedJob& planned) const;
  /// Keeps survived and refuted, which follow from the job; crashes, time-outs and declines may be
  /// of this hour.
  void remember(const PlannedJob& planned, const std::string& nonce, const std::string& record,
                const Outcome& outcome);

 private:
  struct Entry {
    std::string nonce, record;
  };
  LineCache& cache_;
  std::map<std::string, Entry> entries_;
};

}  // namespace refute::pipeline
