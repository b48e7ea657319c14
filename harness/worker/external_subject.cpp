#include "harness/worker/external_subject.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/json/json.hpp"
#include "harness/worker/context.hpp"
#include "harness/worker/errors.hpp"

extern char** environ;

namespace refute::worker {
namespace {

constexpr std::size_t kMaxAnswerLine = 1u << 16;
constexpr std::size_t kMaxReason = 200;
// Of the job's time: later the job would be stopped before it can say what it waits for.
constexpr double kWarnAfter = 0.75;

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Milliseconds for poll, rounded up, so that it never spins on a deadline that has almost come.
int left_ms(double deadline_s) {
  const double left = (deadline_s - now_s()) * 1000.0;
  return left <= 0 ? 0 : static_cast<int>(std::min(left + 1.0, 1e9));
}

struct Pipe {
  int read = -1, write = -1;
};

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw SubjectFailure(fmt::format("no pipe: {}", std::strerror(errno)));
  return {ends[0], ends[1]};
}

/// Starts the server with our pipes as its stdin and stdout; its stderr stays ours.
pid_t spawn(const std::string& path, const Pipe& in, const Pipe& out) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.read, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.write, STDOUT_FILENO);
  // The record's descriptor is ours alone: a server that wrote to it would forge the verdict.
  if (::fcntl(3, F_GETFD) != -1) posix_spawn_file_actions_addclose(&actions, 3);
  std::string program = path, option = "--serve";
  char* arguments[] = {program.data(), option.data(), nullptr};
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, path.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    throw SubjectFailure(fmt::format("`{}` cannot be started: {}", path, std::strerror(error)));
  return pid;
}

std::string fate_of(int status) {
  return WIFSIGNALED(status) ? fmt::format("was ended by signal {}", WTERMSIG(status))
                             : fmt::format("exited with status {}", WEXITSTATUS(status));
}

/// The status that the process leaves with, or nothing where it had to be killed.
std::optional<int> leave(pid_t pid, double deadline_s) {
  for (;;) {
    int status = 0;
    const pid_t left = ::waitpid(pid, &status, WNOHANG);
    if (left == pid) return status;
    if (left < 0 && errno != EINTR) return 0;  // it has been waited for
    if (now_s() >= deadline_s) break;
    const timespec pause{0, 2'000'000};
    ::nanosleep(&pause, nullptr);
  }
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  return std::nullopt;
}

// One job a process, one server at a time: there is no second thread that it could be about.
std::optional<std::string> bad_end;

/// The server's `why`, in one line that can be printed; what it is asked is in the record anyway.
std::string reason_of(const Value& answer) {
  const Value* why = answer.find("why");
  if (why == nullptr || !why->is_string() || why->as_string()->empty()) return "no reason given";
  std::string text = why->as_string()->substr(0, kMaxReason);
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return text;
}

}  // namespace

ExternalSubject::ExternalSubject(const std::string& path, double time_limit_s)
    : path_(path), time_limit_s_(time_limit_s), warn_at_s_(now_s() + kWarnAfter * time_limit_s) {
  std::signal(SIGPIPE, SIG_IGN);  // a dead server shall be a sentence, not our death
  const Pipe in = make_pipe(), out = make_pipe();
  to_ = in.write;
  from_ = out.read;
  try {
    pid_ = spawn(path, in, out);
  } catch (...) {
    for (int fd : {in.read, in.write, out.read, out.write}) ::close(fd);
    throw;
  }
  ::close(in.read);
  ::close(out.write);
  ::fcntl(to_, F_SETFL, O_NONBLOCK);
  ::fcntl(from_, F_SETFL, O_NONBLOCK);
}

std::optional<std::string> take_bad_end() {
  return std::exchange(bad_end, std::nullopt);
}

// What has failed already is not waited for: it may hang, and its sentence is said.
ExternalSubject::~ExternalSubject() {
  if (to_ >= 0) ::close(to_);
  const double deadline_s = now_s() + (failed_ ? 0.2 : kGraceS);
  const std::optional<int> status = pid_ > 0 ? leave(pid_, deadline_s) : 0;
  if (from_ >= 0) ::close(from_);
  if (failed_ || status == 0) return;
  bad_end = fmt::format(
      "`{}` answered everything, and at the end of its stdin it {}; it is to "
      "exit with status 0",
      path_, status ? fate_of(*status) : fmt::format("did not leave within {} s", kGraceS));
}

void ExternalSubject::fail(const std::string& what) {
  failed_ = true;
  int status = 0;
  std::string fate;
  const timespec pause{0, 20'000'000};  // the pipe closes a moment before the process can be reaped
  ::nanosleep(&pause, nullptr);
  if (pid_ > 0 && ::waitpid(pid_, &status, WNOHANG) == pid_) {
    pid_ = -1;
    fate = fmt::format(" (it {})", fate_of(status));
  }
  const std::string about = asked_.empty() ? "" : fmt::format("; it was asked {}", asked_);
  throw SubjectFailure(fmt::format("`{}` {}{}{}", path_, what, fate, about));
}

/// What there is of the answer that is waited for.
std::string ExternalSubject::silence() const {
  if (wanted_ == 0) return "gave no answer";
  return fmt::format("sent {} of the {} bytes that it announced", buffered_.size(), wanted_);
}

