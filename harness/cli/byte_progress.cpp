#include "harness/cli/byte_progress.hpp"

#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

#include "harness/cli/progress.hpp"

namespace refute::cli {
namespace {

constexpr std::chrono::milliseconds kPatience{300}, kRedraw{50};
constexpr std::chrono::seconds kLineEvery{10};
constexpr std::size_t kBarWidth = 32;

double gib(std::size_t bytes) {
  return static_cast<double>(bytes) * 0x1p-30;
}

}  // namespace

ByteProgress::ByteProgress() : terminal_(::isatty(STDERR_FILENO) == 1), last_(started_) {}

void ByteProgress::show(std::size_t done, std::size_t total) {
  const Clock::time_point now = Clock::now();
  if (now - started_ < kPatience || now - last_ < (terminal_ ? kRedraw : kLineEvery)) return;
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - started_).count();
  if (!terminal_) {
    fmt::print(stderr, "refute: {:.1f} of {:.1f} GiB after {:.0f} s\n", gib(done), gib(total),
               seconds);
    return;
  }
  fmt::print(stderr, "\r\x1b[K[{}] {:.1f} of {:.1f} GiB, {:.1f} GiB/s", bar(done, total, kBarWidth),
             gib(done), gib(total), gib(done) / seconds);
  std::fflush(stderr);
  drawn_ = true;
}

void ByteProgress::wipe() {
  if (!drawn_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace refute::cli
