#include "harness/instruments/quant_diff_place.hpp"

#include <fmt/format.h>

namespace refute::instruments {

std::string shape_text(const std::vector<std::size_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::string place_text(const std::vector<std::size_t>& shape, std::size_t index) {
  if (shape.size() < 2) return fmt::format("[{}]", index);
  std::vector<std::size_t> at(shape.size());
  for (std::size_t d = shape.size(); d-- > 0;) {
    at[d] = index % shape[d];
    index /= shape[d];
  }
  return shape_text(at);
}

std::string element_text(const std::vector<std::size_t>& shape, std::size_t index) {
  if (shape.size() < 2) return fmt::format("element {}", index);
  return "element " + place_text(shape, index);
}

}  // namespace refute::instruments
