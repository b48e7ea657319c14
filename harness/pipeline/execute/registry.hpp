#pragma once

#include <string>
#include <vector>

#include "harness/model/diagnostic.hpp"
#include "harness/pipeline/execute/worker_info.hpp"

namespace refute::pipeline {

struct WorkerSearch {
  std::string folder;              ///< every file falsify_* in it; empty: none
  std::vector<std::string> named;  ///< further workers, from --worker
  std::string canary;              ///< the canary's worker, wherever the folder is; empty: none
  std::vector<std::string> environment;  ///< for their --list
};

/// The workers that answered, sorted by path, and what is wrong with the others.
struct Registry {
  std::vector<WorkerInfo> workers;
  Diagnostics diagnostics;

  const WorkerInfo* falsifier_of(const ContractId& contract) const;
};

/// Asks every worker for its list, all at once. A bad worker is a diagnostic that names its file;
/// the others stay.
Registry find_workers(const WorkerSearch& search);

}  // namespace refute::pipeline
