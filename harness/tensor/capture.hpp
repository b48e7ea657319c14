#pragma once

// A folder of stage files with its manifest: written file by file, verified when read.

#include <optional>
#include <string>
#include <vector>

#include "harness/tensor/aprt.hpp"
#include "harness/tensor/capture_manifest.hpp"

namespace refute::tensor {

/// Writes a capture. The manifest of an earlier one in the same folder goes first, so that an
/// interrupted run leaves files that no manifest vouches for, never an old manifest over new files.
class CaptureWriter {
 public:
  static Result<CaptureWriter> begin(const std::string& folder, CaptureManifest manifest);

  /// Writes one stage's file and notes it. The shape's product is the number of values.
  std::optional<Error> add(Stage stage, std::uint32_t layer, const std::vector<std::size_t>& shape,
                           std::span<const float> values);
  /// Writes the manifest.
  std::optional<Error> finish();

  const CaptureManifest& manifest() const { return manifest_; }
  const std::string& folder() const { return folder_; }

 private:
  CaptureWriter(std::string folder, CaptureManifest manifest)
      : folder_(std::move(folder)), manifest_(std::move(manifest)) {}

  std::string folder_;
  CaptureManifest manifest_;
};

/// Opens one stage of a capture and holds it against the manifest: its layer, its number of values,
/// its digest. So swapped, exchanged and edited files are found.
Result<AprtFile> open_stage(const std::string& folder, const CapturedFile& file);

/// One sentence for each file of the manifest that is absent or not what the manifest says.
std::vector<std::string> verify_capture(const std::string& folder, const CaptureManifest& manifest);

/// Stage files in the folder that the manifest does not list, by their path below it, sorted: an
/// earlier run left them. Files that are no stage's are nobody's business.
std::vector<std::string> stale_files(const std::string& folder, const CaptureManifest& manifest);

}  // namespace refute::tensor
