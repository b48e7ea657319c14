#pragma once

// Reads GGUF (github.com/ggml-org/ggml, docs/gguf.md), versions 2 and 3, little-endian: a header,
// typed key/value pairs, a table of tensors, then their data, each tensor aligned. Version 1 and
// big-endian files are refused by name.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "harness/model/result.hpp"
#include "harness/tensor/metadata.hpp"

namespace refute::tensor {

inline constexpr std::uint32_t kGgufDefaultAlignment = 32;
inline constexpr std::size_t kGgufNameBytes = 64;  ///< the longest tensor name
/// The longest that is written: ggml keeps a terminating zero in its 64 bytes (GGML_MAX_NAME).
inline constexpr std::size_t kGgufWrittenNameBytes = 63;
inline constexpr std::size_t kGgufDimensions = 4;

struct GgufTensor {
  std::string name;
  std::uint32_t type_id = 0;
  std::vector<std::size_t> shape;  ///< outermost first: the file's order turned around
  std::size_t count = 1;
  std::size_t begin = 0, end = 0;  ///< in the file, end exclusive
};

struct GgufHeader {
  std::uint32_t version = 3;
  std::uint32_t alignment = kGgufDefaultAlignment;
  Metadata metadata;
  std::vector<GgufTensor> tensors;  ///< in the order of their data
};

/// What a header may cost.
struct GgufBounds {
  std::size_t header_bytes = 256u << 20;  ///< what lies behind it is as good as not there
  std::size_t keys = 1u << 16;
  std::size_t tensors = 1u << 20;
  int array_depth = 8;
};

bool is_gguf(std::span<const std::byte> file);

/// Refuses what the format forbids: names twice or not UTF-8, more than four dimensions, rows that
/// are no whole number of blocks, offsets that are not aligned, overlap, or reach past the end, and
/// products that overflow. A type that nobody knows reaches to the next tensor. Errors do not name
/// the file.
Result<GgufHeader> read_gguf(std::span<const std::byte> file, const GgufBounds& bounds = {});

}  // namespace refute::tensor
