#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace refute::tokenizer {

bool is_letter(char32_t point);  ///< \p{L}
bool is_number(char32_t point);  ///< \p{N}
bool is_space(char32_t point);   ///< \s: White_Space
/// Text without such characters is in normal form C, whatever their order.
bool may_change_in_nfc(char32_t point);

struct CodePoint {
  char32_t value = 0;
  std::size_t bytes = 1;
};
/// The code point at `at` of well-formed UTF-8.
CodePoint code_point(std::string_view text, std::size_t at);

}  // namespace refute::tokenizer
