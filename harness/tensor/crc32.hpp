#pragma once

// The CRC-32 of zip (ISO-HDLC: polynomial 0x04C11DB7, bits reflected).

#include <cstddef>
#include <cstdint>
#include <span>

namespace refute::tensor {

std::uint32_t crc32(std::span<const std::byte> bytes);

/// The CRC of two stretches one after the other, from theirs and the length of the second.
std::uint32_t crc32_joined(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes);

}  // namespace refute::tensor
