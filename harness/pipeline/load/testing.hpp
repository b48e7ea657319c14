#pragma once

// For the tests of this folder: real files in a folder of their own.

#include <string>
#include <string_view>

#include "harness/pipeline/load/load_contracts.hpp"

namespace refute::pipeline::testing {

/// A temporary folder that goes away with its owner.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }
  /// Writes a file, with its parent folders; returns its path.
  std::string write(std::string_view name, std::string_view text) const;

 private:
  std::string path_;
};

/// A file of the repository.
std::string source_path(std::string_view relative);
std::string read_text(const std::string& path);

/// Loads one text as the only contract of a folder, under this file name.
LoadResult load_text(std::string_view text, std::string_view name = "sample-v1.yaml");

/// The first finding of that code, or null.
const Diagnostic* find(const LoadResult& result, std::string_view code);

/// All findings, one a line, for a failed test's message.
std::string listing(const LoadResult& result);

}  // namespace refute::pipeline::testing
