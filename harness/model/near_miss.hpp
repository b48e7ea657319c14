#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace refute {

/// The candidate nearest to `word` by edit distance, if near enough to have been meant; else empty.
std::string near_miss(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace refute
