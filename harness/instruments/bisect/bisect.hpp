#pragma once

// Which operation of a decoder is wrong on one execution path, and whether what is seen is a bug at
// all. Two ends are compared: two paths of a model, or two captures of it.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/instruments/bisect/captured_run.hpp"
#include "harness/instruments/bisect/end.hpp"
#include "harness/instruments/bisect/stage_row.hpp"
#include "harness/instruments/bisect/toggles.hpp"
#include "harness/instruments/bisect/verdict.hpp"
#include "harness/model/result.hpp"

namespace refute::bisect {

struct PathRequest {
  End good, bad;  ///< on one model, or on an original and its quantised copy
  std::vector<std::uint32_t> prompt;
  /// Tokens to decode in search of the first that differs; each is a step of the bisection, so
  /// that what goes wrong beside a cache is found.
  std::size_t max_tokens = 4;
  std::optional<std::uint32_t> reported;  ///< the failing run's token after the prompt
  std::size_t replicas = 4;               ///< of noise; 0: nothing is predicted of total errors
  bool toggles = true;                    ///< try what flips the decision
};

/// Two captures of the same tokens. With a model, each stage's own error is told from what it
/// inherited; without one nothing can be judged, and only distances are shown.
struct CaptureRequest {
  const CapturedRun* good = nullptr;
  const CapturedRun* bad = nullptr;
  const DecoderModel* model = nullptr;     ///< of both captures, or of the bad one; may be null
  const DecoderModel* original = nullptr;  ///< of the good one, where its weights are others
  std::optional<std::uint32_t> reported;
  std::size_t replicas = 4;
  bool toggles = true;
  unsigned threads = 1;
};

struct EndSummary {
  std::string name;   ///< "fast+flash2", or the capture's folder
  std::string model;  ///< for people
  tensor::CapturePath path;
};

struct Report {
  EndSummary good, bad;
  bool other_weights = false;  ///< the ends run on different weights of one model
  std::vector<std::uint32_t> prompt;
  Symptom symptom;
  std::optional<Decision> reference;  ///< of the oracle on the bad end's weights, who arbitrates
  std::vector<StageRow> rows;         ///< in forward order
  std::vector<Toggle> toggles;
  std::vector<std::string> notes;  ///< what a reader must not overlook
  std::size_t replicas = 0, flips = 0;
  Verdict verdict;
};

/// An error where the ends cannot run: a path that its model refuses, models of two shapes, tokens
/// out of range.
Result<Report> bisect_paths(const PathRequest& request);

/// An error where the captures are of different tokens, or of another model than they are said to
/// be, or not of its shapes, or declare an arithmetic for which there is no floor.
Result<Report> bisect_captures(const CaptureRequest& request);

}  // namespace refute::bisect
