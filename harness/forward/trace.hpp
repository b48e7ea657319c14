#pragma once

// A capture of one forward pass: chosen stages of chosen layers, as files with a manifest.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/forward/forward.hpp"
#include "harness/forward/top_candidates.hpp"
#include "harness/tensor/capture.hpp"

namespace refute::forward {

struct TraceRequest {
  std::vector<std::uint32_t> tokens;
  std::vector<Stage> stages;                 ///< in forward order; all of them: those that run
  std::optional<tensor::LayerRange> layers;  ///< all without it; whole-model stages have none
  ExecutionPath path;
};

/// What will be written, decided before anything runs. An error for a stage that does not run in
/// this model or on this path, layers that it does not have, tokens that it cannot take, a path
/// that refuses it, and a selection of nothing.
Result<std::vector<StageAt>> plan_trace(const DecoderModel& model, const TraceRequest& request);

struct NonFinite {
  StageAt at;
  std::size_t count = 0;
};

struct TraceReport {
  tensor::CaptureManifest manifest;
  std::string folder;
  std::vector<std::string> stale;     ///< stage files there that this run did not write
  std::vector<Candidate> top;         ///< the next token, as this very pass decides it
  std::vector<NonFinite> non_finite;  ///< of the files written, in forward order
};

/// Runs the pass once and writes the planned files. `model_digest` is DecoderModel::digest().
Result<TraceReport> run_trace(const DecoderModel& model, const TraceRequest& request,
                              const std::vector<StageAt>& plan, const std::string& folder,
                              const Digest& model_digest, const std::string& producer);

/// "tiny-trace" for tiny.gguf, and for a folder tiny.
std::string default_trace_folder(const DecoderModel& model);

}  // namespace refute::forward
