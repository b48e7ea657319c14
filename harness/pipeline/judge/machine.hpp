#pragma once

#include <string>
#include <vector>

#include "harness/model/ids.hpp"

namespace refute::pipeline {

/// What makes a machine the same machine. Only its digest is ever written down.
struct MachineFacts {
  std::string machine_id;  ///< /etc/machine-id, or the board's serial
  std::string cpu_vendor, cpu_model, cpu_flags;
  std::vector<std::string> gpu_uuids;
};

MachineFacts read_machine();
/// Equal for the same machine at any time, in any order of its GPUs.
Digest fingerprint(const MachineFacts& facts);

}  // namespace refute::pipeline
