#include "harness/pipeline/execute/children.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "harness/catch.hpp"

namespace refute::pipeline {
namespace {

ChildSpec unruly(std::string way, double time_s = 10, std::int64_t memory_mib = 4096) {
  return {UNRULY_CHILD, {std::move(way)}, "the job", {"LANG=C.UTF-8"}, {time_s, memory_mib}};
}

template <class End>
const End* end_as(const ChildResult& result) {
  return std::get_if<End>(&result.end);
}

bool exited_with(const ChildResult& result, int status) {
  return result.end.index() == 0 && *end_as<Exited>(result) == Exited{status};
}
bool killed_by(const ChildResult& result, int signal) {
  return end_as<Signalled>(result) && *end_as<Signalled>(result) == Signalled{signal};
}

bool is_gone(pid_t pid) {
  for (int i = 0; i < 400; ++i) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    if (!std::getline(stat, line) || line.find(") Z ") != std::string::npos) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

std::size_t open_descriptors() {
  const auto entries = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

std::string script(const std::string& name, const std::string& text, mode_t mode) {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("refute_" + std::to_string(::getpid()) + name))
          .string();
  std::ofstream(path) << text;
  ::chmod(path.c_str(), mode);
  return path;
}

}  // namespace

TEST_CASE("a good child gets its job and gives its record and its output") {
  const ChildResult result = run_child(unruly("echo"));
  CHECK(exited_with(result, 0));
  CHECK(result.record == "the job");
  CHECK(result.out.text() == "to stdout");
  CHECK(result.err.text() == "to stderr");
}

TEST_CASE("each way to end is told apart") {
  CHECK(exited_with(run_child(unruly("ok")), 0));
  CHECK(exited_with(run_child(unruly("exit_7")), 7));
  CHECK(killed_by(run_child(unruly("segfault")), SIGSEGV));
  CHECK(killed_by(run_child(unruly("divide_by_zero")), SIGFPE));
  CHECK(killed_by(run_child(unruly("abort")), SIGABRT));
  CHECK(exited_with(run_child(unruly("close_record")), 7));
}

TEST_CASE("a child that ignores every signal is killed when its time is over") {
  const ChildResult result = run_child(unruly("hang", 0.2));
  CHECK(end_as<OverTime>(result) != nullptr);
  CHECK(result.seconds >= 0.2);
  CHECK(result.seconds < 2.0);
}

TEST_CASE("a grandchild that holds the pipes is neither waited for nor left alive") {
  const ChildResult exited = run_child(unruly("orphan", 5));
  CHECK(exited_with(exited, 0));
  CHECK(exited.seconds < 2.0);
  CHECK(is_gone(std::stoi(exited.out.text())));

  const ChildResult hanging = run_child(unruly("hang_with_grandchild", 0.2));
  CHECK(end_as<OverTime>(hanging) != nullptr);
  CHECK(is_gone(std::stoi(hanging.out.text())));
}

TEST_CASE("a flood is counted, not kept") {
  const ChildResult result = run_child(unruly("flood"));
  CHECK(exited_with(result, 0));
  CHECK(result.out.total() == (100u << 20) + 9);
  const std::string text = result.out.text();
  CHECK(text.size() < 70'000);
  CHECK(text.starts_with("firstx"));
  CHECK(text.ends_with("xlast"));
}

TEST_CASE("a record of just 1 MiB is taken whole, a longer one is marked") {
  const ChildResult full = run_child(unruly("full_record"));
  CHECK(full.record.size() == kRecordLimit);
  CHECK_FALSE(full.record_over_limit);
  const ChildResult over = run_child(unruly("long_record"));
  CHECK(exited_with(over, 0));
  CHECK(over.record.size() == kRecordLimit);
  CHECK(over.record_over_limit);
}

TEST_CASE("memory beyond the limit ends a child, also when a grandchild holds it") {
  for (const char* way : {"hog", "hog_in_grandchild"}) {
    const ChildResult result = run_child(unruly(way, 20, 256));
    CAPTURE(way);
    CHECK(end_as<OverMemory>(result) != nullptr);
    CHECK(result.peak_kib > 256 * 1024);
  }
}

TEST_CASE(
    "a child sees four descriptors, default signals, its own group and the given environment "
    "only") {
  const int without_cloexec = ::open("/dev/null", O_RDONLY);
  ::signal(SIGPIPE, SIG_IGN);
  const ChildResult result = run_child(unruly("inspect"));
  ::signal(SIGPIPE, SIG_DFL);
  ::close(without_cloexec);
  CHECK(result.record == "leader LANG=C.UTF-8");
}

TEST_CASE("nothing is leaked: no descriptor and no zombie") {
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 20; ++i) run_child(unruly(i % 2 ? "orphan" : "echo"));
  CHECK(open_descriptors() == before);
  errno = 0;
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

TEST_CASE("what cannot start says why, and what to do") {
  const auto error_of = [](const std::string& path) {
    const ChildResult result = run_child({path, {}, "", {}, {}});
    REQUIRE(end_as<NotStarted>(result) != nullptr);
    return end_as<NotStarted>(result)->error;
  };
  CHECK(error_of("/nonexistent/worker").what == "/nonexistent/worker: no such file");
  const std::string plain = script("plain", "#!/bin/sh\n", 0644);
  CHECK(error_of(plain).what == plain + ": not executable");
  CHECK(error_of(plain).hint == "chmod +x " + plain);
  const std::string headless = script("headless", "garbage\n", 0755);
  CHECK(error_of(headless).what == headless + ": not a program that this machine can run");
  const std::string homeless = script("homeless", "#!/nonexistent/interpreter\n", 0755);
  CHECK(error_of(homeless).what == homeless + ": its interpreter is missing");
  CHECK(error_of("/tmp").what == "/tmp: is a folder, not an executable");
  for (const auto& path : {plain, headless, homeless}) std::filesystem::remove(path);
}

TEST_CASE("children run side by side, and a full stop ends them all") {
  Children children;
  for (std::size_t tag = 0; tag < 8; ++tag) children.start(tag, unruly(tag % 2 ? "hang" : "echo"));
  std::size_t ended = 0;
  while (ended < 4) {
    for (const FinishedChild& child : children.wait()) {
      CHECK(child.tag % 2 == 0);
      CHECK(exited_with(child.result, 0));
      ++ended;
    }
  }
  children.stop_all();
  while (children.running() > 0) {
    for (const FinishedChild& child : children.wait()) {
      CHECK(end_as<Stopped>(child.result) != nullptr);
      ++ended;
    }
  }
  CHECK(ended == 8);
}

TEST_CASE("ends are learned also where SIGCHLD was ignored") {
  ::signal(SIGCHLD, SIG_IGN);
  CHECK(exited_with(run_child(unruly("exit_7")), 7));
}

TEST_CASE("spawning works when our own stdin, stdout and stderr are closed") {
  const pid_t pid = ::fork();
  if (pid == 0) {
    for (int fd = 0; fd < 4; ++fd) ::close(fd);
    const ChildResult result = run_child(unruly("echo"));
    const bool good = result.record == "the job" && result.out.text() == "to stdout" &&
                      result.err.text() == "to stderr";
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  ::waitpid(pid, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("children die with us, also when we are killed outright") {
  int fds[2];
  REQUIRE(::pipe(fds) == 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    Lifeline lifeline;
    Children children(&lifeline);
    children.start(0, unruly("hang_with_grandchild", 60));
    // Reaches past the pool on purpose: the grandchild's pid is what the test needs to see gone.
    children.start(1, unruly("orphan"));
    children.wait();
    std::string pids;
    for (const auto& entry :
         std::filesystem::directory_iterator("/proc/self/task/" + std::to_string(::getpid()))) {
      if (entry.path().filename() != "children") continue;
      std::ifstream(entry.path()) >> std::ws;
      std::getline(std::ifstream(entry.path()), pids);
    }
    [[maybe_unused]] const ssize_t n = ::write(fds[1], pids.data(), pids.size());
    ::kill(::getpid(), SIGKILL);
  }
  ::close(fds[1]);
  ::waitpid(parent, nullptr, 0);
  char text[256] = {};
  REQUIRE(::read(fds[0], text, sizeof text - 1) > 0);
  ::close(fds[0]);
  std::vector<pid_t> pids;
  for (char* at = text; const long pid = std::strtol(at, &at, 10);)
    pids.push_back(static_cast<pid_t>(pid));
  REQUIRE(pids.size() == 2);  // the watcher and the hanging child
  for (const pid_t pid : pids) CHECK(is_gone(pid));
}

}  // namespace refute::pipeline
