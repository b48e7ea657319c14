// FP8 codes under their scales.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "harness/instruments/quant_diff_faults.hpp"
#include "harness/instruments/quantize_encoder.hpp"
#include "kernels/fp8.hpp"

namespace refute::instruments {
namespace {

using kernels::Fp8Format;

/// The finite values of a format, ascending; zero once.
std::vector<float> levels_of(Fp8Format format) {
  std::array<std::uint8_t, 256> codes;
  for (std::size_t c = 0; c < codes.size(); ++c) codes[c] = static_cast<std::uint8_t>(c);
  std::vector<float> levels(codes.size());
  kernels::cpu_scalar::fp8_decode(codes, levels, format);
  std::erase_if(levels, [](float v) { return !std::isfinite(v); });
  std::ranges::sort(levels);
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
  return levels;
}

/// What a correct code leaves at most: half a step of its binade, or of the subnormals.
struct Fp8Bound {
  float relative, least;
};

constexpr Fp8Bound bound_of(Fp8Format format) {
  return format == Fp8Format::e4m3 ? Fp8Bound{0x1p-4f, 0x1p-10f} : Fp8Bound{0x1p-3f, 0x1p-17f};
}

/// Quotient and product round once each.
constexpr float kRoundings = 1.0f + 0x1p-18f;

/// Which scale serves a value, by its place in the flattened tensor.
struct ScaleGrid {
  std::size_t cols, block_rows, block_cols, across;

  ScaleGrid(const tensor::ModelTensor& t, const tensor::ScaledFp8& type)
      : cols(std::max<std::size_t>(1, t.cols())),
        block_rows(type.block_rows),
        block_cols(type.block_cols),
        across((cols + type.block_cols - 1) / type.block_cols) {}

  std::size_t block(std::size_t index) const {
    return index / cols / block_rows * across + index % cols / block_cols;
  }
  /// Values from here to the end of the run that the scale serves.
  std::size_t left_of_run(std::size_t index) const {
    const std::size_t col = index % cols;
    return std::min(cols, (col / block_cols + 1) * block_cols) - col;
  }
  std::size_t element(std::size_t index) const {
    const std::size_t width = std::min(block_cols, cols);
    return index / cols % block_rows * width + index % cols % block_cols;
  }
};

/// Everything that one value is held to.
class Fp8Examiner {
 public:
  Fp8Examiner(const tensor::ModelTensor& other, const tensor::ScaledFp8& type)
      : grid_(other, type), bound_(bound_of(type.format)), levels_(levels_of(type.format)) {}

  const ScaleGrid& grid() const { return grid_; }

  void examine(std::size_t index, float x, float y, float scale, CodeCheck& check) const {
    CodeFault fault{.index = index,
                    .block = grid_.block(index),
                    .element = grid_.element(index),
                    .reference = x,
                    .value = y,
                    .error = std::fabs(x - y),
                    .limit = (bound_.relative * std::fabs(x) + bound_.least * scale) * kRoundings};
    if (!(fault.error <= fault.limit)) note_over_bound(check, fault);
    if (!(scale > 0)) return;
    const float beyond = beyond_middle(levels_, x / scale, y / scale) * scale;
    const float slack = std::fabs(x) * 0x1p-20f;
    if (beyond <= slack) return;
    fault.limit = std::max(0.0f, fault.error - beyond + slack);
    note_not_nearest(check, fault);
  }

 private:
  ScaleGrid grid_;
  Fp8Bound bound_;
  std::vector<float> levels_;
};

/// Eight codes against what encoding again gives.
bool equal_eight(const std::uint8_t* stored, const std::uint8_t* again) {
  return std::memcmp(stored, again, 8) == 0;
}

/// A run of values that one scale serves.
struct Run {
  std::size_t first;  ///< in the tensor
  std::span<const float> x, y;
  const std::uint8_t* codes;
  float scale;
};

/// Encodes again and looks closer only where that gives another code: the nearest one is what it
/// gives, but for rounding of the quotient, and for quotients beyond the largest code.
void check_run(const Fp8Examiner& examiner, Fp8Format format, const Run& run, CodeCheck& check) {
  constexpr std::size_t kPiece = 2048;
  std::array<float, kPiece> quotients;
  std::array<std::uint8_t, kPiece> again;
  const float inverse = 1 / run.scale;
  const bool ordinary = std::isfinite(inverse) && inverse > 0;
  const float most = kernels::fp8_max_finite(format) * kRoundings;
  for (std::size_t at = 0; at < run.x.size(); at += kPiece) {
    const std::size_t n = std::min(kPiece, run.x.size() - at);
    for (std::size_t i = 0; i < n; ++i) quotients[i] = run.x[at + i] * inverse;
    const bool held = ordinary && absmax_of({quotients.data(), n}).value <= most;
    kernels::cpu_simd::fp8_encode({quotients.data(), n}, {again.data(), n}, {.format = format});
    for (std::size_t i = 0; i < n;) {
      const bool whole = i + 8 <= n;
      const std::size_t end = whole ? i + 8 : n;
      if (held && whole && equal_eight(run.codes + at + i, &again[i])) {
        i = end;
        continue;
      }
      for (; i < end; ++i)
        examiner.examine(run.first + at + i, run.x[at + i], run.y[at + i], run.scale, check);
    }
  }
}

}  // namespace

CodeCheck check_fp8(const tensor::ModelTensor& other, const tensor::ScaledFp8& type,
                    std::size_t first, std::span<const float> x, std::span<const float> y) {
  const Fp8Examiner examiner(other, type);
  const ScaleGrid& grid = examiner.grid();
  const auto* codes = reinterpret_cast<const std::uint8_t*>(other.bytes.data()) + first;
  CodeCheck check{.elements = x.size()};
  for (std::size_t i = 0; i < x.size();) {
    const std::size_t n = std::min(x.size() - i, grid.left_of_run(first + i));
    check.blocks += grid.element(first + i) == 0;
    check_run(examiner, type.format,
              {.first = first + i,
               .x = x.subspan(i, n),
               .y = y.subspan(i, n),
               .codes = codes + i,
               .scale = companion_value(other.scales, grid.block(first + i))},
              check);
    i += n;
  }
  return check;
}

}  // namespace refute::instruments
