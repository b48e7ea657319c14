#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/model/evidence.hpp"
#include "harness/model/job.hpp"
#include "harness/model/result.hpp"
#include "harness/pipeline/execute/bind.hpp"
#include "harness/pipeline/execute/fixtures_index.hpp"

namespace refute::pipeline {

/// Part k of n, counted from 1.
struct Shard {
  unsigned index = 1, count = 1;
};
/// Reads "2/5".
Result<Shard> parse_shard(std::string_view text);

/// What of the bound claims is to run. Empty lists select everything.
struct Selection {
  std::vector<std::string> claims;    ///< globs over claim ids (*, ?, [a-z])
  std::vector<std::string> subjects;  ///< names
  std::optional<Level> level;         ///< only claims that ask for this level under `requires`
  Shard shard;
};

struct PlanOptions {
  Selection selection;
  Seed run_seed;
  unsigned threads = 1;  ///< given to exclusive jobs; the others get one each
  bool vacuity = true;   ///< also the arms that ask whether the check has power
};

struct PlannedJob {
  Job job;                ///< without its nonce, which each process gets anew
  std::string worker;     ///< path of the executable
  Provenance provenance;  ///< architecture is still empty: the worker tells it
  bool exclusive = false;
  bool declared = false;  ///< the worker itself told provenance.source (BoundSubject)
  std::vector<std::string> fixtures_wanted;  ///< names; attach() fills in the next and job.fixtures
  std::map<std::string, Digest> fixture_digests;
};

/// The jobs, in the order of the contracts: per claim its subjects, then its mutants, negated
/// checks or control. A pure function. A job's id, seed and shard follow from its own contract,
/// claim, subject and the run's seed, so adding a claim moves no other. A pattern or a subject that
/// matches nothing is an error with the near miss.
Result<std::vector<PlannedJob>> plan(const std::vector<BoundClaim>& bound,
                                     const PlanOptions& options);

/// Gives each job the fixtures that it wants and that are here.
void attach(std::vector<PlannedJob>& jobs, const Fixtures& fixtures);

/// Which shard of `count` a claim belongs to, counted from 1.
unsigned shard_of(const ContractId& contract, const ClaimId& claim, unsigned count);
/// The seed of a subject's jobs.
Seed job_seed(const ContractId& contract, const ClaimId& claim, const SubjectName& subject,
              Seed run_seed);
/// Digest of what makes a job the same job in another run.
std::string job_id(const Job& job);

}  // namespace refute::pipeline
