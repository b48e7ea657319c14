#pragma once

// For tests: builds the bytes of a safetensors file from a header, as somebody hostile might.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace refute::tensor {

inline std::vector<std::byte> file_bytes(std::string_view header, std::size_t data_bytes,
                                         std::uint64_t stated_length) {
  std::vector<std::byte> bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<std::byte>(stated_length >> (8 * i)));
  for (const char c : header) bytes.push_back(static_cast<std::byte>(c));
  for (std::size_t i = 0; i < data_bytes; ++i) bytes.push_back(static_cast<std::byte>(i * 37 + 1));
  return bytes;
}

inline std::vector<std::byte> file_bytes(std::string_view header, std::size_t data_bytes) {
  return file_bytes(header, data_bytes, header.size());
}

}  // namespace refute::tensor
