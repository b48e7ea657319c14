#include "harness/tensor/new_file.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

namespace refute::tensor {
namespace {

constexpr mode_t kMode = 0666;  // less the umask
constexpr const char* kHint = "choose another place with -o, or make room";

Error failure(const std::string& path, const char* what) {
  return {fmt::format("{}: cannot {}: {}", path, what, std::strerror(errno)), kHint};
}

std::string folder_of(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

std::string hidden_name(const std::string& path) {
  const std::filesystem::path whole(path);
  return (whole.parent_path() / fmt::format(".{}.{}.part", whole.filename().string(), ::getpid()))
      .string();
}

/// Unnamed files need the kernel's help at both ends: here, and in /proc when they get their name.
int open_unnamed(const std::string& folder) {
  return ::access("/proc/self/fd", X_OK) == 0
             ? ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kMode)
             : -1;
}

std::optional<Error> check_place(const std::string& path, bool overwrite) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) != 0) {
    if (errno == ENOENT) return std::nullopt;
    return failure(path, "look at it");
  }
  if (!S_ISREG(there.st_mode))
    return Error{path + ": is there and is no regular file", "choose another name with -o"};
  if (!overwrite)
    return Error{path + ": is there already", "choose another name with -o, or say --force"};
  return std::nullopt;
}

}  // namespace

Result<NewFile> NewFile::create(const std::string& path, const Options& options) {
  if (auto error = check_place(path, options.overwrite)) return *std::move(error);
  std::signal(SIGXFSZ, SIG_IGN);
  if (const int fd = options.unnamed ? open_unnamed(folder_of(path)) : -1; fd >= 0)
    return NewFile(path, "", fd, options.overwrite);
  const std::string hidden = hidden_name(path);
  const int fd = ::open(hidden.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, kMode);
  if (fd < 0) return failure(path, "create it");
  return NewFile(path, hidden, fd, options.overwrite);
}

NewFile::NewFile(std::string path, std::string hidden, int fd, bool overwrite)
    : path_(std::move(path)), hidden_(std::move(hidden)), fd_(fd), overwrite_(overwrite) {}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)),
      hidden_(std::exchange(other.hidden_, {})),
      fd_(std::exchange(other.fd_, -1)),
      overwrite_(other.overwrite_) {}

NewFile& NewFile::operator=(NewFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(hidden_, other.hidden_);
  std::swap(fd_, other.fd_);
  std::swap(overwrite_, other.overwrite_);
  return *this;
}

NewFile::~NewFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!hidden_.empty()) ::unlink(hidden_.c_str());
}

Error NewFile::failed(const char* what) const {
  return failure(path_, what);
}

std::optional<Error> NewFile::reserve(std::size_t bytes) {
  if (bytes == 0) return std::nullopt;
  const auto size = static_cast<off_t>(bytes);
  int status;
  do {
    status = ::fallocate(fd_, 0, 0, size);
  } while (status != 0 && errno == EINTR);
  // Not every file system can take room ahead; then it shows while writing.
  if (status != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) status = ::ftruncate(fd_, size);
  if (status == 0) return std::nullopt;
  return Error{fmt::format("{}: cannot take {} bytes: {}", path_, bytes, std::strerror(errno)),
               kHint};
}

std::optional<Error> NewFile::write(std::size_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return failed("write to it");
    offset += static_cast<std::size_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return std::nullopt;
}

/// A link fails where something is by now; a rename replaces it.
std::optional<Error> NewFile::give_name() {
  const std::string target = overwrite_ ? hidden_name(path_) : path_;
  if (hidden_.empty()) {
    const std::string source = fmt::format("/proc/self/fd/{}", fd_);
    if (::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, target.c_str(), AT_SYMLINK_FOLLOW) != 0)
      return failed("give it its name");
    if (overwrite_) hidden_ = target;
  } else if (!overwrite_ && ::link(hidden_.c_str(), path_.c_str()) != 0) {
    return failed("give it its name");
  }
  if (!overwrite_) return std::nullopt;  // a hidden name that is left goes in the destructor
  if (::rename(hidden_.c_str(), path_.c_str()) != 0) return failed("replace it");
  hidden_.clear();
  return std::nullopt;
}

std::optional<Error> NewFile::commit() {
  if (::fsync(fd_) != 0) return failed("bring it to the disk");
  if (auto error = give_name()) return error;
  // The name has to last too.
  const int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return std::nullopt;
  ::fsync(folder);
  ::close(folder);
  return std::nullopt;
}

}  // namespace refute::tensor
