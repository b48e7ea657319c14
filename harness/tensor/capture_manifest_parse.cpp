// Reads a manifest that may come from anywhere.

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "harness/json/json.hpp"
#include "harness/tensor/capture_manifest.hpp"
#include "harness/tensor/text.hpp"

namespace refute::tensor {
namespace {

constexpr json::Bounds kBounds = {.bytes = 64u << 20, .depth = 8, .nodes = 2'000'000};
constexpr std::size_t kRank = 8;

/// Takes members out of one map. The first thing that is wrong stays, with its place.
class Members {
 public:
  Members(const Value& value, std::string at, std::string& wrong)
      : map_(value.as_map()), at_(std::move(at)), wrong_(wrong) {
    if (map_ == nullptr) complain("is no object");
  }

  const Value& take(std::string_view key) {
    static const Value kNone;
    taken_.insert(key);
    if (map_ == nullptr) return kNone;
    for (const auto& [name, value] : *map_) {
      if (name == key) return value;
    }
    complain(fmt::format("has no \"{}\"", key));
    return kNone;
  }

  std::string text(std::string_view key) {
    const std::string* text = take(key).as_string();
    if (text == nullptr) complain(fmt::format("\"{}\" is no text", key));
    return text == nullptr ? std::string() : *text;
  }

  Digest digest(std::string_view key) {
    std::string hex = text(key);
    const bool good = hex.size() == 64 && hex.find_first_not_of("0123456789abcdef") == hex.npos;
    if (!good) complain(fmt::format("\"{}\" is no SHA-256 in lower-case hex", key));
    return {std::move(hex)};
  }

  std::uint64_t number(std::string_view key, std::uint64_t most) {
    return number(take(key), key, most);
  }

  std::uint64_t number(const Value& value, std::string_view key, std::uint64_t most) {
    const std::int64_t* n = value.as_int();
    if (n != nullptr && *n >= 0 && std::cmp_less_equal(*n, most)) {
      return static_cast<std::uint64_t>(*n);
    }
    complain(fmt::format("\"{}\" is no number from 0 to {}", key, most));
    return 0;
  }

  const Value::List& list(std::string_view key) {
    static const Value::List kNone;
    const Value::List* list = take(key).as_list();
    if (list == nullptr) complain(fmt::format("\"{}\" is no list", key));
    return list == nullptr ? kNone : *list;
  }

  /// A member that nobody took is one that we would misunderstand.
  void end() {
    for (const auto& [name, value] : map_ == nullptr ? Value::Map() : *map_) {
      if (!taken_.contains(name)) complain(fmt::format("has an unknown \"{}\"", printable(name)));
    }
  }

  void complain(const std::string& what) {
    if (wrong_.empty()) wrong_ = (at_.empty() ? "the manifest" : at_) + " " + what;
  }

