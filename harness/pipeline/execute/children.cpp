#include "harness/pipeline/execute/children.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

namespace refute::pipeline {
namespace {

constexpr std::size_t kChunk = 64u << 10;  // the default capacity of a pipe
// On kernels without pidfd (before 5.3, and some sandboxes) ends are looked for this often.
constexpr int kBlindTickMs = 2;

/// One read; false when the stream has ended or has nothing for now.
template <class Take>
bool read_some(UniqueFd& fd, Take take) {
  if (!fd) return false;
  static thread_local std::array<char, kChunk> buffer;
  const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
  if (n > 0) {
    take(std::string_view(buffer.data(), static_cast<std::size_t>(n)));
    return true;
  }
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return false;
  fd.reset();
  return false;
}

bool read_streams(SpawnedChild& child, ChildResult& result) {
  const bool out = read_some(child.out, [&](std::string_view s) { result.out.append(s); });
  const bool err = read_some(child.err, [&](std::string_view s) { result.err.append(s); });
  const bool record = read_some(child.record, [&](std::string_view s) {
    const std::size_t room = kRecordLimit - result.record.size();
    result.record_over_limit |= s.size() > room;
    result.record.append(s.substr(0, room));
  });
  return out || err || record;
}

/// How the child ended, if it has. It stays unreaped, so that its number and its group's cannot be
/// given away.
std::optional<ChildEnd> ended(pid_t pid) {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0)
    return Exited{-1};
  if (info.si_pid == 0) return std::nullopt;
  if (info.si_code == CLD_EXITED) return Exited{info.si_status};
  return Signalled{info.si_status};
}

// A limit beyond four months is none, and would overflow the clock's integer.
std::chrono::steady_clock::duration whole_duration(double seconds) {
  const double bounded = seconds <= 1e7 ? std::max(seconds, 0.0) : 1e7;
  return std::chrono::duration_cast<std::chrono::steady_clock::duration>(
      std::chrono::duration<double>(bounded));
}

void reap(pid_t pid) {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {
  }
}

}  // namespace

// Whoever started us may have had SIGCHLD ignored; the kernel would then reap our children before
// we learn how they ended.
Children::Children(Lifeline* lifeline) : lifeline_(lifeline) {
  ::signal(SIGCHLD, SIG_DFL);
}

Children::~Children() {
  stop_all();
  while (!running_.empty()) wait();
}

void Children::start(std::size_t tag, const ChildSpec& spec) {
  auto child = spawn(spec);
  if (!child) {
    ChildResult result;
    result.end = NotStarted{child.take_error()};
    done_.push_back({tag, std::move(result)});
    return;
  }
  if (lifeline_ != nullptr) lifeline_->guard(child->pid);
  Running running;
  running.tag = tag;
  running.child = std::move(*child);
  running.limits = spec.limits;
  running.result.out = Captured(spec.keep_output, spec.keep_output);
  running.result.err = Captured(spec.keep_output, spec.keep_output);
  running.started = Clock::now();
  running.deadline = running.started + whole_duration(spec.limits.time_s);
  running_.push_back(std::move(running));
}

std::vector<FinishedChild> Children::wait(int wake_fd) {
  while (done_.empty() && !running_.empty()) {
    const bool woken = sleep(wake_fd);
    for (Running& running : running_) read_streams(running.child, running.result);
    collect_ended();
    const Clock::time_point now = Clock::now();
    enforce_time(now);
    enforce_memory(now);
    if (woken) break;
  }
  return std::exchange(done_, {});
}

void Children::stop_all() {
  for (Running& running : running_) kill_group(running, Stopped{});
}

int Children::poll_timeout_ms(Clock::time_point now) const {
  Clock::time_point next = memory_.next_look();
  bool blind = false;
  for (const Running& running : running_) {
    if (!running.killed) next = std::min(next, running.deadline);
    blind |= !running.child.pidfd;
  }
  // Rounded up, or the last millisecond would be spent in a busy loop.
  const double ms = std::ceil(std::chrono::duration<double, std::milli>(next - now).count());
  return static_cast<int>(std::clamp(ms, 0.0, blind ? double{kBlindTickMs} : 1000.0));
}

bool Children::sleep(int wake_fd) {
  std::vector<pollfd> fds = {{wake_fd, POLLIN, 0}};  // poll ignores negative descriptors
  for (const Running& running : running_) {
    const SpawnedChild& child = running.child;
    for (const UniqueFd* fd : {&child.pidfd, &child.out, &child.err, &child.record}) {
      if (*fd) fds.push_back({fd->get(), POLLIN, 0});
    }
  }
  if (::poll(fds.data(), fds.size(), poll_timeout_ms(Clock::now())) <= 0) return false;
  return fds.front().revents != 0;
}

void Children::kill_group(Running& running, ChildEnd why) {
  if (running.killed) return;
  running.killed = std::move(why);
  ::kill(-running.child.pid, SIGKILL);
  ::kill(running.child.pid, SIGKILL);  // should it have left its group
}

void Children::enforce_time(Clock::time_point now) {
  for (Running& running : running_) {
    if (now >= running.deadline) kill_group(running, OverTime{});
  }
}

void Children::enforce_memory(Clock::time_point now) {
  if (!memory_.due(now)) return;
  std::vector<pid_t> leaders;
  for (const Running& running : running_) leaders.push_back(running.child.pid);
  const auto sizes = memory_.look(leaders);
  for (Running& running : running_) {
    const std::int64_t kib = sizes.at(running.child.pid);
    running.result.peak_kib = std::max(running.result.peak_kib, kib);
    if (!(kib <= running.limits.memory_mib * 1024)) kill_group(running, OverMemory{});
  }
}

void Children::collect_ended() {
  for (auto it = running_.begin(); it != running_.end();) {
    if (auto end = ended(it->child.pid)) {
      finish(*it, std::move(*end));
      it = running_.erase(it);
    } else {
      ++it;
    }
  }
}

void Children::finish(Running& running, ChildEnd end) {
  const pid_t pid = running.child.pid;
  ::kill(-pid, SIGKILL);  // grandchildren; the unreaped leader keeps the group's number ours
  if (lifeline_ != nullptr) lifeline_->release(pid);
  // Whatever the child itself wrote is in the pipes by now. A bounded number of reads empties them;
  // a grandchild that left the group may go on writing for ever.
  for (int i = 0; i < 64 && read_streams(running.child, running.result); ++i) {
  }
  reap(pid);
  // A child that had ended by itself in the moment of our kill shows its own end.
  const bool by_our_kill =
      end.index() == ChildEnd(Signalled{}).index() && std::get<Signalled>(end).signal == SIGKILL;
  running.result.end = running.killed && by_our_kill ? std::move(*running.killed) : std::move(end);
  running.result.seconds = std::chrono::duration<double>(Clock::now() - running.started).count();
  done_.push_back({running.tag, std::move(running.result)});
}

ChildResult run_child(const ChildSpec& spec) {
  Children children;
  children.start(0, spec);
  return std::move(children.wait().front().result);
}

}  // namespace refute::pipeline
