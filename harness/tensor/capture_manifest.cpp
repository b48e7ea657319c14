#include "harness/tensor/capture_manifest.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "harness/digest/sha256.hpp"
#include "harness/json/json.hpp"
#include "harness/tensor/mapped_file.hpp"
#include "harness/tensor/replace_file.hpp"

namespace refute::tensor {
namespace {

constexpr json::Bounds kBounds = {.bytes = 64u << 20, .depth = 8, .nodes = 2'000'000};

Value list_of(const std::vector<std::string>& texts) {
  Value list = Value::List{};
  for (const std::string& text : texts) list.push(text);
  return list;
}

Value path_value(const CapturePath& path) {
  return Value::Map{
      {"name", path.name},
      {"attention", path.attention},
      {"backend", path.backend},
      {"kernels", list_of(path.kernels)},
      {"weight_dtype", path.weight_dtype},
      {"activation_dtype", path.activation_dtype},
      {"accumulate_dtype", path.accumulate_dtype},
      {"fingerprint", path_fingerprint(path).text},
  };
}

Value file_value(const CapturedFile& file) {
  Value shape = Value::List{};
  for (const std::size_t extent : file.shape) shape.push(std::uint64_t{extent});
  Value layer;
  if (file.layer != kWholeModel) layer = std::int64_t{file.layer};
  return Value::Map{{"file", file.path()},
                    {"stage", to_string(file.stage)},
                    {"layer", layer},
                    {"shape", shape},
                    {"sha256", file.sha256.text}};
}

/// What of a path decides numbers.
void feed(Sha256& hash, const CapturePath& path) {
  hash.field("refute capture path").field(path.name).field(path.attention).field(path.backend);
  hash.field(path.kernels.size());
  for (const std::string& kernel : path.kernels) hash.field(kernel);
  hash.field(path.weight_dtype).field(path.activation_dtype).field(path.accumulate_dtype);
}

}  // namespace

std::size_t CapturedFile::count() const {
  std::size_t count = 1;
  for (const std::size_t extent : shape) count *= extent;
  return count;
}

const CapturedFile* CaptureManifest::find(Stage stage, std::uint32_t layer) const {
  const auto at = std::ranges::find_if(
      files, [&](const CapturedFile& f) { return f.stage == stage && f.layer == layer; });
  return at == files.end() ? nullptr : &*at;
}

Digest path_fingerprint(const CapturePath& path) {
  Sha256 hash;
  feed(hash, path);
  return hash.finish();
}

Digest run_id(const CaptureManifest& m) {
  Sha256 hash;
  hash.field("refute capture").field(std::uint64_t{kManifestVersion}).field(m.model_sha256.text);
  hash.field(m.tokens.size());
  for (const std::uint32_t token : m.tokens) hash.field(std::uint64_t{token});
  feed(hash, m.path);
  return hash.finish();
}

Digest model_digest(std::vector<NamedDigest> files) {
  if (files.size() == 1) return files[0].sha256;
  std::ranges::sort(files, {}, &NamedDigest::name);
  std::string listing;
  for (const NamedDigest& file : files) {
    listing += fmt::format("{}  {}\n", file.sha256.text, file.name);
  }
  return sha256_of(listing);
}

Value manifest_value(const CaptureManifest& m) {
  Value tokens = Value::List{}, files = Value::List{};
  for (const std::uint32_t token : m.tokens) tokens.push(std::int64_t{token});
  for (const CapturedFile& file : m.files) files.push(file_value(file));
  return Value::Map{
      {"format", "refute-capture"},
      {"version", kManifestVersion},
      {"run_id", run_id(m).text},
      {"producer", m.producer},
      {"model", Value::Map{{"name", m.model},
                           {"sha256", m.model_sha256.text},
                           {"architecture", m.architecture},
                           {"layers", std::int64_t{m.layers}}}},
      {"tokens", tokens},
      {"path", path_value(m.path)},
      {"files", files},
  };
}

Result<CaptureManifest> read_manifest(const std::string& folder) {
  const std::string path = folder + "/" + std::string(kManifestName);
  const auto file = MappedFile::open(path);
  if (!file) {
    return Error{file.error().what,
                 "a capture is a folder with a manifest.json, as `refute trace` writes it"};
  }
  if (file->bytes().size() > kBounds.bytes) {
    return Error{path + ": is larger than any manifest", "name a capture's folder"};
  }
  // A copy: what is parsed must not change meanwhile.
  const std::string text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  auto manifest = parse_manifest(text);
  if (!manifest) return Error{path + ": " + manifest.error().what, manifest.error().hint};
  return manifest;
}

std::optional<Error> write_manifest(const std::string& folder, const CaptureManifest& manifest) {
  return replace_file(folder + "/" + std::string(kManifestName),
                      json::dump_pretty(manifest_value(manifest)));
}

}  // namespace refute::tensor
