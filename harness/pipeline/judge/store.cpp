#include "harness/pipeline/judge/store.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/pipeline/judge/evidence.hpp"
#include "harness/pipeline/judge/file_text.hpp"
#include "harness/pipeline/judge/record_json.hpp"
#include "harness/pipeline/judge/run_facts.hpp"
#include "harness/pipeline/judge/run_pairs.hpp"

namespace refute::pipeline {
namespace {

namespace fs = std::filesystem;

std::string runs_folder(const std::string& root) {
  return root + "/runs";
}
std::string run_folder(const std::string& root, const std::string& id) {
  return runs_folder(root) + "/" + id;
}

/// Sorts as text in the order of time; two runs within one second get numbers.
std::string stamp() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &utc);
  return text;
}

std::optional<Error> make_folders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error) return std::nullopt;
  return Error{fmt::format("{}: cannot be made: {}", path, error.message()),
               "write access to that folder is needed"};
}

/// mkdir is the arbiter: whoever makes the folder owns the name.
Result<std::string> claim_name(const std::string& root) {
  const std::string time = stamp();
  for (int i = 0; i < 1000; ++i) {
    const std::string id = fmt::format("{}-{}", time, i);
    if (::mkdir(run_folder(root, id).c_str(), 0755) == 0) return id;
    if (errno != EEXIST) return system_error(run_folder(root, id), "cannot be made");
  }
  return Error{runs_folder(root) + ": a thousand runs in one second", ""};
}

/// Time, then number: "…-9" before "…-10".
std::pair<std::string, int> run_order(const std::string& id) {
  const std::size_t dash = id.rfind('-');
  int number = 0;
  if (dash != std::string::npos) {
    std::from_chars(id.data() + dash + 1, id.data() + id.size(), number);
  }
  return {id.substr(0, dash), number};
}

/// A file that only grows, by whole lines.
class LineFile {
 public:
  LineFile() = default;
  ~LineFile() { close(); }
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  std::optional<Error> open(const std::string& path) {
    path_ = path;
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd_ < 0) return system_error(path, "cannot be written");
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      return Error{path + ": another run is writing it", "wait for it to end"};
    }
    return std::nullopt;
  }

  std::optional<Error> append(const std::string& line) {
    const std::string text = line + "\n";
    std::string_view left = text;
    while (!left.empty()) {
      const ssize_t n = ::write(fd_, left.data(), left.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return give_up();
      left.remove_prefix(static_cast<std::size_t>(n));
    }
    size_ += static_cast<off_t>(text.size());
    return std::nullopt;
  }

  /// Takes the last line away again.
  void cut(const std::string& line) {
    const off_t shorter = size_ - static_cast<off_t>(line.size() + 1);
    if (::ftruncate(fd_, shorter) == 0) size_ = shorter;
  }

  std::optional<Error> sync() {
    if (::fsync(fd_) != 0) return system_error(path_, "cannot be forced to disk");
    return std::nullopt;
  }

  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  Error give_up() {
    Error error = system_error(path_, "cannot be written");
    // A half-written line would be tolerated at the end, but not once more lines follow it.
    if (::ftruncate(fd_, size_) != 0) error.hint += "; its last line may be cut off";
    return error;
  }

  std::string path_;
  int fd_ = -1;
  off_t size_ = 0;
};

/// The lines of a file, a last one without its newline left out and noted.
template <class Read>
std::optional<Error> read_lines(const std::string& path, std::vector<std::string>& notes,
                                Read read) {
  Result<std::string> text = read_text(path, 1u << 30);
  if (!text) return text.take_error();
  std::string_view left = *text;
  for (int line = 1; !left.empty(); ++line) {
    const std::size_t end = left.find('\n');
    if (end == std::string_view::npos) {
      notes.push_back(fmt::format("{}:{}: the last line is cut off and was left out", path, line));
      break;
    }
    if (std::optional<Error> error = read(left.substr(0, end))) {
      return Error{fmt::format("{}:{}: {}", path, line, error->what),
                   "the store is damaged there; `refute report --run ID` reads another run"};
    }
    left.remove_prefix(end + 1);
  }
  return std::nullopt;
}

std::optional<Error> read_records(const std::string& folder, StoredRun& run) {
  return read_lines(folder + "/record.jsonl", run.notes,
                    [&](std::string_view line) -> std::optional<Error> {
                      Result<Evidence> e = parse_record(line);
                      if (!e) return e.take_error();
                      if (!run.facts.machine.empty()) {
                        e->attestations = {{run.facts.machine, e->record}};
                      }
                      run.evidence.push_back(*std::move(e));
                      return std::nullopt;
                    });
}

std::optional<Error> read_observations(const std::string& folder, StoredRun& run) {
  return read_lines(folder + "/observations.jsonl", run.notes,
                    [&](std::string_view line) -> std::optional<Error> {
                      Result<Observation> o = parse_observation(line);
                      if (!o) return o.take_error();
                      run.observations.push_back(*std::move(o));
                      return std::nullopt;
                    });
}

/// What the record leaves out comes back from beside it.
void restore_environment(StoredRun& run) {
  for (std::size_t i = 0; i < run.evidence.size(); ++i) {
    run.evidence[i].outcome.environment = run.observations[i].environment;
  }
}

