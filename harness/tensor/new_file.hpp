#pragma once

// A file that is there whole or not at all.

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "harness/model/result.hpp"

namespace refute::tensor {

/// Written without a name, so that even SIGKILL leaves nothing behind; on file systems that cannot
/// do that, under a hidden name beside it, which goes when this does.
class NewFile {
 public:
  struct Options {
    bool overwrite = false;  ///< an existing regular file is replaced, by a rename
    bool unnamed = true;     ///< false: as on file systems that know no unnamed files
  };
  /// An error when the file exists and may not be overwritten, is no regular file, or cannot be
  /// written where it is to be. From then on a write past the size limit of the process is an error
  /// and not a signal.
  static Result<NewFile> create(const std::string& path, const Options& options);

  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&& other) noexcept;
  ~NewFile();

  /// Sets the size and takes the room for it now, all zeros: a full disk shows before the work.
  std::optional<Error> reserve(std::size_t bytes);
  /// Any thread, any order.
  std::optional<Error> write(std::size_t offset, std::span<const std::byte> bytes);
  /// Has everything reach the disk, then gives the file its name.
  std::optional<Error> commit();

 private:
  NewFile(std::string path, std::string hidden, int fd, bool overwrite);
  Error failed(const char* what) const;
  std::optional<Error> give_name();

  std::string path_;
  std::string hidden_;  ///< the name it has until commit; empty: none
  int fd_ = -1;
  bool overwrite_ = false;
};

}  // namespace refute::tensor
