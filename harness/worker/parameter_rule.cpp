#include "harness/worker/parameter_rule.hpp"

#include <array>

namespace refute::worker {

std::string_view to_string(ParameterKind kind) {
  constexpr std::array<std::string_view, 8> kNames = {"count", "counts",       "real", "reals",
                                                      "band",  "real_or_band", "word", "words"};
  return kNames.at(static_cast<std::size_t>(kind));
}

}  // namespace refute::worker
