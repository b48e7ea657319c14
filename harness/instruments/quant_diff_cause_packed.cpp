// 4-bit codes in another order within their bytes.

#include <cstdint>
#include <utility>

#include "harness/instruments/quant_diff_cause_guesses.hpp"

namespace refute::instruments {
namespace {

using kernels::GgmlFormat;

/// Where the bytes of 4-bit codes are in a block, and how many of them hold two runs of neighbours:
/// the low halves the first, the high halves the second. No bytes: codes are packed otherwise.
struct Nibbles {
  std::size_t first = 0, count = 0, run = 0;
};

Nibbles nibbles_of(GgmlFormat format) {
  switch (format) {
    case GgmlFormat::q4_0:
    case GgmlFormat::iq4_nl:
      return {2, 16, 16};
    case GgmlFormat::q4_1:
      return {4, 16, 16};
    case GgmlFormat::mxfp4:
      return {1, 16, 16};
    case GgmlFormat::q5_0:
      return {6, 16, 16};
    case GgmlFormat::q5_1:
      return {8, 16, 16};
    case GgmlFormat::q4_k:
      return {16, 128, 32};
    case GgmlFormat::q5_k:
      return {48, 128, 32};
    case GgmlFormat::f16:
    case GgmlFormat::bf16:
    case GgmlFormat::q8_0:
    case GgmlFormat::q2_k:
    case GgmlFormat::q3_k:
    case GgmlFormat::q6_k:
      return {};
  }
  return {};
}

using Bytes = std::span<std::uint8_t>;
using Undo = void (*)(Bytes run);

void swap_nibbles(Bytes run) {
  for (std::uint8_t& byte : run) byte = static_cast<std::uint8_t>(byte << 4 | byte >> 4);
}

/// Byte j holds codes 2j and 2j + 1 where it should hold j and j + run.
void unpack_neighbours(Bytes run) {
  std::vector<std::uint8_t> codes;
  for (const std::uint8_t byte : run) {
    codes.push_back(byte & 15);
    codes.push_back(byte >> 4);
  }
  for (std::size_t j = 0; j < run.size(); ++j)
    run[j] = static_cast<std::uint8_t>(codes[j] | codes[j + run.size()] << 4);
}

/// Rows of blocks whose codes are put in order first.
class Repacked {
 public:
  Repacked(const tensor::ModelTensor& tensor, GgmlFormat format, Undo undo)
      : tensor_(tensor), format_(format), undo_(undo) {}

  bool read(std::size_t row, std::span<float> out) {
    const auto& info = kernels::ggml_info(format_);
    const std::size_t bytes = out.size() / info.block_size * info.block_bytes;
    const auto* at = reinterpret_cast<const std::uint8_t*>(tensor_.bytes.data()) + row * bytes;
    blocks_.assign(at, at + bytes);
    const Nibbles nibbles = nibbles_of(format_);
    for (std::size_t block = 0; block < bytes; block += info.block_bytes) {
      for (std::size_t run = 0; run < nibbles.count; run += nibbles.run)
        undo_(Bytes(blocks_).subspan(block + nibbles.first + run, nibbles.run));
    }
    return kernels::cpu_simd::ggml_dequantize(format_, blocks_, out).status ==
           kernels::GgmlStatus::ok;
  }

 private:
  const tensor::ModelTensor& tensor_;
  GgmlFormat format_;
  Undo undo_;
  std::vector<std::uint8_t> blocks_;
};

std::optional<Cause> repacked(CauseSearch& search, GgmlFormat format, Undo undo,
                              const char* words) {
  Repacked rows(*search.pair().other, format, undo);
  const auto error =
      search.explains([&](std::size_t row, std::span<float> out) { return rows.read(row, out); });
  if (!error) return std::nullopt;
  return Cause{words, *error};
}

constexpr const char* kSwapped = "the two 4-bit codes of each byte are swapped";

/// NF4's two codes of a byte are neighbours under one scale, so that their values change places.
std::optional<Cause> swapped_nf4(CauseSearch& search) {
  const RowReader undone = [other = search.other()](std::size_t row, std::span<float> out) {
    if (!other(row, out)) return false;
    for (std::size_t i = 0; i + 1 < out.size(); i += 2) std::swap(out[i], out[i + 1]);
    return true;
  };
  const auto error = search.explains(undone);
  if (!error) return std::nullopt;
  return Cause{kSwapped, *error};
}

}  // namespace

std::optional<Cause> packed_otherwise(CauseSearch& search) {
  const tensor::ModelTensor& other = *search.pair().other;
  if (std::holds_alternative<tensor::GroupedNf4>(other.type))
    return search.cols() % 2 == 0 ? swapped_nf4(search) : std::nullopt;
  const auto* format = std::get_if<GgmlFormat>(&other.type);
  if (!format || nibbles_of(*format).count == 0 || search.pair().adjust_other.any() ||
      search.cols() % kernels::ggml_info(*format).block_size != 0)
    return std::nullopt;
  if (auto cause = repacked(search, *format, swap_nibbles, kSwapped)) return cause;
  return repacked(search, *format, unpack_neighbours,
                  "codes of neighbours are packed together, where the format packs the first half "
                  "of a block with its second");
}

}  // namespace refute::instruments
