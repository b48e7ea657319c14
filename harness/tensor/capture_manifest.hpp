#pragma once

// What a folder of stage files holds: `manifest.json` says which model ran, on which tokens, by
// which execution path, and what each file is. Stage files alone say none of it, and captures of
// different things compare without complaint.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/ids.hpp"
#include "harness/model/result.hpp"
#include "harness/model/value.hpp"
#include "harness/tensor/stages.hpp"

namespace refute::tensor {

inline constexpr std::string_view kManifestName = "manifest.json";
inline constexpr int kManifestVersion = 1;

struct CapturedFile {
  Stage stage{};
  std::uint32_t layer = kWholeModel;
  std::vector<std::size_t> shape;  ///< outermost first
  Digest sha256;                   ///< of the whole file

  std::size_t count() const;
  std::string path() const { return stage_file(stage, layer); }  ///< below the capture's folder
  bool operator==(const CapturedFile&) const = default;
};

/// How the numbers were made: two captures of one model and the same tokens that differ in this are
/// worth comparing, and are labelled.
struct CapturePath {
  std::string name;                  ///< "reference", "reference-dequant", "fast", "hf-eager"
  std::string attention;             ///< "naive", "flash2"
  std::string backend;               ///< "cpu", "cuda"
  std::vector<std::string> kernels;  ///< "linear: f64 in 8 lanes", "openblas 0.3.21 SkylakeX"
  std::string weight_dtype, activation_dtype, accumulate_dtype;
  bool operator==(const CapturePath&) const = default;
};

struct CaptureManifest {
  std::string producer;  ///< "refute 0.1.0"
  std::string model;     ///< the file's or folder's name, for people
  Digest model_sha256;   ///< model_digest(), for machines
  std::string architecture;
  std::uint32_t layers = 0;  ///< of the model, whatever was captured
  std::vector<std::uint32_t> tokens;
  CapturePath path;
  std::vector<CapturedFile> files;  ///< in forward order

  const CapturedFile* find(Stage stage, std::uint32_t layer) const;
  bool operator==(const CaptureManifest&) const = default;
};

/// Digest of what decided the numbers: model, tokens, path. Not of what was kept of them.
Digest run_id(const CaptureManifest& manifest);
/// Digest of the path alone: equal for runs that did the same arithmetic.
Digest path_fingerprint(const CapturePath& path);

/// The digest of a model of several files: of the lines that `sha256sum` prints for them, sorted by
/// name; of one file, that file's own.
struct NamedDigest {
  std::string name;
  Digest sha256;
};
Digest model_digest(std::vector<NamedDigest> files);

Value manifest_value(const CaptureManifest& manifest);

/// Strict: unknown or missing members, another version, a run id that is not that of its inputs,
/// a layer that the stage cannot have or a file listed twice are errors.
Result<CaptureManifest> parse_manifest(std::string_view text);

/// Reads `folder`/manifest.json; errors name it.
Result<CaptureManifest> read_manifest(const std::string& folder);
std::optional<Error> write_manifest(const std::string& folder, const CaptureManifest& manifest);

}  // namespace refute::tensor
