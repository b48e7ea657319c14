#pragma once

// Where something is in a tensor, in words.

#include <cstddef>
#include <string>
#include <vector>

namespace refute::instruments {

/// "[8, 512]".
std::string shape_text(const std::vector<std::size_t>& shape);

/// Value `index` of the flattened tensor: "[1, 31]"; "[40]" where there are fewer dimensions than
/// two.
std::string place_text(const std::vector<std::size_t>& shape, std::size_t index);

/// "element [17, 40]", or the index alone where there is one dimension.
std::string element_text(const std::vector<std::size_t>& shape, std::size_t index);

}  // namespace refute::instruments
