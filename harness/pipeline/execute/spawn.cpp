#include "harness/pipeline/execute/spawn.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

namespace refute::pipeline {
namespace {

Error system_error(std::string_view what) {
  return {fmt::format("{}: {}", what, std::strerror(errno)), ""};
}

// posix_spawn's dup2 actions run one after another: a source among the targets 0 to 3 would be
// overwritten before its turn, as happens when we were started with stdin closed.
UniqueFd above_targets(int fd) {
  if (fd < 0 || fd > 3) return UniqueFd(fd);
  const UniqueFd low(fd);
  return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 4));
}

// Stdin is a file in memory, not a pipe: a child that ends without reading it cannot block or
// signal us.
Result<UniqueFd> memory_file(const std::string& text) {
  UniqueFd fd = above_targets(::memfd_create("job", MFD_CLOEXEC));
  if (!fd) return system_error("cannot make a memory file for the job");
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(fd.get(), text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return system_error("cannot write the job");
    done += static_cast<std::size_t>(n);
  }
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> output_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return system_error("cannot make a pipe");
  Pipe pipe{above_targets(fds[0]), above_targets(fds[1])};
  if (!pipe.read || !pipe.write) return system_error("cannot make a pipe");
  ::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK);
  return pipe;
}

class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  void dup(const UniqueFd& from, int to) {
    ::posix_spawn_file_actions_adddup2(&actions_, from.get(), to);
  }
  void close_from(int fd) { ::posix_spawn_file_actions_addclosefrom_np(&actions_, fd); }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

class Attributes {
 public:
  Attributes() {
    ::posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~Attributes() { ::posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

Error exec_error(const std::string& path, int error) {
  struct stat info {};
  const bool exists = ::stat(path.c_str(), &info) == 0;
  if (error == ENOENT && exists) {
    return {fmt::format("{}: its interpreter is missing", path),
            "check the first line of the script (#!…)"};
  }
  if (error == ENOENT)
    return {fmt::format("{}: no such file", path), "build it, or correct the path"};
  if (error == EACCES && exists && S_ISDIR(info.st_mode)) {
    return {fmt::format("{}: is a folder, not an executable", path), "name the executable itself"};
  }
  if (error == EACCES)
    return {fmt::format("{}: not executable", path), fmt::format("chmod +x {}", path)};
  if (error == ENOEXEC) {
    return {fmt::format("{}: not a program that this machine can run", path),
            "a script needs a first line such as #!/usr/bin/env python3"};
  }
  return {fmt::format("{}: cannot start: {}", path, std::strerror(error)), ""};
}

}  // namespace

Result<SpawnedChild> spawn(const ChildSpec& spec) {
  auto input = memory_file(spec.input);
  if (!input) return input.take_error();
  auto out = output_pipe(), err = output_pipe(), record = output_pipe();
  for (auto* pipe : {&out, &err, &record}) {
    if (!*pipe) return pipe->take_error();
  }
  FileActions actions;
  actions.dup(*input, 0);
  actions.dup(out->write, 1);
  actions.dup(err->write, 2);
  actions.dup(record->write, 3);
  actions.close_from(4);  // what we ourselves inherited without close-on-exec
  std::vector<std::string> arguments = {spec.path};
  arguments.insert(arguments.end(), spec.arguments.begin(), spec.arguments.end());
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, spec.path.c_str(), actions.get(), Attributes().get(),
                                  pointers(arguments).data(), pointers(spec.environment).data());
  if (error != 0) return exec_error(spec.path, error);
  // By its number, because glibc 2.36 declares pidfd_open without extern "C".
  return SpawnedChild{pid, UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))),
                      std::move(out->read), std::move(err->read), std::move(record->read)};
}

}  // namespace refute::pipeline
