#include "harness/tensor/capture.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <future>
#include <set>
#include <system_error>

#include <fmt/format.h>
#include <unistd.h>

#include "harness/digest/sha256.hpp"

namespace refute::tensor {
namespace {

namespace fs = std::filesystem;

Digest digest_of(std::uint32_t layer, std::span<const float> values) {
  Sha256 hash;
  hash.bytes(aprt_header(layer, static_cast<std::uint32_t>(values.size())));
  hash.bytes(std::as_bytes(values));
  return hash.finish();
}

/// "layer-7", but not "layer-07": only what a trace can have written.
bool is_layer_folder(const std::string& name) {
  constexpr std::string_view kPrefix = "layer-";
  if (!name.starts_with(kPrefix)) return false;
  std::uint32_t layer = 0;
  const char* end = name.data() + name.size();
  const auto [at, error] = std::from_chars(name.data() + kPrefix.size(), end, layer);
  return error == std::errc() && at == end && fmt::format("layer-{}", layer) == name;
}

void collect_stage_files(const std::string& folder, const std::string& below,
                         std::vector<std::string>& found) {
  for (const StageRow& row : kStages) {
    // A stage is looked for wherever its name could stand: embedding in layer 5 is stale as well.
    const std::string path = below + std::string(row.name) + ".bin";
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(folder + "/" + path, ignored))) found.push_back(path);
  }
}

}  // namespace

Result<CaptureWriter> CaptureWriter::begin(const std::string& folder, CaptureManifest manifest) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) {
    return Error{fmt::format("{}: cannot be made: {}", folder, failed.message()),
                 "name another folder"};
  }
  const std::string old = folder + "/" + std::string(kManifestName);
  if (::unlink(old.c_str()) != 0 && errno != ENOENT) {
    return Error{fmt::format("{}: cannot be removed: {}", old, std::strerror(errno)),
                 "name another folder"};
  }
  manifest.files.clear();
  return CaptureWriter(folder, std::move(manifest));
}

std::optional<Error> CaptureWriter::add(Stage stage, std::uint32_t layer,
                                        const std::vector<std::size_t>& shape,
                                        std::span<const float> values) {
  CapturedFile file{stage, layer, shape, {}};
  assert(file.count() == values.size() && layer_fits(stage, layer));
  // A digest takes as long as a write into the page cache, so the two run beside each other.
  auto digest = std::async(std::launch::async, digest_of, layer, values);
  if (auto error = write_aprt(folder_ + "/" + file.path(), layer, values)) return error;
  file.sha256 = digest.get();
  manifest_.files.push_back(std::move(file));
  return std::nullopt;
}

std::optional<Error> CaptureWriter::finish() {
  return write_manifest(folder_, manifest_);
}

Result<AprtFile> open_stage(const std::string& folder, const CapturedFile& file) {
  const std::string path = folder + "/" + file.path();
  auto opened = AprtFile::open(path);
  if (!opened) return opened.take_error();
  const char* hint = "the file is not the one that this capture's run wrote; capture it again";
  if (opened->layer() != file.layer) {
    return Error{
        fmt::format(
            "{}: is of {}, the manifest says {}", path,
            opened->layer() == kWholeModel ? "the whole model"
                                           : fmt::format("layer {}", opened->layer()),
            file.layer == kWholeModel ? "the whole model" : fmt::format("layer {}", file.layer)),
        hint};
  }
  if (opened->values().size() != file.count()) {
    return Error{fmt::format("{}: has {} values, the manifest says {}", path,
                             opened->values().size(), file.count()),
                 hint};
  }
  const Digest digest = Sha256().bytes(opened->bytes()).finish();
  if (digest != file.sha256 || opened->damaged()) {
    return Error{fmt::format("{}: has other content than the manifest says", path), hint};
  }
  return opened;
}

std::vector<std::string> verify_capture(const std::string& folder,
                                        const CaptureManifest& manifest) {
  std::vector<std::string> wrong;
  for (const CapturedFile& file : manifest.files) {
    const auto opened = open_stage(folder, file);
    if (!opened) wrong.push_back(opened.error().what);
  }
  return wrong;
}

std::vector<std::string> stale_files(const std::string& folder, const CaptureManifest& manifest) {
  std::vector<std::string> found;
  collect_stage_files(folder, "", found);
  std::error_code ignored;
  for (fs::directory_iterator at(folder, ignored), end; at != end; at.increment(ignored)) {
    const std::string name = at->path().filename().string();
    if (is_layer_folder(name)) collect_stage_files(folder, name + "/", found);
    if (ignored) break;
  }
  std::set<std::string> listed;
  for (const CapturedFile& file : manifest.files) listed.insert(file.path());
  std::erase_if(found, [&](const std::string& path) { return listed.contains(path); });
  std::ranges::sort(found);
  return found;
}

}  // namespace refute::tensor
