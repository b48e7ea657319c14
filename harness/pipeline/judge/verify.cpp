#include "harness/pipeline/judge/verify.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "harness/digest/sha256.hpp"
#include "harness/pipeline/judge/file_text.hpp"
#include "harness/pipeline/judge/ledger_json.hpp"
#include "harness/pipeline/judge/record_json.hpp"
#include "harness/pipeline/judge/strict_map.hpp"

namespace refute::pipeline {
namespace {

const std::string kLedgerPath = "ledger.json";

class Verifier {
 public:
  Verifier(const EvidenceFiles& files, const std::string& ledger_text)
      : files_(files), ledger_text_(ledger_text) {}

  std::vector<VerifyFinding> run() {
    check_ledger();
    check_manifest();
    check_against_manifest();
    check_lines();
    check_attestations();
    check_ledger_records();
    return std::move(findings_);
  }

 private:
  void find(Damage damage, const std::string& path, std::string what) {
    findings_.push_back({damage, path == kLedgerPath ? path : "evidence/" + path, std::move(what)});
  }

  void check_ledger() {
    if (ledger_text_.empty()) {
      find(Damage::missing, kLedgerPath, "there is evidence, and no ledger that vouches for it");
      return;
    }
    Result<CommittedLedger> ledger = parse_ledger(ledger_text_);
    if (!ledger) return find(damage_of(ledger_text_), kLedgerPath, ledger.error().what);
    ledger_ = *std::move(ledger);
  }

  static Damage damage_of(const std::string& text) {
    return text.ends_with('\n') ? Damage::malformed : Damage::truncated;
  }

  void check_manifest() {
    const auto found = files_.find(kManifest);
    if (found == files_.end()) return find(Damage::missing, kManifest, "the manifest is missing");
    if (ledger_ && sha256_of(found->second) != ledger_->manifest) {
      find(Damage::changed, kManifest, "its digest is not the one that ledger.json names");
    }
    read_manifest(found->second);
  }

  void read_manifest(std::string_view text) {
    for (int line = 1; !text.empty(); ++line) {
      const std::size_t end = text.find('\n');
      if (end == std::string_view::npos) {
        return find(Damage::truncated, kManifest, fmt::format("line {} is cut off", line));
      }
      const std::string_view entry = text.substr(0, end);
      text.remove_prefix(end + 1);
      if (entry.size() < 67 || !is_digest(entry.substr(0, 64)) || entry.substr(64, 2) != "  ") {
        find(Damage::malformed, kManifest, fmt::format("line {} names no digest and file", line));
        continue;
      }
      const std::string path(entry.substr(66));
      if (!listed_.emplace(path, Digest{std::string(entry.substr(0, 64))}).second) {
        find(Damage::malformed, kManifest, fmt::format("line {} names {} again", line, path));
      }
    }
  }

  void check_against_manifest() {
    for (const auto& [path, digest] : listed_) {
      const auto file = files_.find(path);
      if (file == files_.end()) {
        find(Damage::missing, path, "the manifest lists it, and it is not there");
      } else if (sha256_of(file->second) != digest) {
        const bool cut = !file->second.ends_with('\n');
        find(cut ? Damage::truncated : Damage::changed, path,
             "its digest is not the one in the manifest");
      }
    }
    for (const auto& [path, text] : files_) {
      if (path != kManifest && !listed_.contains(path)) {
        find(Damage::extra, path, "the manifest does not list it");
      }
    }
  }

  void check_lines() {
    for (const auto& [path, text] : files_) {
      if (path == kManifest) continue;
      std::string_view left = text, previous;
      for (int number = 1; !left.empty(); ++number) {
        const std::size_t end = left.find('\n');
        const std::string_view line = left.substr(0, end);
        check_line(path, number, line);
        if (number > 1 && line <= previous) {
          find(Damage::misplaced, path, fmt::format("line {} is not in its sorted place", number));
        }
        previous = line;
        left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
      }
    }
  }

  void check_line(const std::string& path, int number, std::string_view line) {
    if (path.ends_with(".attestations.jsonl")) {
      Result<Attestation> a = parse_attestation(line);
      if (!a)
        return find(Damage::malformed, path, fmt::format("line {}: {}", number, a.error().what));
      attestations_.push_back({path, *a});
      return;
    }
    Result<Evidence> e = parse_record(line);
    if (!e)
      return find(Damage::malformed, path, fmt::format("line {}: {}", number, e.error().what));
    if (record_path(*e) != path) {
      find(Damage::misplaced, path,
           fmt::format("line {}: the record belongs into {}", number, record_path(*e)));
    }
    records_[e->record] = attestation_path(*e);
  }

  void check_attestations() {
    for (const auto& [path, a] : attestations_) {
      const auto record = records_.find(a.record);
      if (record == records_.end() || record->second != path) {
        find(Damage::misplaced, path,
             fmt::format("it attests {}…, a record that is not beside it",
                         a.record.text.substr(0, 12)));
      }
    }
  }

  void check_ledger_records() {
    if (!ledger_) return;
    for (const ClaimLedger& claim : ledger_->ledger.claims) {
      for (const Digest& record : claim.records) {
        if (records_.contains(record)) continue;
        find(Damage::missing, kLedgerPath,
             fmt::format("{} rests on {}…, a record that is not there", claim.claim.text,
                         record.text.substr(0, 12)));
      }
    }
  }

  const EvidenceFiles& files_;
  const std::string& ledger_text_;
  std::optional<CommittedLedger> ledger_;
  std::map<std::string, Digest> listed_;
  std::map<Digest, std::string> records_;  ///< record → where its attestations belong
  std::vector<std::pair<std::string, Attestation>> attestations_;
  std::vector<VerifyFinding> findings_;
};

}  // namespace

std::vector<VerifyFinding> verify(const EvidenceFiles& files, const std::string& ledger_text) {
  if (files.empty() && ledger_text.empty()) return {};
  return Verifier(files, ledger_text).run();
}

std::vector<VerifyFinding> verify_folder(const std::string& reports) {
  namespace fs = std::filesystem;
  std::vector<VerifyFinding> findings;
  Result<EvidenceFiles> files = read_evidence_folder(reports + "/evidence");
  if (!files) return {{Damage::unreadable, "evidence", files.error().what}};
  std::string ledger;
  if (fs::exists(fs::symlink_status(reports + "/ledger.json"))) {
    Result<std::string> text = read_text(reports + "/ledger.json");
    if (!text) return {{Damage::unreadable, kLedgerPath, text.error().what}};
    ledger = *std::move(text);
    if (ledger.empty()) return {{Damage::truncated, kLedgerPath, "the file is empty"}};
  }
  return verify(*files, ledger);
}

}  // namespace refute::pipeline
