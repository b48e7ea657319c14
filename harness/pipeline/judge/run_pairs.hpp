#pragma once

#include <optional>
#include <string>

#include "harness/pipeline/judge/store.hpp"

namespace refute::pipeline {

/// A run writes its record and its observations in step, line by line, and each observation names
/// the digest of its record. Says where a run that was read back is not what was written: a record
/// that was edited, taken out or added. Of a run that was killed or is still `growing`, what has no
/// counterpart yet is left out and noted. Afterwards both lists are of one length.
[[nodiscard]] std::optional<Error> check_pairs(const std::string& folder, bool growing,
                                               StoredRun& run);

}  // namespace refute::pipeline
