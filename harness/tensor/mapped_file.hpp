#pragma once

#include <cstddef>
#include <ctime>
#include <span>
#include <string>

#include "harness/model/result.hpp"

namespace refute::tensor {

/// A regular file, mapped to be read. The bytes live as long as the object; moving it does not move
/// them. A file that somebody shortens meanwhile ends the process with SIGBUS: tensors are read in
/// workers, where that costs one job.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

  /// Whether the file was written to or cut short since it was opened. Bytes lost at the end of the
  /// last page that is left read as zeros, without a signal.
  bool changed() const;

 private:
  MappedFile(int fd, std::span<const std::byte> bytes, std::timespec modified)
      : fd_(fd), bytes_(bytes), modified_(modified) {}

  int fd_;
  std::span<const std::byte> bytes_;
  std::timespec modified_;
};

}  // namespace refute::tensor