bool is_being_written(const std::string& folder) {
  const int fd = ::open((folder + "/record.jsonl").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  const bool locked = ::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(fd);
  return locked;
}

/// A run that was killed never became the latest. Its reader should not take the one before it for
/// news.
void note_newer_runs(const std::string& root, const std::string& id, StoredRun& run) {
  for (const std::string& other : list_runs(root)) {
    if (run_order(other) <= run_order(id)) continue;
    const std::string folder = run_folder(root, other);
    const Result<std::string> text = read_text(folder + "/run.json");
    const Result<RunFacts> facts = text ? parse_run_facts(*text) : Result<RunFacts>(text.error());
    if (facts && facts->finished) continue;
    run.newer.push_back(other);
    run.notes.push_back(
        fmt::format("a newer run, {}, {}; this is {}", other,
                    is_being_written(folder) ? "is still going on" : "did not finish", id));
  }
}

}  // namespace

struct RunWriter::State {
  std::string root, folder;
  RunFacts facts;
  LineFile record, observations;
  std::uint64_t records = 0;
};

RunWriter::RunWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
RunWriter::RunWriter(RunWriter&&) noexcept = default;
RunWriter& RunWriter::operator=(RunWriter&&) noexcept = default;
RunWriter::~RunWriter() = default;

const RunFacts& RunWriter::facts() const {
  return state_->facts;
}
const std::string& RunWriter::folder() const {
  return state_->folder;
}

Result<RunWriter> RunWriter::create(const std::string& root, RunFacts facts) {
  if (std::optional<Error> error = make_folders(runs_folder(root))) return *std::move(error);
  Result<std::string> id = claim_name(root);
  if (!id) return id.take_error();
  auto state = std::make_unique<State>();
  state->root = root;
  state->folder = run_folder(root, *id);
  state->facts = std::move(facts);
  state->facts.id = *id;
  state->facts.finished = state->facts.interrupted = false;
  // The record first: from then on the lock says that the run is alive.
  std::optional<Error> error = state->record.open(state->folder + "/record.jsonl");
  if (!error) error = state->observations.open(state->folder + "/observations.jsonl");
  if (!error) error = replace_text(state->folder + "/run.json", run_facts_json(state->facts));
  if (error) return *std::move(error);
  return RunWriter(std::move(state));
}

std::optional<Error> RunWriter::append(const Evidence& evidence, const Observation& observation) {
  const std::string line = record_json(evidence);
  if (std::optional<Error> error = state_->record.append(line)) return error;
  std::optional<Error> error = state_->observations.append(observation_json(observation));
  // The two files keep step, line by line.
  if (error) state_->record.cut(line);
  if (!error) ++state_->records;
  return error;
}

std::optional<Error> RunWriter::finish(bool interrupted) {
  State& s = *state_;
  if (std::optional<Error> error = s.record.sync()) return error;
  if (std::optional<Error> error = s.observations.sync()) return error;
  s.facts.finished = true;
  s.facts.interrupted = interrupted;
  s.facts.records = s.records;
  if (auto error = replace_text(s.folder + "/run.json", run_facts_json(s.facts))) return error;
  if (auto error = replace_text(s.root + "/latest", s.facts.id + "\n")) return error;
  s.record.close();
  s.observations.close();
  return std::nullopt;
}

std::vector<std::string> list_runs(const std::string& root) {
  std::vector<std::string> ids;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(runs_folder(root), error)) {
    if (entry.is_directory()) ids.push_back(entry.path().filename().string());
  }
  std::ranges::sort(ids, {}, run_order);
  return ids;
}

Result<StoredRun, StoreError> load_run(const std::string& root, const std::string& id) {
  const std::string folder = run_folder(root, id);
  if (!is_file_safe(id) || !fs::is_directory(folder)) {
    return StoreError{{fmt::format("there is no run \"{}\" in {}", id, root),
                       "leave out --run to read the latest one"}};
  }
  const bool growing = is_being_written(folder);
  Result<std::string> text = read_text(folder + "/run.json");
  if (!text) return StoreError{text.take_error()};
  StoredRun run;
  Result<RunFacts> facts = parse_run_facts(*text);
  if (!facts) return StoreError{{folder + "/run.json: " + facts.error().what, ""}, true};
  run.facts = *std::move(facts);
  std::optional<Error> error = read_records(folder, run);
  if (!error) error = read_observations(folder, run);
  if (!error) error = check_pairs(folder, growing, run);
  if (error) return StoreError{*std::move(error), true};
  restore_environment(run);
  if (run.facts.interrupted) run.notes.push_back(id + ": the run was interrupted");
  if (!run.facts.finished) {
    run.notes.push_back(id +
                        (growing ? ": the run is still going on" : ": the run did not finish"));
  }
  return run;
}

Result<std::optional<StoredRun>, StoreError> load_latest(const std::string& root) {
  const std::string pointer = root + "/latest";
  if (!fs::exists(pointer)) return std::optional<StoredRun>();
  Result<std::string> text = read_text(pointer, 256);
  if (!text) return StoreError{text.take_error()};
  const std::string id = text->substr(0, text->find('\n'));
  Result<StoredRun, StoreError> run = load_run(root, id);
  if (!run) {
    StoreError error = run.take_error();
    error.what = fmt::format("{}: {}", pointer, error.what);
    return error;
  }
  note_newer_runs(root, id, *run);
  return std::optional<StoredRun>(*std::move(run));
}

}  // namespace refute::pipeline
