// Two things have to change together: the folder of evidence and the ledger. The new folder is made
// beside the old one, the two change places in one step, and the ledger follows. Killed between
// those two, the old folder still stands beside, the ledger still names its manifest, verify
// refuses, and recover() changes the places back.

#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/digest/sha256.hpp"
#include "harness/pipeline/judge/file_text.hpp"
#include "harness/pipeline/judge/ledger_json.hpp"
#include "harness/pipeline/judge/promote.hpp"

namespace refute::pipeline {
namespace {

namespace fs = std::filesystem;

std::string evidence_of(const std::string& reports) {
  return reports + "/evidence";
}
std::string beside(const std::string& reports) {
  return reports + "/.evidence.new";
}
std::string ledger_of(const std::string& reports) {
  return reports + "/ledger.json";
}

/// One promote at a time. The folder itself is locked, so that no lock file lies among the
/// committed ones.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder)
      : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    held_ = fd_ >= 0 && ::flock(fd_, LOCK_EX | LOCK_NB) == 0;
  }
  ~FolderLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  bool held() const { return held_; }

 private:
  int fd_;
  bool held_ = false;
};

std::optional<Error> make_folders(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error) return std::nullopt;
  return Error{fmt::format("{}: cannot be made: {}", path.string(), error.message()),
               "write access to that folder is needed"};
}

std::optional<Error> remove_folder(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (!error) return std::nullopt;
  return Error{fmt::format("{}: cannot be removed: {}", path, error.message()), ""};
}

std::optional<Error> write_files(const std::string& folder, const EvidenceFiles& files) {
  if (auto error = make_folders(folder)) return error;
  for (const auto& [path, text] : files) {
    const fs::path file = fs::path(folder) / path;
    if (auto error = make_folders(file.parent_path())) return error;
    if (auto error = write_text(file.string(), text)) return error;
    sync_folder(file.parent_path().string());
  }
  return std::nullopt;
}

/// Both folders change places in one step; where there is no old one, the new one takes its place.
std::optional<Error> change_places(const std::string& a, const std::string& b) {
  const bool both = fs::exists(a) && fs::exists(b);
  const int result = both ? ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE)
                          : ::rename(a.c_str(), b.c_str());
  if (result != 0) return system_error(b, "cannot be replaced");
  return std::nullopt;
}

/// Whether ledger.json names this folder's manifest.
bool is_vouched_for(const std::string& folder, const std::string& reports) {
  const Result<std::string> manifest = read_text(folder + "/" + kManifest);
  const Result<std::string> text = read_text(ledger_of(reports));
  if (!manifest || !text) return false;
  const Result<CommittedLedger> ledger = parse_ledger(*text);
  return ledger && ledger->manifest == sha256_of(*manifest);
}

std::optional<Error> recover_locked(const std::string& reports) {
  const std::string old = beside(reports);
  if (!fs::exists(old)) return std::nullopt;
  const bool half_way =
      is_vouched_for(old, reports) && !is_vouched_for(evidence_of(reports), reports);
  if (half_way) {
    if (auto error = change_places(old, evidence_of(reports))) return error;
  }
  return remove_folder(old);
}

Error is_locked(const std::string& reports) {
  return {reports + ": another promote is at work there, or the folder cannot be opened",
          "wait for it to end"};
}

}  // namespace

std::optional<Error> recover(const std::string& reports) {
  if (!fs::exists(beside(reports))) return std::nullopt;
  const FolderLock lock(reports);
  if (!lock.held()) return is_locked(reports);
  return recover_locked(reports);
}

std::optional<Error> write_promotion(const std::string& reports, const Promotion& promotion) {
  if (auto error = make_folders(reports)) return error;
  const FolderLock lock(reports);
  if (!lock.held()) return is_locked(reports);
  if (auto error = recover_locked(reports)) return error;
  if (auto error = write_files(beside(reports), promotion.files)) {
    (void)remove_folder(beside(reports));
    return error;
  }
  if (auto error = change_places(beside(reports), evidence_of(reports))) return error;
  sync_folder(reports);
  if (auto error = replace_text(ledger_of(reports), promotion.ledger_text)) {
    (void)change_places(evidence_of(reports), beside(reports));
    (void)remove_folder(beside(reports));
    return error;
  }
  return remove_folder(beside(reports));
}

Result<Committed> load_committed(const std::string& reports) {
  Result<EvidenceFiles> files = read_evidence_folder(evidence_of(reports));
  if (!files) return files.take_error();
  Committed committed;
  Result<std::vector<Evidence>> evidence = from_files(*files);
  if (!evidence)
    return Error{evidence_of(reports) + "/" + evidence.error().what, evidence.error().hint};
  committed.evidence = *std::move(evidence);
  if (fs::exists(ledger_of(reports))) {
    Result<std::string> text = read_text(ledger_of(reports));
    if (!text) return text.take_error();
    committed.ledger_text = *std::move(text);
  }
  return committed;
}

}  // namespace refute::pipeline
