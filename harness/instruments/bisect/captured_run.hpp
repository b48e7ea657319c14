#pragma once

// A capture as one end of a bisection: what some engine wrote of its run, verified file by file.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/instruments/bisect/end.hpp"
#include "harness/tensor/capture.hpp"

namespace refute::bisect {

class CapturedRun {
 public:
  /// Reads the manifest and every file that it lists; a file that is absent, cut short, swapped or
  /// edited is an error that names it.
  static Result<CapturedRun> open(const std::string& folder);

  const std::string& folder() const { return folder_; }
  const tensor::CaptureManifest& manifest() const { return manifest_; }
  const std::vector<std::string>& stale() const { return stale_; }  ///< files of an earlier run

  bool has(StageAt at) const { return files_.contains({at.layer, at.stage}); }
  std::span<const float> values(StageAt at) const;  ///< only where has() says so
  /// A file of whole-model logits decides; none without it.
  std::optional<Decision> decision() const;
  /// naive where a layer's probabilities were captured; else attention is judged from Q, K and V.
  AttentionKernel attention(std::uint32_t layer) const;
  AttentionKernel attention() const;  ///< naive where any layer's were

  /// Whether every file has the shape that the model gives that stage for these tokens.
  std::optional<Error> refuse_shapes(const DecoderModel& model) const;
  bool damaged() const;

 private:
  CapturedRun(std::string folder, tensor::CaptureManifest manifest)
      : folder_(std::move(folder)), manifest_(std::move(manifest)) {}

  std::string folder_;
  tensor::CaptureManifest manifest_;
  std::vector<std::string> stale_;
  std::map<std::pair<std::uint32_t, Stage>, tensor::AprtFile> files_;
};

}  // namespace refute::bisect
