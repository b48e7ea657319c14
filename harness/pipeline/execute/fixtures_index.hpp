#pragma once

#include <map>
#include <set>
#include <string>

#include "harness/model/diagnostic.hpp"
#include "harness/model/ids.hpp"
#include "harness/model/result.hpp"
#include "harness/pipeline/execute/line_cache.hpp"

namespace refute::pipeline {

/// SHA-256 of files, remembered by path, size, modification time and inode: hashing a model costs
/// more than using it.
class FileDigests {
 public:
  explicit FileDigests(LineCache& cache);
  Result<Digest> of(const std::string& path);

 private:
  LineCache& cache_;
  std::map<std::string, Digest> known_;
};

/// The real files that are here and are what the index says.
struct Fixtures {
  std::map<std::string, std::string> paths;  ///< name → path
  std::map<std::string, Digest> digests;     ///< of the same names
  std::set<std::string> absent;              ///< wanted, and not to be had
  Diagnostics diagnostics;
};

/// Looks up the wanted names in fixtures/index.json, a list of {"name", "path", "sha256"} with
/// paths from the folder above the index. A file whose digest differs is not passed on, and that is
/// an error; an absent one makes its jobs decline.
Fixtures find_fixtures(const std::string& index, const std::set<std::string>& wanted,
                       FileDigests& digests);

}  // namespace refute::pipeline
