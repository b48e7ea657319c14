#pragma once

#include <chrono>
#include <list>
#include <optional>
#include <vector>

#include "harness/pipeline/execute/lifeline.hpp"
#include "harness/pipeline/execute/memory_watch.hpp"
#include "harness/pipeline/execute/spawn.hpp"

namespace refute::pipeline {

struct FinishedChild {
  std::size_t tag = 0;
  ChildResult result;
};

/// Any number of children, served by one thread that sleeps in poll. When a child ends, what is
/// left of its process group is killed and nobody waits for pipes that a grandchild still holds.
class Children {
 public:
  explicit Children(Lifeline* lifeline = nullptr);
  /// Kills and reaps whatever still runs.
  ~Children();
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;

  /// Starts a child; `tag` comes back with its result. One that cannot start is a result too
  /// (NotStarted).
  void start(std::size_t tag, const ChildSpec& spec);

  std::size_t running() const { return running_.size() + done_.size(); }

  /// Sleeps until a child has ended or `wake_fd` is readable, whichever comes first; returns the
  /// ended ones, in the order in which they were seen to end. Empty: nothing runs, or it was woken.
  std::vector<FinishedChild> wait(int wake_fd = -1);

  /// Kills every group; the children come out of wait() as Stopped, unless they had ended before.
  void stop_all();

 private:
  using Clock = std::chrono::steady_clock;
  struct Running {
    std::size_t tag = 0;
    SpawnedChild child;
    Limits limits;
    Clock::time_point started, deadline;
    std::optional<ChildEnd> killed;  ///< why we killed it
    ChildResult result;
  };

  int poll_timeout_ms(Clock::time_point now) const;
  bool sleep(int wake_fd);  ///< true when woken by wake_fd
  void enforce_time(Clock::time_point now);
  void enforce_memory(Clock::time_point now);
  void collect_ended();
  void finish(Running& running, ChildEnd end);
  static void kill_group(Running& running, ChildEnd why);

  Lifeline* lifeline_;
  MemoryWatch memory_;
  std::list<Running> running_;
  std::vector<FinishedChild> done_;
};

/// Runs one child to its end.
ChildResult run_child(const ChildSpec& spec);

}  // namespace refute::pipeline
