#pragma once

#include <string>

namespace refute::pipeline {

/// Where refute finds its own things. In a build folder the workers lie beside the executable and
/// the fixtures one folder up; in a bundle all of it lies beside.
struct Locations {
  std::string workers;         ///< folder of the falsify_* executables
  std::string canary_worker;   ///< falsify_canary among them
  std::string canary;          ///< fixtures/canary/canary-v1.yaml
  std::string fixtures_index;  ///< fixtures/index.json
  std::string contracts;       ///< the contracts that refute comes with
};

/// `folder`: the one that holds the executable.
Locations locations_from(const std::string& folder);
/// The running executable, and the folder that holds it.
std::string executable_path();
std::string executable_folder();

}  // namespace refute::pipeline
