#include "harness/cli/progress.hpp"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace refute::cli {
namespace {

constexpr std::chrono::milliseconds kRedraw{50};
constexpr std::chrono::seconds kLineEvery{10};
constexpr std::size_t kBarWidth = 24;

std::size_t columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string bar(std::size_t done, std::size_t total, std::size_t width) {
  const std::size_t filled = total == 0 ? width : std::min(done, total) * width / total;
  return std::string(filled, '#') + std::string(width - filled, '-');
}

Progress::Progress(std::size_t total) : total_(total), terminal_(::isatty(STDERR_FILENO) == 1) {
  if (!terminal_) last_ = started_;
}

Progress::~Progress() {
  wipe();
}

void Progress::started(const std::string& what) {
  current_ = what;
  terminal_ ? draw(false) : report_now_and_then();
}

void Progress::finished(bool unexpected) {
  ++done_;
  unexpected_ += unexpected ? 1 : 0;
  terminal_ ? draw(done_ == total_) : report_now_and_then();
}

void Progress::say(const std::string& line) {
  wipe();
  fmt::print(stderr, "{}\n", line);
  if (terminal_) draw(true);
}

void Progress::draw(bool now) {
  const Clock::time_point time = Clock::now();
  if (!now && time - last_ < kRedraw) return;
  last_ = time;
  std::string line = fmt::format("[{}] {}/{}", bar(done_, total_, kBarWidth), done_, total_);
  if (unexpected_ > 0) line += fmt::format(" · {} not as expected", unexpected_);
  line += "  " + current_;
  if (line.size() >= columns()) line.resize(columns() - 1);
  fmt::print(stderr, "\r\x1b[K{}", line);
  std::fflush(stderr);
}

void Progress::wipe() {
  if (!terminal_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
}

void Progress::report_now_and_then() {
  const Clock::time_point time = Clock::now();
  if (time - last_ < kLineEvery) return;
  last_ = time;
  fmt::print(stderr, "refute: {} of {} jobs after {:.0f} s, now {}\n", done_, total_,
             std::chrono::duration<double>(time - started_).count(), current_);
}

}  // namespace refute::cli
