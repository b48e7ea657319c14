#pragma once

#include <cstdint>
#include <span>

#include "kernels/nf4.hpp"

namespace refute::worker {

/// An NF4 implementation under test. Meanings and errors as in kernels/nf4.hpp.
class Nf4Subject {
 public:
  virtual ~Nf4Subject() = default;

  virtual kernels::Nf4Result quantize(std::span<const float> w, std::size_t rows, std::size_t cols,
                                      kernels::Nf4Decision decision, std::span<std::uint8_t> codes,
                                      std::span<float> absmax) = 0;
  virtual kernels::Nf4Result dequantize(std::span<const std::uint8_t> codes,
                                        std::span<const float> absmax, std::size_t rows,
                                        std::size_t cols, std::span<float> out) = 0;
  virtual kernels::Nf4Result pack(std::span<const std::uint8_t> codes,
                                  std::span<const float> absmax, std::size_t rows, std::size_t cols,
                                  kernels::Nf4Layout layout, std::span<std::uint8_t> packed) = 0;
  virtual kernels::Nf4Result unpack(std::span<const std::uint8_t> packed, std::size_t rows,
                                    std::size_t cols, kernels::Nf4Layout layout,
                                    std::span<std::uint8_t> codes, std::span<float> absmax) = 0;
  virtual kernels::Nf4Result gemm(std::span<const float> a, std::span<const std::uint8_t> packed,
                                  std::size_t m, std::size_t n, std::size_t k,
                                  kernels::Nf4Layout layout, std::span<float> c) = 0;
  /// Bytes that a packed [rows, cols] matrix takes.
  virtual std::size_t packed_size(std::size_t rows, std::size_t cols) {
    return kernels::nf4_packed_size(rows, cols);
  }
};

}  // namespace refute::worker
