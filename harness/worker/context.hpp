#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/job.hpp"
#include "harness/model/outcome.hpp"
#include "harness/worker/compare.hpp"

namespace refute::worker {

struct Band {
  double low, high;
};

/// What a falsifier is given, and where it leaves what it found besides its verdict.
class Context {
 public:
  explicit Context(Job job);

  const Job& job() const { return job_; }
  std::uint64_t seed() const { return job_.seed.value; }
  /// Cores to fill. 1 when a subject server computes, which answers one question at a time.
  unsigned threads() const;
  /// The counterexample to run instead of generating, if this is a replay.
  const Value* replay() const { return job_.replay ? &*job_.replay : nullptr; }
  /// Path of a real file, or null when it is absent (decline with no_fixture then).
  const std::string* fixture(std::string_view name) const;

  // Parameters. Each access is recorded; one that is missing or of another kind throws JobError,
  // which names it: there are no defaults, because a number that is not in the contract is nobody's
  // claim.
  std::uint64_t count(std::string_view name);  ///< a whole number, at least 1
  double real(std::string_view name);          ///< a finite number
  Band band(std::string_view name);            ///< [low, high], low < high
  std::string word(std::string_view name);
  std::vector<std::string> words(std::string_view name);     ///< not empty
  std::vector<std::uint64_t> counts(std::string_view name);  ///< not empty
  std::vector<double> reals(std::string_view name);          ///< not empty

  /// Compares elements, inverted in the negated arm.
  Comparator& compare() { return compare_; }

  // What goes into the record.
  void add_cases(std::uint64_t n) { cases_ += n; }
  void add_discards(std::uint64_t n) { discards_ += n; }
  void add_shrinks(std::uint64_t n) { shrinks_ += n; }
  void domain(Domain d) { domain_ = d; }
  void agreement(Agreement a) { agreement_ = a; }
  void result(Digest digest) { result_digest_ = std::move(digest); }
  void input(std::string name, Digest sha256);
  void measure(std::string_view name, Value value) { measurements_.set(name, std::move(value)); }
  void environment(std::string_view name, Value value) { environment_.set(name, std::move(value)); }

  /// The whole outcome. A survival without a case or a comparison is turned into declined,
  /// zero_cases.
  Outcome outcome(Verdict verdict) const;

 private:
  const Value& parameter(std::string_view name);

  Job job_;
  Comparator compare_;
  std::uint64_t cases_ = 0, discards_ = 0, shrinks_ = 0;
  Domain domain_ = Domain::generated;
  Agreement agreement_ = Agreement::none;
  Digest result_digest_;
  std::vector<InputDigest> inputs_;
  Value measurements_ = Value::Map{}, environment_ = Value::Map{};
  std::set<std::string> parameters_read_;
};

/// Decimal text or a plain integer, whole and unsigned: seeds travel as text.
std::optional<std::uint64_t> unsigned_from(const Value& value);

// Short spellings of verdicts.
Verdict survived();
Verdict refuted(std::string message, Value counterexample);
Verdict declined(DeclineReason reason, std::string message);

}  // namespace refute::worker