/// Whoever stops a job for its time takes our last words with it, so they are said before.
void ExternalSubject::wait_for_answer(double deadline_s) {
  for (;;) {
    const double until = warned_ ? deadline_s : std::min(deadline_s, std::max(warn_at_s_, now_s()));
    pollfd wait{from_, POLLIN, 0};
    const int ready = ::poll(&wait, 1, left_ms(until));
    if (ready > 0) return;
    if (ready < 0 && errno == EINTR) continue;
    if (now_s() >= deadline_s) fail(fmt::format("{} within {} s", silence(), time_limit_s_));
    if (warned_ || now_s() < warn_at_s_) continue;
    warned_ = true;
    fmt::print(stderr, "`{}` {} so far; it was asked {}\n", path_, silence(), asked_);
    std::fflush(stderr);
  }
}

/// Waits until the server's answer has more bytes and takes them into `buffered_`.
std::size_t ExternalSubject::read_some(double deadline_s) {
  for (;;) {
    wait_for_answer(deadline_s);
    std::byte chunk[1 << 16];
    const ssize_t n = ::read(from_, chunk, sizeof chunk);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) fail("ended in the middle of an exchange");
    buffered_.insert(buffered_.end(), chunk, chunk + n);
    return static_cast<std::size_t>(n);
  }
}

/// Writes everything, and takes in what comes meanwhile: a server may answer before it has read
/// all.
void ExternalSubject::transfer(std::span<const std::byte> out, double deadline_s) {
  while (!out.empty()) {
    pollfd wait[2] = {{to_, POLLOUT, 0}, {from_, POLLIN, 0}};
    const int ready = ::poll(wait, 2, left_ms(deadline_s));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) fail(fmt::format("took no input within {} s", time_limit_s_));
    if (wait[1].revents & POLLIN) {
      if (buffered_.size() > (std::size_t{1} << 30))
        fail("answers without end before it was asked");
      read_some(deadline_s);
    }
    if (!(wait[0].revents & (POLLOUT | POLLERR | POLLHUP))) continue;
    const ssize_t n = ::write(to_, out.data(), std::min<std::size_t>(out.size(), 1 << 16));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) fail("ended before it had read its input");
    out = out.subspan(static_cast<std::size_t>(n));
  }
}

std::string ExternalSubject::read_line(double deadline_s) {
  for (std::size_t from = 0;;) {
    const auto begin = buffered_.begin();
    const auto end =
        std::find(begin + static_cast<std::ptrdiff_t>(from), buffered_.end(), std::byte{'\n'});
    if (end != buffered_.end()) {
      std::string line(reinterpret_cast<const char*>(buffered_.data()),
                       static_cast<std::size_t>(end - begin));
      buffered_.erase(begin, end + 1);
      return line;
    }
    from = buffered_.size();
    if (from > kMaxAnswerLine) fail("answered with a line that does not end");
    read_some(deadline_s);
  }
}

void ExternalSubject::read_exactly(std::span<std::byte> in, double deadline_s) {
  while (buffered_.size() < in.size()) read_some(deadline_s);
  if (!in.empty()) std::memcpy(in.data(), buffered_.data(), in.size());
  buffered_.erase(buffered_.begin(), buffered_.begin() + static_cast<std::ptrdiff_t>(in.size()));
  if (!buffered_.empty())
    fail(fmt::format("sent {} bytes more than it announced", buffered_.size()));
}

std::variant<std::vector<std::byte>, RefusedInput> ExternalSubject::ask(
    Value request, std::span<const std::byte> bytes, std::size_t answer_size) {
  const double deadline_s = now_s() + time_limit_s_;
  request.set("bytes", static_cast<std::uint64_t>(bytes.size()));
  asked_ = json::dump(request);
  wanted_ = 0;
  const std::string head = asked_ + "\n";
  transfer(std::as_bytes(std::span(head)), deadline_s);
  transfer(bytes, deadline_s);

  const auto answer = json::parse(read_line(deadline_s), {kMaxAnswerLine, 16, 1000});
  if (!answer) fail("answered with something else than JSON: " + answer.error().what);
  if (const Value* error = answer->find("error")) {
    const std::string text = error->is_string() ? *error->as_string() : "an error that is no text";
    if (text == "not_served") throw SubjectDeclined(DeclineReason::not_served, reason_of(*answer));
    if (text != "non_finite") fail("reported: " + text.substr(0, 500));
    const Value* index = answer->find("index");
    const auto at = index ? unsigned_from(*index) : std::nullopt;
    if (!at) fail("refused its input as non-finite without saying at which index");
    return RefusedInput{text, *at};
  }
  const Value* size = answer->find("bytes");
  const auto announced = size ? unsigned_from(*size) : std::nullopt;
  if (!announced) fail("answered without `bytes`");
  if (*announced != answer_size)
    fail(fmt::format("answered with {} bytes where {} were asked for", *announced, answer_size));
  wanted_ = answer_size;
  std::vector<std::byte> data(answer_size);
  read_exactly(data, deadline_s);
  return data;
}

}  // namespace refute::worker