 private:
  const Value::Map* map_;
  std::string at_;
  std::string& wrong_;
  std::set<std::string_view> taken_;
};

CapturePath path_from(const Value& value, std::string& wrong) {
  Members m(value, "path", wrong);
  CapturePath path;
  path.name = m.text("name");
  path.attention = m.text("attention");
  path.backend = m.text("backend");
  for (const Value& kernel : m.list("kernels")) {
    const std::string* name = kernel.as_string();
    if (name == nullptr) m.complain("\"kernels\" holds something that is no text");
    if (name != nullptr) path.kernels.push_back(*name);
  }
  path.weight_dtype = m.text("weight_dtype");
  path.activation_dtype = m.text("activation_dtype");
  path.accumulate_dtype = m.text("accumulate_dtype");
  if (m.digest("fingerprint") != path_fingerprint(path)) {
    m.complain("has a fingerprint that is not that of its members");
  }
  m.end();
  return path;
}

std::vector<std::size_t> shape_from(Members& m) {
  std::vector<std::size_t> shape;
  std::uint64_t count = 1;
  for (const Value& extent : m.list("shape")) {
    const std::uint64_t n = m.number(extent, "shape", std::numeric_limits<std::uint32_t>::max());
    shape.push_back(n);
    // An APRT file counts with 32 bits, so that no product of extents overflows here.
    if (n != 0 && count > std::numeric_limits<std::uint32_t>::max() / n) {
      m.complain("has a shape of more values than a stage file can hold");
      return {};
    }
    count *= n;
  }
  if (shape.size() > kRank) m.complain("has a shape of too many dimensions");
  return shape;
}

CapturedFile file_from(const Value& value, std::size_t index, std::string& wrong) {
  Members m(value, fmt::format("files[{}]", index), wrong);
  CapturedFile file;
  const std::string stage = m.text("stage");
  const auto known =
      std::ranges::find_if(kStages, [&](const StageRow& row) { return row.name == stage; });
  if (known == kStages.end()) {
    m.complain(fmt::format("has the unknown stage '{}'", printable(stage)));
    return file;
  }
  file.stage = known->stage;
  const Value& layer = m.take("layer");
  if (!layer.is_null()) {
    file.layer = static_cast<std::uint32_t>(m.number(layer, "layer", kWholeModel - 1));
  }
  if (!layer_fits(file.stage, file.layer)) {
    m.complain(fmt::format("has a layer that {} cannot have", stage));
  }
  file.shape = shape_from(m);
  file.sha256 = m.digest("sha256");
  // Where a file lies follows from what it is; a path in the manifest must not lead elsewhere.
  if (m.text("file") != file.path()) m.complain(fmt::format("does not lie at {}", file.path()));
  m.end();
  return file;
}

void read_model(const Value& value, CaptureManifest& manifest, std::string& wrong) {
  Members m(value, "model", wrong);
  manifest.model = m.text("name");
  manifest.model_sha256 = m.digest("sha256");
  manifest.architecture = m.text("architecture");
  manifest.layers = static_cast<std::uint32_t>(m.number("layers", kWholeModel - 1));
  m.end();
}

void read_files(Members& m, CaptureManifest& manifest, std::string& wrong) {
  const Value::List& list = m.list("files");
  std::set<std::pair<Stage, std::uint32_t>> seen;
  for (std::size_t i = 0; i < list.size() && wrong.empty(); ++i) {
    CapturedFile file = file_from(list[i], i, wrong);
    if (!seen.emplace(file.stage, file.layer).second) {
      m.complain(fmt::format("lists {} twice", file.path()));
    }
    if (file.layer != kWholeModel && file.layer >= manifest.layers) {
      m.complain(fmt::format("lists {} of a model of {} layers", file.path(), manifest.layers));
    }
    manifest.files.push_back(std::move(file));
  }
}

}  // namespace

Result<CaptureManifest> parse_manifest(std::string_view text) {
  const auto value = json::parse(text, kBounds);
  if (!value) return value.error();
  const Value* version = value->find("version");
  if (version == nullptr || *version != Value(kManifestVersion)) {
    return Error{fmt::format("is no manifest of version {}", kManifestVersion),
                 "capture it again with this refute, or read it with the one that wrote it"};
  }
  std::string wrong;
  CaptureManifest manifest;
  Members m(*value, "", wrong);
  m.take("version");
  if (m.text("format") != "refute-capture") m.complain("is not of the format refute-capture");
  manifest.producer = m.text("producer");
  read_model(m.take("model"), manifest, wrong);
  for (const Value& token : m.list("tokens")) {
    manifest.tokens.push_back(static_cast<std::uint32_t>(
        m.number(token, "tokens", std::numeric_limits<std::uint32_t>::max())));
  }
  manifest.path = path_from(m.take("path"), wrong);
  read_files(m, manifest, wrong);
  if (m.digest("run_id") != run_id(manifest)) {
    m.complain("has a run_id that is not that of its model, tokens and path: it was edited");
  }
  m.end();
  if (!wrong.empty()) return Error{wrong, "capture it again"};
  return manifest;
}

}  // namespace refute::tensor
