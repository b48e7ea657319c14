#include "harness/pipeline/judge/evidence.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "harness/digest/sha256.hpp"
#include "harness/json/json.hpp"
#include "harness/pipeline/judge/file_text.hpp"
#include "harness/pipeline/judge/record_json.hpp"
#include "harness/pipeline/judge/strict_map.hpp"

namespace refute::pipeline {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kRecords = ".jsonl";
constexpr std::string_view kAttestations = ".attestations.jsonl";
constexpr std::uint64_t kLargestFile = 256u << 20;
constexpr std::size_t kMostFiles = 100'000;

std::string attestation_json(const Attestation& a) {
  return json::dump(Value::Map{{"machine", a.machine.text}, {"record", a.record.text}});
}

std::string lines_of(const std::set<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

std::string manifest_of(const EvidenceFiles& files) {
  std::string text;
  for (const auto& [path, bytes] : files) {
    text += fmt::format("{}  {}\n", sha256_of(bytes).text, path);
  }
  return text;
}

Error at(const std::string& path, std::size_t line, const std::string& what) {
  return {fmt::format("{}:{}: {}", path, line, what), "`refute verify` lists all that is wrong"};
}

/// Calls `read(line)` for each line; it returns an error or nothing.
template <class Read>
std::optional<Error> each_line(const std::string& path, std::string_view text, Read read) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return at(path, number, "the line is cut off");
    if (std::optional<Error> error = read(text.substr(0, end)))
      return at(path, number, error->what);
    text.remove_prefix(end + 1);
  }
  return std::nullopt;
}

std::optional<Error> read_records(const std::string& path, const std::string& text,
                                  std::vector<Evidence>& out) {
  return each_line(path, text, [&](std::string_view line) -> std::optional<Error> {
    Result<Evidence> e = parse_record(line);
    if (!e) return e.take_error();
    if (record_path(*e) != path) return Error{"the record belongs into " + record_path(*e), ""};
    out.push_back(*std::move(e));
    return std::nullopt;
  });
}

std::optional<Error> read_attestations(const std::string& path, const std::string& text,
                                       std::vector<Attestation>& out) {
  return each_line(path, text, [&](std::string_view line) -> std::optional<Error> {
    Result<Attestation> a = parse_attestation(line);
    if (!a) return a.take_error();
    out.push_back(*std::move(a));
    return std::nullopt;
  });
}

void attach(std::vector<Evidence>& evidence, const std::vector<Attestation>& attestations) {
  std::map<Digest, Evidence*> by_record;
  for (Evidence& e : evidence) by_record[e.record] = &e;
  for (const Attestation& a : attestations) {
    const auto found = by_record.find(a.record);
    if (found != by_record.end()) found->second->attestations.push_back(a);
  }
}

}  // namespace

bool is_file_safe(const std::string& id) {
  return !id.empty() && id.size() <= 120 && id.front() != '.' &&
         std::ranges::all_of(id, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '-' || c == '_';
         });
}

std::string record_path(const Evidence& e) {
  return fmt::format("{}/{}{}", e.contract.text, e.claim.text, kRecords);
}

std::string attestation_path(const Evidence& e) {
  return fmt::format("{}/{}{}", e.contract.text, e.claim.text, kAttestations);
}

Result<Attestation> parse_attestation(std::string_view line) {
  Result<Value> value = json::parse(line, {.bytes = 4096});
  if (!value) return value.take_error();
  StrictMap map(*value, "attestation");
  Attestation a;
  a.machine = map.digest("machine");
  a.record = map.digest("record");
  if (std::optional<Error> error = map.finish()) return *std::move(error);
  if (attestation_json(a) != line)
    return Error{"attestation: the line is not in canonical form", ""};
  return a;
}

Result<EvidenceFiles> to_files(const std::vector<Evidence>& evidence) {
  std::map<std::string, std::set<std::string>> lines;
  for (const Evidence& e : merge(evidence)) {
    if (!is_file_safe(e.contract.text) || !is_file_safe(e.claim.text) ||
        e.contract.text == kManifest || e.claim.text.ends_with(".attestations")) {
      return Error{fmt::format("\"{}\" of contract \"{}\" cannot name a file of evidence",
                               e.claim.text, e.contract.text),
                   "use letters, digits, dots, dashes and underscores, at most 120 of them"};
    }
    lines[record_path(e)].insert(record_json(e));
    for (const Attestation& a : e.attestations) {
      lines[attestation_path(e)].insert(attestation_json(a));
    }
  }
  EvidenceFiles files;
  for (const auto& [path, set] : lines) files[path] = lines_of(set);
  files[kManifest] = manifest_of(files);
  return files;
}

Result<std::vector<Evidence>> from_files(const EvidenceFiles& files) {
  std::vector<Evidence> evidence;
  std::vector<Attestation> attestations;
  for (const auto& [path, text] : files) {
    if (path == kManifest) continue;
    std::optional<Error> error = path.ends_with(kAttestations)
                                     ? read_attestations(path, text, attestations)
                                     : read_records(path, text, evidence);
    if (error) return *std::move(error);
  }
  attach(evidence, attestations);
  return evidence;
}

Result<EvidenceFiles> read_evidence_folder(const std::string& folder) {
  EvidenceFiles files;
  std::error_code error;
  if (!fs::exists(fs::symlink_status(folder, error))) return files;
  fs::recursive_directory_iterator entry(folder, error), end;
  for (; !error && entry != end; entry.increment(error)) {
    const fs::path path = entry->path();
    if (entry->is_directory() && !entry->is_symlink()) continue;
    if (!entry->is_regular_file() || entry->is_symlink()) {
      return Error{fmt::format("{}: is no plain file", path.string()), "remove it"};
    }
    if (files.size() >= kMostFiles) return Error{folder + ": holds too many files", ""};
    Result<std::string> text = read_text(path.string(), kLargestFile);
    if (!text) return text.take_error();
    files[path.lexically_relative(folder).generic_string()] = *std::move(text);
  }
  if (error) return Error{fmt::format("{}: {}", folder, error.message()), ""};
  return files;
}

}  // namespace refute::pipeline
