#include "harness/worker/guarded_buffer.hpp"

#include <fmt/format.h>

namespace refute::worker::detail {
std::optional<GuardViolation> check_bands(std::span<const std::uint8_t> whole, std::size_t payload,
                                          std::string_view name) {
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (i == kBand) i += payload;  // the payload itself may hold anything
    if (whole[i] == kBandByte) continue;
    const auto offset = static_cast<std::int64_t>(i) - static_cast<std::int64_t>(kBand);
    return GuardViolation{
        std::string(name), offset,
        fmt::format("the subject wrote {} at byte offset {} of its {} bytes in `{}`",
                    offset < 0 ? "before the start" : "past the end", offset, payload, name)};
  }
  return std::nullopt;
}

std::optional<GuardViolation> check_unchanged(std::span<const std::uint8_t> now,
                                              std::span<const std::uint8_t> before,
                                              std::string_view name) {
  if (now.empty() || std::memcmp(now.data(), before.data(), now.size()) == 0) return std::nullopt;
  std::size_t i = 0;
  while (now[i] == before[i]) ++i;
  return GuardViolation{
      std::string(name), static_cast<std::int64_t>(i),
      fmt::format("the subject changed its input `{}` at byte offset {}", name, i)};
}

}  // namespace refute::worker::detail
