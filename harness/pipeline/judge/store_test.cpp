#include "harness/pipeline/judge/store.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/catch.hpp"
#include "harness/pipeline/judge/file_text.hpp"
#include "harness/pipeline/judge/record_json.hpp"
#include "harness/pipeline/judge/sample_test.hpp"
#include "harness/pipeline/judge/temp_folder_test.hpp"

namespace refute::pipeline {
namespace {

using namespace sample;
namespace fs = std::filesystem;

RunFacts some_facts() {
  RunFacts facts;
  facts.seed = {42};
  facts.options = Value::Map{{"paths", Value::List{"contracts"}}, {"jobs", 2}};
  facts.toolchain = Value::Map{{"compiler", "g++ 12.2.0"}};
  facts.machine = {std::string(64, '1')};
  return facts;
}

Observation seen(const Evidence& e) {
  return {e.record, "2026-11-20T23:31:08Z", 0.25, Value::Map{{"simd", "AVX2"}}, "", false};
}

RunWriter started(const std::string& root) {
  Result<RunWriter> writer = RunWriter::create(root, some_facts());
  REQUIRE(writer);
  return *std::move(writer);
}

void write(RunWriter& writer, const std::vector<Evidence>& evidence) {
  for (const Evidence& e : evidence) REQUIRE_FALSE(writer.append(e, seen(e)));
}

void spoil(const std::string& path, const std::string& text, std::ios::openmode mode) {
  std::ofstream(path, mode) << text;
}

bool mentions(const std::vector<std::string>& notes, const std::string& what) {
  for (const std::string& note : notes) {
    if (note.find(what) != std::string::npos) return true;
  }
  return false;
}

TEST_CASE("a run comes back from the store as it was written") {
  const TempFolder root;
  const std::vector<Evidence> evidence = full(encode_claim()) + full(device_claim());
  RunWriter writer = started(root.path());
  write(writer, evidence);
  CHECK_FALSE(*load_latest(root.path()));  // it is not the latest before it ends
  REQUIRE_FALSE(writer.finish());

  const auto run = load_latest(root.path());
  REQUIRE(run);
  REQUIRE(*run);
  const StoredRun& stored = **run;
  CHECK(stored.facts.id == writer.facts().id);
  CHECK(stored.facts.finished);
  CHECK(stored.facts.seed == Seed{42});
  CHECK(stored.facts.options == some_facts().options);
  CHECK(stored.notes.empty());
  REQUIRE(stored.evidence.size() == evidence.size());
  for (std::size_t i = 0; i < evidence.size(); ++i) {
    CHECK(record_json(stored.evidence[i]) == record_json(evidence[i]));
    CHECK(stored.evidence[i].record == evidence[i].record);
    CHECK(stored.evidence[i].attestations ==
          std::vector<Attestation>{{{std::string(64, '1')}, evidence[i].record}});
    CHECK(stored.observations[i] == seen(evidence[i]));
    CHECK(stored.evidence[i].outcome.environment == seen(evidence[i]).environment);
  }
}

TEST_CASE("an empty or absent store holds no run, and that is no error") {
  const TempFolder root;
  CHECK_FALSE(*load_latest(root.path()));
  CHECK_FALSE(*load_latest(root / "nowhere"));
  CHECK(list_runs(root / "nowhere").empty());
  CHECK_FALSE(load_run(root.path(), "20261120-233108-0"));
  CHECK_FALSE(load_run(root.path(), "../../etc"));
}

TEST_CASE("runs of one second get names of their own, in order") {
  const TempFolder root;
  std::vector<std::string> ids;
  for (int i = 0; i < 12; ++i) {
    RunWriter writer = started(root.path());
    ids.push_back(writer.facts().id);
    REQUIRE_FALSE(writer.finish());
  }
  CHECK(std::set<std::string>(ids.begin(), ids.end()).size() == ids.size());
  CHECK(list_runs(root.path()) == ids);
  CHECK((*load_latest(root.path()))->facts.id == ids.back());
}

TEST_CASE("two runs at once do not mix") {
  const TempFolder root;
  RunWriter first = started(root.path()), second = started(root.path());
  const Evidence a = record(encode_claim(), "cpu_scalar"), b = record(encode_claim(), "cpu_simd");
  for (int i = 0; i < 50; ++i) {
    write(first, {a});
    write(second, {b});
  }
  REQUIRE_FALSE(second.finish());
  REQUIRE_FALSE(first.finish());
  for (const auto& [writer, record] : {std::pair(&first, a), std::pair(&second, b)}) {
    const auto run = load_run(root.path(), writer->facts().id);
    REQUIRE(run);
    CHECK(run->evidence.size() == 50);
    for (const Evidence& e : run->evidence) CHECK(e.record == record.record);
  }
}

TEST_CASE("a run that was killed can be read up to its last whole line") {
  const TempFolder root;
  RunWriter before = started(root.path());
  REQUIRE_FALSE(before.finish());

  const pid_t child = ::fork();
  if (child == 0) {
    Result<RunWriter> writer = RunWriter::create(root.path(), some_facts());
    const Evidence e = record(encode_claim(), "cpu_scalar");
    for (;;) {
      if (!writer || writer->append(e, seen(e))) ::_exit(1);
    }
  }
  while (list_runs(root.path()).size() < 2 ||
         fs::file_size(root / "runs/" + list_runs(root.path())[1] + "/record.jsonl") < 100'000) {
    ::usleep(1000);
  }
  const std::string id = list_runs(root.path())[1];
  CHECK(mentions(load_run(root.path(), id)->notes, "still going on"));
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  spoil(root / "runs/" + id + "/record.jsonl", R"({"schema":1,"contr)", std::ios::app);

  const auto run = load_run(root.path(), id);
  REQUIRE(run);
  CHECK_FALSE(run->facts.finished);
  CHECK(run->evidence.size() > 50);
  CHECK(mentions(run->notes, "did not finish"));
  CHECK(mentions(run->notes, "cut off"));
  // The run before it stays the latest, and says that there was another.
  const auto latest = load_latest(root.path());
  CHECK((*latest)->facts.id == before.facts().id);
  CHECK(mentions((*latest)->notes, id));
  CHECK((*latest)->newer == std::vector<std::string>{id});
}

TEST_CASE("an interrupted run says so") {
  const TempFolder root;
  RunWriter writer = started(root.path());
  write(writer, {record(encode_claim(), "cpu_scalar")});
  REQUIRE_FALSE(writer.finish(true));
  const auto run = load_latest(root.path());
  CHECK((*run)->facts.interrupted);
  CHECK(mentions((*run)->notes, "interrupted"));
}

TEST_CASE("garbage in the store is an error with its place") {
  const TempFolder root;
  RunWriter writer = started(root.path());
  write(writer, full(encode_claim()));
  REQUIRE_FALSE(writer.finish());
  const std::string folder = writer.folder();
  const auto error = [&] {
    const auto run = load_latest(root.path());
    return run ? std::string() : run.error().what;
  };
  CHECK(error().empty());
  SECTION("a line that is no record") {
    spoil(folder + "/record.jsonl", "garbage\n", std::ios::app);
    CHECK(error().find("record.jsonl:7: ") != std::string::npos);
  }
  SECTION("a file that is no run.json") {
    spoil(folder + "/run.json", "{", std::ios::trunc);
    CHECK(error().find("run.json") != std::string::npos);
  }
  SECTION("no run.json") {
    fs::remove(folder + "/run.json");
    CHECK(error().find("run.json") != std::string::npos);
  }
  SECTION("a pointer to nothing") {
    spoil(root / "latest", "20200101-000000-0\n", std::ios::trunc);
    CHECK(error().find("there is no run \"20200101-000000-0\"") != std::string::npos);
  }
  SECTION("a pointer out of the store") {
    spoil(root / "latest", "../../../etc\n", std::ios::trunc);
    CHECK(error().find("latest") != std::string::npos);
  }
  SECTION("a folder where the record should be") {
    fs::remove(folder + "/record.jsonl");
    fs::create_directory(folder + "/record.jsonl");
    CHECK(error().find("is no plain file") != std::string::npos);
  }
  SECTION("a pipe that nobody writes to") {
    fs::remove(folder + "/record.jsonl");
    REQUIRE(::mkfifo((folder + "/record.jsonl").c_str(), 0600) == 0);
    CHECK(error().find("is no plain file") != std::string::npos);
  }
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

void put(const std::string& path, const std::vector<std::string>& lines) {
  std::ofstream file(path);
  for (const std::string& line : lines) file << line << "\n";
}

TEST_CASE("a record that is not what the run wrote is no evidence") {
  const TempFolder root;
  RunWriter writer = started(root.path());
  write(writer, full(encode_claim()));
  REQUIRE_FALSE(writer.finish());
  const std::string records = writer.folder() + "/record.jsonl";
  const std::string observations = writer.folder() + "/observations.jsonl";
  const std::vector<std::string> good = lines_of(records);
  REQUIRE(load_latest(root.path()));
  const auto damage = [&] {
    const auto run = load_latest(root.path());
    REQUIRE_FALSE(run);
    CHECK(run.error().damaged);
    INFO(run.error().what);
    CHECK(run.error().what.find("record.jsonl") != std::string::npos);
    return run.error().what;
  };
  std::vector<std::string> bad = good;
  SECTION("one that was edited, and is canonical all the same") {
    Evidence better = *parse_record(good[1]);
    better.outcome.coverage.cases += 1;
    bad[1] = record_json(better);
    put(records, bad);
    CHECK(damage().find("record.jsonl:2:") != std::string::npos);
  }
  SECTION("one that was taken out") {
    bad.erase(bad.begin() + 2);
    put(records, bad);
    CHECK(damage().find("record.jsonl:3:") != std::string::npos);
  }
  SECTION("the last one was taken out") {
    bad.pop_back();
    put(records, bad);
    CHECK(damage().find("observations.jsonl speaks of 6") != std::string::npos);
  }
  SECTION("the last one was taken out on both sides") {
    std::vector<std::string> beside = lines_of(observations);
    bad.pop_back(), beside.pop_back();
    put(records, bad), put(observations, beside);
    CHECK(damage().find("the run ended with 6") != std::string::npos);
  }
  SECTION("one that was added") {
    bad.push_back(good[0]);
    put(records, bad);
    damage();
  }
  SECTION("a last line that is cut off, though the run had ended") {
    put(records, bad);
    fs::resize_file(records, fs::file_size(records) - 1);
    damage();
  }
}

TEST_CASE("of a killed run, half a pair is left out, and an edited record refused") {
  const TempFolder root;
  std::string id, folder;
  {
    RunWriter writer = started(root.path());
    write(writer, full(encode_claim()));
    id = writer.facts().id;
    folder = writer.folder();
  }
  std::vector<std::string> beside = lines_of(folder + "/observations.jsonl");
  beside.pop_back();
  put(folder + "/observations.jsonl", beside);
  const auto run = load_run(root.path(), id);
  REQUIRE(run);
  CHECK(run->evidence.size() == 5);
  CHECK(run->observations.size() == 5);
  CHECK(mentions(run->notes, "not written whole"));
  beside.pop_back();
  put(folder + "/observations.jsonl", beside);
  CHECK(load_run(root.path(), id).error().damaged);
}

/// Files may not grow beyond `bytes` while it lives.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

/// Appends until it fails; gives the number of appended records and the error.
std::pair<std::size_t, Error> fill(RunWriter& writer) {
  const Evidence e = record(encode_claim(), "cpu_scalar");
  for (std::size_t n = 0; n < 1'000'000; ++n) {
    if (std::optional<Error> error = writer.append(e, seen(e))) return {n, *error};
  }
  FAIL("the disk never filled up");
  return {};
}

TEST_CASE("a disk that fills up stops the record at a whole line") {
  const TempFolder root;
  SECTION("a limit on the size of a file") {
    RunWriter writer = started(root.path());
    std::size_t written = 0;
    {
      const FileLimit limit(50'000);
      const auto [n, error] = fill(writer);
      written = n;
      CHECK(error.what.find("record.jsonl: cannot be written: File too large") !=
            std::string::npos);
    }
    CHECK(written > 10);
    const auto run = load_run(root.path(), writer.facts().id);
    REQUIRE(run);
    CHECK(run->evidence.size() == written);
    CHECK(run->observations.size() == written);
    // With space again it goes on where it stopped.
    write(writer, {record(encode_claim(), "cpu_simd")});
    REQUIRE_FALSE(writer.finish());
    CHECK((*load_latest(root.path()))->evidence.size() == written + 1);
  }
  SECTION("the observations fill up first") {
    RunWriter writer = started(root.path());
    const Evidence e = record(encode_claim(), "cpu_scalar");
    Observation wordy = seen(e);
    wordy.output = std::string(20'000, 'x');
    std::size_t written = 0;
    {
      const FileLimit limit(50'000);
      while (!writer.append(e, wordy)) ++written;
    }
    CHECK(written == 2);
    const auto run = load_run(root.path(), writer.facts().id);
    REQUIRE(run);
    CHECK(run->evidence.size() == written);
    CHECK(run->observations.size() == written);
  }
  SECTION("a file system without space") {
    if (::mount("tmpfs", root.path().c_str(), "tmpfs", 0, "size=256k") != 0) {
      WARN("no tmpfs can be mounted here: only the limit on a file's size was tested");
      return;
    }
    {
      RunWriter writer = started(root.path());
      const auto [written, error] = fill(writer);
      CHECK(error.what.find("No space left on device") != std::string::npos);
      CHECK(error.hint.find("free some space") != std::string::npos);
      const auto run = load_run(root.path(), writer.facts().id);
      REQUIRE(run);
      CHECK(run->evidence.size() == written);
      CHECK(run->observations.size() == written);
    }
    ::umount(root.path().c_str());
  }
}

TEST_CASE("a store that cannot be made is a clear error") {
  const TempFolder root;
  SECTION("a file stands where the folder should") {
    spoil(root / "store", "x", std::ios::trunc);
    const auto writer = RunWriter::create(root / "store", some_facts());
    REQUIRE_FALSE(writer);
    CHECK(writer.error().what.find(root / "store/runs") != std::string::npos);
  }
  SECTION("a folder without write access") {
    if (::geteuid() == 0) return;  // root may write anywhere; the next section stands in for it
    fs::permissions(root.path(), fs::perms::owner_read | fs::perms::owner_exec);
    CHECK_FALSE(RunWriter::create(root / "store", some_facts()));
  }
  SECTION("a file system that nobody may write to") {
    const auto writer = RunWriter::create("/proc/refute-store", some_facts());
    REQUIRE_FALSE(writer);
    CHECK_FALSE(writer.error().hint.empty());
  }
}

TEST_CASE("replacing a file that cannot be written keeps the old one") {
  const TempFolder root;
  const std::string path = root / "latest";
  REQUIRE_FALSE(replace_text(path, "old\n"));
  {
    const FileLimit limit(10);
    const auto error = replace_text(path, std::string(100, 'n'));
    REQUIRE(error);
    CHECK(error->what.find("File too large") != std::string::npos);
  }
  CHECK(*read_text(path) == "old\n");
  CHECK(std::distance(fs::directory_iterator(root.path()), {}) == 1);
}

}  // namespace
}  // namespace refute::pipeline
