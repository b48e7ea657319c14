#pragma once

// Which operation of a decoder is wrong on one execution path, and whether what is seen is a bug at
// all. Two ends are compared: two paths of a model, or two captures of it.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/instruments/bisect/end.hpp"
#include "harness/instruments/bisect/stage_row.hpp"
#include "harness/instruments/bisect/verdict.hpp"
#include "harness/model/result.hpp"

namespace refute::bisect {

struct PathRequest {
  End good, bad;  ///< on one model, or on an original and its quantised copy
  std::vector<std::uint32_t> prompt;
  /// Tokens to decode in search of the first that differs; each is a step of the bisection, so
  /// that what goes wrong beside a cache is found.
  std::size_t max_tokens = 4;
  std::optional<std::uint32_t> reported;  ///< what the failing run is said to have decided
  std::size_t replicas = 4;               ///< of noise; 0: nothing is predicted of total errors
  bool toggles = true;                    ///< try what flips the decision
};

/// One thing changed, and what the bad end then decides.
struct Toggle {
  std::string factor;  ///< "attention", "activations", "path", "weights", "layer 2, attn_out"
  std::string from, to;
  Decision decision;
  bool flips = false;  ///< to what the good end decides
};

struct Report {
  std::string good, bad;        ///< what the ends are: "reference", "fast+flash2", a folder
  std::string model, original;  ///< original is empty where both ends have the same weights
  std::vector<std::uint32_t> prompt;
  Symptom symptom;
  std::optional<Decision> reference;  ///< of the oracle, who arbitrates
  std::vector<StageRow> rows;         ///< in forward order
  std::vector<Toggle> toggles;
  std::vector<std::string> notes;  ///< what a reader must not overlook
  std::size_t replicas = 0, flips = 0;
  Verdict verdict;
};

/// An error where the ends cannot run: a path that its model refuses, models of two shapes, tokens
/// out of range.
Result<Report> bisect_paths(const PathRequest& request);

}  // namespace refute::bisect
