#include "harness/pipeline/judge/file_text.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace refute::pipeline {
namespace {

std::string hint_for(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "free some space and run it again";
    case EFBIG:
      return "the file would grow beyond the limit set for this process";
    case EACCES:
    case EPERM:
    case EROFS:
      return "write access to that folder is needed";
    default:
      return "";
  }
}

/// An open descriptor that closes itself.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool read_all(int fd, std::string& text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const ssize_t n = ::read(fd, text.data() + at, text.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (n == 0) break;
    at += static_cast<std::size_t>(n);
  }
  text.resize(at);
  return true;
}

/// Into what stands there already; the file behind a link is made if it is missing.
std::optional<Error> write_through(const std::string& path, std::string_view text) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (fd.get() < 0 || !write_all(fd.get(), text)) return system_error(path, "cannot be written");
  return std::nullopt;
}

}  // namespace

Error system_error(const std::string& path, const std::string& what) {
  const int error = errno;
  return {fmt::format("{}: {}: {}", path, what, std::strerror(error)), hint_for(error)};
}

Result<std::string> read_text(const std::string& path, std::uint64_t limit) {
  // Without O_NONBLOCK a named pipe would keep us waiting for a writer.
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return system_error(path, "cannot be opened");
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return system_error(path, "cannot be examined");
  if (!S_ISREG(info.st_mode)) return Error{path + ": is no plain file", ""};
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size > limit) {
    return Error{fmt::format("{}: {} bytes are more than the {} allowed", path, size, limit), ""};
  }
  std::string text(size, '\0');
  if (!read_all(fd.get(), text)) return system_error(path, "cannot be read");
  return text;
}

std::optional<Error> write_text(const std::string& path, std::string_view text) {
  const bool existed = ::access(path.c_str(), F_OK) == 0;
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (fd.get() < 0) return system_error(path, "cannot be written");
  if (!write_all(fd.get(), text) || ::fsync(fd.get()) != 0) {
    Error error = system_error(path, "cannot be written");
    if (!existed) ::unlink(path.c_str());
    return error;
  }
  return std::nullopt;
}

std::optional<Error> replace_text(const std::string& path, std::string_view text) {
  // A device, a pipe or a link is written through: a rename would put a plain file in its place.
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {
    return write_through(path, text);
  }
  const std::string temporary = fmt::format("{}.{}.tmp", path, ::getpid());
  if (std::optional<Error> error = write_text(temporary, text)) return error;
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    Error error = system_error(path, "cannot be replaced");
    ::unlink(temporary.c_str());
    return error;
  }
  const std::size_t slash = path.rfind('/');
  sync_folder(slash == std::string::npos ? "." : path.substr(0, slash + 1));
  return std::nullopt;
}

void sync_folder(const std::string& folder) {
  const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() >= 0) ::fsync(fd.get());
}

}  // namespace refute::pipeline
