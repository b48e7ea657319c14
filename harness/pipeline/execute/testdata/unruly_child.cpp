// A child that misbehaves on request: one row per way in which a worker can go wrong.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

[[noreturn]] void sleep_for_ever() {
  for (;;) ::pause();
}

int echo() {
  char buffer[4096];
  for (ssize_t n; (n = ::read(0, buffer, sizeof buffer)) > 0;)
    write_all(3, {buffer, static_cast<std::size_t>(n)});
  write_all(1, "to stdout");
  write_all(2, "to stderr");
  return 0;
}

int segfault() {
  volatile char* page =
      static_cast<char*>(::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ::signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would turn the signal into an exit status
  *page = 1;
  return 0;
}

int divide_by_zero() {
  ::signal(SIGFPE, SIG_DFL);
  return ::raise(SIGFPE);
}
int give_up() {
  std::abort();
}

int hang() {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_IGN);
  sleep_for_ever();
}

// Leaves a grandchild that holds all pipes open; its pid goes to stdout.
int orphan() {
  const pid_t grandchild = ::fork();
  if (grandchild == 0) sleep_for_ever();
  write_all(1, std::to_string(grandchild));
  return 0;
}

int hang_with_grandchild() {
  orphan();
  sleep_for_ever();
}

int flood() {
  const std::string line(1u << 20, 'x');
  write_all(1, "first");
  for (int i = 0; i < 100; ++i) write_all(1, line);
  write_all(1, "last");
  return 0;
}

int long_record() {
  write_all(3, std::string(2u << 20, 'r'));
  return 0;
}

int full_record() {
  write_all(3, std::string(1u << 20, 'r'));
  return 0;
}

int close_record() {
  ::close(3);
  return 7;
}

void hold_memory(std::size_t bytes) {
  char* block = static_cast<char*>(std::malloc(bytes));
  if (block == nullptr) std::exit(9);
  for (std::size_t i = 0; i < bytes; i += 4096) const_cast<volatile char*>(block)[i] = 1;
  sleep_for_ever();
}

int hog() {
  hold_memory(1u << 30);
  return 0;
}

int hog_in_grandchild() {
  if (::fork() == 0) hold_memory(1u << 30);
  sleep_for_ever();
}

// Reports the descriptors that it has beside 0 to 3, its ignored and blocked signals and its
// environment.
int inspect() {
  std::string seen;
  for (int fd = 4; fd < 1024; ++fd) {
    if (::lseek(fd, 0, SEEK_CUR) != -1 || errno != EBADF) seen += "fd" + std::to_string(fd) + " ";
  }
  struct sigaction action {};
  for (int signal = 1; signal < 32; ++signal) {
    ::sigaction(signal, nullptr, &action);
    if (action.sa_handler == SIG_IGN) seen += "ignored" + std::to_string(signal) + " ";
  }
  seen += ::getpgrp() == ::getpid() ? "leader" : "follower";
  for (char** variable = ::environ; *variable != nullptr; ++variable)
    seen += std::string(" ") + *variable;
  write_all(3, seen);
  return 0;
}

struct Row {
  const char* name;
  int (*run)();
};
constexpr Row kRows[] = {
    {"echo", echo},
    {"ok", [] { return 0; }},
    {"exit_7", [] { return 7; }},
    {"segfault", segfault},
    {"divide_by_zero", divide_by_zero},
    {"abort", give_up},
    {"hang", hang},
    {"orphan", orphan},
    {"hang_with_grandchild", hang_with_grandchild},
    {"flood", flood},
    {"long_record", long_record},
    {"full_record", full_record},
    {"close_record", close_record},
    {"hog", hog},
    {"hog_in_grandchild", hog_in_grandchild},
    {"inspect", inspect},
};

}  // namespace

int main(int argc, char** argv) {
  for (const Row& row : kRows) {
    if (argc > 1 && std::strcmp(argv[1], row.name) == 0) return row.run();
  }
  std::fprintf(stderr, "unknown way to misbehave\n");
  return 64;
}
