#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "harness/model/result.hpp"

namespace refute::tensor {

/// Writes the pieces one after the other into a temporary file beside `path` and renames it, so
/// that whoever reads sees the old file or the whole new one. Folders are made as needed. It is not
/// forced to the disk: what is written here can be made again. What stands there and is no regular
/// file is left alone, with an error.
std::optional<Error> replace_file(const std::string& path,
                                  std::span<const std::span<const std::byte>> pieces);
std::optional<Error> replace_file(const std::string& path, std::string_view text);

}  // namespace refute::tensor
