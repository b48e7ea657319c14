#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "harness/model/result.hpp"

namespace refute::pipeline {

/// The bytes of a plain file of at most `limit` bytes; an error names the path and the reason.
Result<std::string> read_text(const std::string& path, std::uint64_t limit = 256u << 20);

/// Writes a file and forces it to disk. An error (a full disk, a read-only folder) leaves no file
/// of that name behind unless there was one.
[[nodiscard]] std::optional<Error> write_text(const std::string& path, std::string_view text);

/// The same under a temporary name beside it, then renamed: a reader sees the old bytes or the new
/// ones.
[[nodiscard]] std::optional<Error> replace_text(const std::string& path, std::string_view text);

/// Forces a folder's entries to disk; best effort, as some file systems cannot.
void sync_folder(const std::string& folder);

/// "PATH: what: No space left on device", from errno.
Error system_error(const std::string& path, const std::string& what);

}  // namespace refute::pipeline
