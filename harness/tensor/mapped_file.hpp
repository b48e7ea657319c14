#pragma once

#include <cstddef>
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

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::span<const std::byte> bytes_;
};

}  // namespace refute::tensor
