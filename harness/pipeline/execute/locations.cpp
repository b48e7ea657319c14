#include "harness/pipeline/execute/locations.hpp"

#include <filesystem>

namespace refute::pipeline {

Locations locations_from(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  fs::path root = folder;
  if (!fs::exists(root / "fixtures" / "canary" / "canary-v1.yaml", ignored))
    root = (root / "..").lexically_normal();
  const fs::path workers = fs::path(folder) / "falsifiers";
  return {workers.string(), (workers / "falsify_canary").string(),
          (root / "fixtures" / "canary" / "canary-v1.yaml").string(),
          (root / "fixtures" / "index.json").string(), (root / "contracts").string()};
}

std::string executable_path() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "" : path.string();
}

std::string executable_folder() {
  const std::filesystem::path path = executable_path();
  return path.empty() ? "." : path.parent_path().string();
}

}  // namespace refute::pipeline
