#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace refute::cli {

/// How far a run has come, on stderr: a bar on a terminal, a line now and then elsewhere.
class Progress {
 public:
  explicit Progress(std::size_t total);
  ~Progress();  ///< wipes the bar
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void started(const std::string& what);
  void finished(bool unexpected);
  /// A line above the bar, at once.
  void say(const std::string& line);

 private:
  using Clock = std::chrono::steady_clock;
  void draw(bool now);
  void wipe();
  void report_now_and_then();

  std::size_t total_, done_ = 0, unexpected_ = 0;
  std::string current_;
  bool terminal_;
  Clock::time_point started_ = Clock::now(), last_ = {};
};

/// "#####-----" for a share of the width. A pure function.
std::string bar(std::size_t done, std::size_t total, std::size_t width);

}  // namespace refute::cli
