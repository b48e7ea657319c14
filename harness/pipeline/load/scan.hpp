#pragma once

// What yaml-cpp would let pass, found in the bytes themselves.

#include <cstddef>
#include <optional>
#include <string_view>

#include "harness/pipeline/load/findings.hpp"
#include "harness/pipeline/load/line_index.hpp"

namespace refute::pipeline {

constexpr std::size_t kMostBytes = std::size_t{1} << 20;

/// The text without a leading byte order mark.
std::string_view without_bom(std::string_view text);

/// Reports size, invalid UTF-8, control and invisible characters. False when the text must not
/// reach the parser.
bool scan_bytes(std::string_view text, const LineIndex& lines, Findings& findings);

/// Where the first byte stands that is not valid UTF-8 (overlong forms and surrogates are not), if
/// any.
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

/// One past the quote that closes the one at `begin`; nothing if none does.
std::optional<std::size_t> end_of_quoted(std::string_view text, std::size_t begin);

/// One past the last byte of the plain scalar that starts at `begin` and reads `value` once folded.
std::size_t end_of_plain(std::string_view text, std::size_t begin, std::string_view value);

/// The first byte from `begin` on that is neither blank, line break nor part of a comment.
std::size_t skip_blanks(std::string_view text, std::size_t begin);

/// Where a tab stands between the start of the line and `offset`, if only blanks are there.
std::optional<std::size_t> tab_indentation(std::string_view text, std::size_t line_start,
                                           std::size_t offset);

}  // namespace refute::pipeline
