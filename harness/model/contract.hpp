#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/model/diagnostic.hpp"
#include "harness/model/ids.hpp"
#include "harness/model/level.hpp"
#include "harness/model/value.hpp"

namespace refute {

/// Where a tolerance comes from: a proof, a measurement, or somebody's choice.
enum class Origin { derived, calibrated, chosen };

/// A number (or list, or word) that a falsifier works with. Falsifiers hold none of their own.
struct Parameter {
  std::string name;
  Value value;
  std::optional<Origin> origin;  ///< required of every tolerance, band and threshold
  std::string because;           ///< the derivation, the measurement, or the reason of the choice
  Span span{};                   ///< of the value
  std::vector<Span> items{};     ///< of each item of a list
};

/// What it takes to reach one level.
struct Requirement {
  std::vector<SubjectName> subjects;  ///< every one of these must have survived
  std::string device;                 ///< "cuda": the evidence must come from a live device
  std::optional<int> min_sm;          ///< least compute capability, as 10·major + minor
  std::string fixture;                ///< name of a real file that the evidence must have read
  std::string command;                ///< the real command that the evidence must have run
  bool live = false;      ///< the claim speaks of the subject's own code, and it ran on every input
  std::string agreement;  ///< "bytewise" or "exhaustive", with an independent oracle
  int machines = 0;       ///< least number of machines that reproduced the record
};

enum class Expect { survived, refuted };

/// Bounds on one worker process. Not part of the claim: tuning never makes evidence stale.
struct Limits {
  double time_s = 60;
  std::int64_t memory_mib = 4096;
};

/// One entry of falsification_tests.
struct Claim {
  ClaimId id;
  std::string rule, prediction, if_fails;
  std::string test;      ///< shell text or prose; shown, never run
  std::string binds_to;  ///< name of an equation
  std::string
      status;  ///< the level typed by hand, if any; only ever compared with the computed one
  std::vector<std::string> blocked_on;  ///< BLOCKER-… words typed beside it
  std::vector<Parameter> parameters;
  std::vector<SubjectName> subjects;
  std::map<Level, Requirement> requirements;
  Expect expect = Expect::survived;
  std::vector<MutantName> mutants;  ///< must be refuted, each of them
  std::optional<SubjectName>
      control;  ///< for `expect: refuted`: a subject on which the same check survives
  Limits limits;
  bool machine_read = false;  ///< carries `parameters`: a missing binding is then an error
  Value
      clause;  ///< the normalised clause and the equation it binds to: what the claim digest covers
  Span span;
};

struct Contract {
  ContractId id;
  std::string version;
  std::string file;  ///< as the user named it
  std::vector<Claim> claims;
};

}  // namespace refute
