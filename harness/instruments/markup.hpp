#pragma once

#include <string>
#include <string_view>

namespace refute::instruments {

/// The text between tags, or as the value of an attribute in double quotes, of SVG and HTML.
std::string markup_escaped(std::string_view text);

}  // namespace refute::instruments
