#include "harness/pipeline/execute/fixtures_index.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <sys/stat.h>

#include "harness/digest/sha256.hpp"
#include "harness/json/json.hpp"
#include "harness/pipeline/execute/fields.hpp"

namespace refute::pipeline {
namespace {

namespace fs = std::filesystem;

struct Stamp {
  std::string key;
  std::int64_t modified_s = 0;
};

std::optional<Stamp> stamp_of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  std::error_code ignored;
  return Stamp{fmt::format("{}:{}:{}.{:09}:{}", fs::absolute(path, ignored).string(), info.st_size,
                           info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ino),
               info.st_mtim.tv_sec};
}

// A file written a moment ago can change again without its time changing: it is hashed again next
// time.
bool settled(const Stamp& stamp) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count() > stamp.modified_s + 2;
}

Diagnostic finding(const char* code, const std::string& file, std::string message,
                   std::string help) {
  Diagnostic d;
  d.code = code;
  d.file = file;
  d.message = std::move(message);
  d.help = std::move(help);
  return d;
}

struct IndexRow {
  std::string name, path;
  Digest sha256;
};

/// The rows of the index; none where there is no index.
Result<std::vector<IndexRow>> read_index(const std::string& path) {
  std::vector<IndexRow> rows;
  std::ifstream file(path, std::ios::binary);
  if (!file) return rows;
  auto index = json::parse(std::string{std::istreambuf_iterator<char>(file), {}});
  if (!index) return index.take_error();
  if (!index->is_list()) return Error{"it must be a list", ""};
  for (std::size_t i = 0; i < index->as_list()->size(); ++i) {
    Fields fields((*index->as_list())[i], fmt::format("{}/", i));
    rows.push_back(
        {fields.filled_text("name"), fields.filled_text("path"), fields.digest("sha256")});
    if (!fields.good()) return Error{fields.problem(), ""};
  }
  return rows;
}

void add_fixture(const std::string& index, const IndexRow& row, FileDigests& digests,
                 Fixtures& fixtures) {
  const auto& [name, relative, wanted] = row;
  const std::string path =
      (fs::path(index).parent_path() / ".." / relative).lexically_normal().string();
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return;
  auto digest = digests.of(path);
  if (digest && *digest == wanted) {
    fixtures.absent.erase(name);
    fixtures.paths[name] = path;
    fixtures.digests[name] = wanted;
    return;
  }
  fixtures.diagnostics.push_back(
      finding("RF0821", path,
              digest ? fmt::format("the fixture {} has SHA-256 {}, its index says {}", name,
                                   digest->text, wanted.text)
                     : digest.error().what,
              "it is not used; fetch it again, or correct the index"));
}

}  // namespace

FileDigests::FileDigests(LineCache& cache) : cache_(cache) {
  for (const Value& line : cache.lines()) {
    Fields fields(line);
    const std::string key = fields.filled_text("file");
    const Digest digest = fields.digest("sha256");
    if (fields.good()) known_[key] = digest;
  }
}

Result<Digest> FileDigests::of(const std::string& path) {
  const auto stamp = stamp_of(path);
  if (stamp && known_.contains(stamp->key)) return known_[stamp->key];
  auto digest = sha256_of_file(path);
  if (!digest || !stamp || !settled(*stamp)) return digest;
  const auto after = stamp_of(path);
  if (!after || after->key != stamp->key) return digest;  // it changed while it was read
  known_[stamp->key] = *digest;
  Value line;
  line.set("file", stamp->key);
  line.set("sha256", digest->text);
  cache_.append(line);
  return digest;
}

Fixtures find_fixtures(const std::string& index, const std::set<std::string>& wanted,
                       FileDigests& digests) {
  Fixtures fixtures;
  fixtures.absent = wanted;
  const auto rows = read_index(index);
  if (!rows) {
    fixtures.diagnostics.push_back(
        finding("RF0822", index,
                fmt::format("the index of the fixtures cannot be read: {}", rows.error().what),
                "it is a list of {\"name\": …, \"path\": …, \"sha256\": …}"));
    return fixtures;
  }
  for (const IndexRow& row : *rows) {
    if (wanted.contains(row.name)) add_fixture(index, row, digests, fixtures);
  }
  return fixtures;
}

}  // namespace refute::pipeline
