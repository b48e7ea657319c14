#pragma once

// Names that come from a file and go to a terminal.

#include <string>
#include <string_view>

namespace refute::tensor {

/// Well-formed UTF-8: no overlong form, no surrogate, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

/// The text for a message: control characters and broken UTF-8 as \xNN, so that a name cannot move
/// the cursor, nor break what reads the message.
std::string escaped(std::string_view text);

/// The same, cut after 160 bytes: a name.
std::string printable(std::string_view text);

}  // namespace refute::tensor
