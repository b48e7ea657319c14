#pragma once

#include <string>
#include <string_view>

#include "harness/model/ids.hpp"
#include "harness/model/result.hpp"
#include "harness/model/value.hpp"

namespace refute::pipeline {

/// What differs from machine to machine and from run to run. Kept beside a record, never in it.
struct Observation {
  Digest record;        ///< of the record that it belongs to
  std::string started;  ///< "2026-11-20T23:31:08Z"
  double duration_s = 0;
  Value environment;        ///< as the worker told it: device, driver, SIMD target
  std::string output;       ///< the end of the worker's stdout and stderr, bounded by the caller
  bool from_cache = false;  ///< a vacuity result that was not run again
  bool operator==(const Observation&) const = default;
};

/// One line of JSON, without the newline.
std::string observation_json(const Observation& observation);
Result<Observation> parse_observation(std::string_view line);

}  // namespace refute::pipeline
