#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/model/evidence.hpp"
#include "harness/model/result.hpp"
#include "harness/pipeline/judge/observation.hpp"

namespace refute::pipeline {

/// What a run was asked, and how it ended. Goes to run.json.
struct RunFacts {
  std::string id;  ///< given by the store: "20261120-233108-0"
  Seed seed;
  Value options;             ///< the command line as parsed: map
  Value toolchain;           ///< per worker: compiler, flags, sanitizers
  Digest machine;            ///< fingerprint of the machine it ran on (machine.hpp)
  bool finished = false;     ///< false while it runs, and after a kill
  bool interrupted = false;  ///< ended by Ctrl-C: the record is complete up to there
  std::optional<std::uint64_t> records = {};  ///< how many were written; told when it ends
  bool operator==(const RunFacts&) const = default;
};

/// The record of one run, being written:
/// `<root>/runs/<id>/{run.json,record.jsonl,observations.jsonl}`. Append-only, one line per record.
/// Every run has a folder of its own, so two at once do not mix; a lock on the record keeps a
/// second writer out. Move-only; not for several threads at once.
class RunWriter {
 public:
  /// Makes the folder under `root` (".refute" as a rule) and names the run. `facts.id` is ignored.
  static Result<RunWriter> create(const std::string& root, RunFacts facts);
  RunWriter(RunWriter&&) noexcept;
  RunWriter& operator=(RunWriter&&) noexcept;
  ~RunWriter();  ///< without finish(): the record stays, as that of a run that did not finish

  /// Appends both lines. On an error (a full disk) nothing half-written stays behind, and the
  /// earlier lines stay.
  [[nodiscard]] std::optional<Error> append(const Evidence& evidence,
                                            const Observation& observation);
  /// Forces all of it to disk, marks the run finished and moves `<root>/latest` to it, atomically.
  [[nodiscard]] std::optional<Error> finish(bool interrupted = false);

  const RunFacts& facts() const;
  const std::string& folder() const;

 private:
  struct State;
  explicit RunWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct StoredRun {
  RunFacts facts;
  std::vector<Evidence>
      evidence;  ///< in the order in which it ran; each attested by the run's machine
  std::vector<Observation> observations;
  std::vector<std::string> notes;  ///< what a reader should know: not finished, a last line cut off
  std::vector<std::string> newer;  ///< runs that began later and did not finish (load_latest only)
};

/// Why there is no run to read.
struct StoreError : Error {
  bool damaged = false;  ///< the record is there, and is not what the run wrote: exit 7
};

/// Reads a run back and holds each record against the digest that the run kept beside it, and their
/// number against the run's. Of a run that was killed, a last line without its newline, and the
/// half of a pair of lines, are left out and noted; any other damage is an error that names file
/// and line.
Result<StoredRun, StoreError> load_run(const std::string& root, const std::string& id);
/// The run that `latest` points to. Nothing when the store is empty or absent. A newer run that did
/// not finish is noted.
Result<std::optional<StoredRun>, StoreError> load_latest(const std::string& root);
/// All run ids, oldest first.
std::vector<std::string> list_runs(const std::string& root);

}  // namespace refute::pipeline
