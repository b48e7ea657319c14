#include "harness/tensor/text.hpp"

#include <cstddef>
#include <cstdint>

#include <fmt/core.h>

namespace refute::tensor {
namespace {

constexpr std::size_t kShown = 160;

unsigned char byte(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

/// Bytes of the code point that starts at `at`; 0 when none does (Unicode 15, table 3-7).
std::size_t code_point_length(std::string_view text, std::size_t at) {
  const unsigned char lead = byte(text, at);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(text, at + i) & 0xC0) != 0x80) return 0;
  }
  const unsigned char second = byte(text, at + 1);
  if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second >= 0xA0)) return 0;
  if ((lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second >= 0x90)) return 0;
  return length;
}

}  // namespace

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = code_point_length(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

namespace {

/// Stops after `most` bytes; whether it did.
bool escape_into(std::string& shown, std::string_view text, std::size_t most) {
  for (std::size_t at = 0; at < text.size();) {
    if (at >= most) return true;
    const std::size_t length = code_point_length(text, at);
    // C0, DEL, and C1 (U+0080 to U+009F), which some terminals obey too.
    const bool control = byte(text, at) < 0x20 || byte(text, at) == 0x7F ||
                         (length == 2 && byte(text, at) == 0xC2 && byte(text, at + 1) < 0xA0);
    if (length == 0 || control) {
      shown += fmt::format("\\x{:02X}", byte(text, at));
      at += 1;
      continue;
    }
    shown += text.substr(at, length);
    at += length;
  }
  return false;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string shown;
  (void)escape_into(shown, text, text.size());
  return shown;
}

std::string printable(std::string_view text) {
  std::string shown;
  return escape_into(shown, text, kShown) ? shown + "…" : shown;
}

}  // namespace refute::tensor
