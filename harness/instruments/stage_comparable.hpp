#pragma once

// Whether two captures, or two stage files, speak of the same thing.

#include <optional>
#include <string>
#include <vector>

#include "harness/model/result.hpp"
#include "harness/tensor/aprt.hpp"
#include "harness/tensor/capture_manifest.hpp"

namespace refute::instruments {

/// Other tokens, or another model unless `across_models`: numbers that differ would mean nothing.
std::optional<Error> refuse_comparison(const tensor::CaptureManifest& a,
                                       const tensor::CaptureManifest& b, bool across_models);

/// What the two runs did differently, one clause each: "attention: naive in A, flash2 in B".
std::vector<std::string> differences(const tensor::CaptureManifest& a,
                                     const tensor::CaptureManifest& b);

/// Other stages by their names, other layers, or other numbers of values.
std::optional<Error> refuse_files(const std::string& path_a, const tensor::AprtFile& a,
                                  const std::string& path_b, const tensor::AprtFile& b);

}  // namespace refute::instruments
