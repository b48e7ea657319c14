#include "harness/tensor/replace_file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace refute::tensor {
namespace {

namespace fs = std::filesystem;

Error write_error(const std::string& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT;
  return {path + ": cannot be written: " + std::strerror(error),
          full ? "free some space and run it again" : "check the folder and its permissions"};
}

/// Removed at the end of the scope, unless it got its name.
struct Temporary {
  std::string name;
  int fd = -1;
  ~Temporary() {
    if (fd >= 0) ::close(fd);
    if (!name.empty()) ::unlink(name.c_str());
  }
};

bool write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

/// mkstemp makes a file for its owner alone; others get what the process gives new files.
mode_t usual_mode() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return 0666 & ~mask;
}

}  // namespace

std::optional<Error> replace_file(const std::string& path,
                                  std::span<const std::span<const std::byte>> pieces) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {
    return Error{path + ": is there and is no regular file", "remove it or write elsewhere"};
  }
  std::error_code failed;
  fs::create_directories(fs::path(path).parent_path(), failed);
  if (failed) return write_error(path, failed.value());
  std::string name = path + ".XXXXXX";
  const int fd = ::mkstemp(name.data());
  if (fd < 0) return write_error(path, errno);
  Temporary temporary{name, fd};
  for (const auto bytes : pieces) {
    if (!write_all(fd, bytes)) return write_error(path, errno);
  }
  if (::fchmod(fd, usual_mode()) != 0) return write_error(path, errno);
  if (::rename(name.c_str(), path.c_str()) != 0) return write_error(path, errno);
  temporary.name.clear();
  return std::nullopt;
}

std::optional<Error> replace_file(const std::string& path, std::string_view text) {
  const std::span<const std::byte> piece = std::as_bytes(std::span(text));
  return replace_file(path, {&piece, 1});
}

}  // namespace refute::tensor
