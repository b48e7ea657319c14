#pragma once

#include <string>
#include <string_view>

namespace refute::pipeline {

/// Text for XML 1.0, in an element or an attribute. What XML cannot hold in any spelling (control
/// characters, broken UTF-8, surrogates, U+FFFE and U+FFFF) becomes U+FFFD.
std::string xml_escaped(std::string_view text);

}  // namespace refute::pipeline
