#include "harness/tensor/crc32.hpp"

#include <array>
#include <cstring>

namespace refute::tensor {
namespace {

constexpr std::uint32_t kPolynomial = 0xEDB88320u;  // reflected
constexpr std::uint32_t kOne = 0x80000000u;         // the polynomial 1: bits are reflected

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

/// tables[k][b]: what byte b does to the CRC when k bytes follow it ("slicing by 8": Kounavis and
/// Berry, 2005).
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][b] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t b = 0; b < 256; ++b) {
      const std::uint32_t crc = tables[k - 1][b];
      tables[k][b] = crc >> 8 ^ tables[0][crc & 0xFF];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

std::uint32_t eight_bytes(std::uint32_t crc, const std::byte* at) {
  std::uint64_t word;
  std::memcpy(&word, at, 8);
  word ^= crc;
  std::uint32_t next = 0;
  for (std::size_t k = 0; k < 8; ++k) next ^= kTables[7 - k][word >> (8 * k) & 0xFF];
  return next;
}

/// The product of two polynomials modulo the CRC's.
constexpr std::uint32_t product(std::uint32_t a, std::uint32_t b) {
  std::uint32_t sum = 0;
  for (std::uint32_t bit = kOne; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) sum ^= b;
    b = b >> 1 ^ ((b & 1) != 0 ? kPolynomial : 0);
  }
  return sum;
}

/// x to the power of 8·bytes, by squaring.
std::uint32_t shift_by(std::uint64_t bytes) {
  std::uint32_t power = kOne >> 8;  // x^8
  std::uint32_t result = kOne;
  for (; bytes != 0; bytes >>= 1) {
    if ((bytes & 1) != 0) result = product(result, power);
    power = product(power, power);
  }
  return result;
}

}  // namespace

std::uint32_t crc32(std::span<const std::byte> bytes) {
  std::uint32_t crc = 0xFFFFFFFFu;
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) crc = eight_bytes(crc, bytes.data() + at);
  for (; at < bytes.size(); ++at)
    crc = crc >> 8 ^ kTables[0][(crc ^ std::to_integer<std::uint32_t>(bytes[at])) & 0xFF];
  return ~crc;
}

std::uint32_t crc32_joined(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes) {
  return product(shift_by(second_bytes), first) ^ second;
}

}  // namespace refute::tensor
