// Rows of queries and keys: Hugging Face keeps the two halves of each head apart, GGUF's llama
// interleaves them.

#include <fmt/format.h>

#include "harness/instruments/quant_diff_cause_guesses.hpp"
#include "harness/instruments/quant_diff_source.hpp"

namespace refute::instruments {
namespace {

constexpr std::size_t kLeastHead = 4, kMostHead = 512;

/// The rows that the conversion to GGUF makes of these.
RowReader interleaved(RowReader rows, std::size_t count, std::size_t heads) {
  return [rows = std::move(rows), count, heads](std::size_t row, std::span<float> out) {
    return rows(source_row(row, count, heads), out);
  };
}

std::string against(std::size_t expected) {
  return expected == 0 ? "" : fmt::format(", not of {}", expected);
}

}  // namespace

std::optional<Cause> rotary_rows(CauseSearch& search) {
  const std::size_t rows = search.rows();
  const RowReader reference = search.stored_reference(), other = search.stored_other();
  const std::size_t heads = search.pair().adjust_reference.heads + search.pair().adjust_other.heads;
  if (heads != 0) {
    if (const auto error = search.explains(reference, other))
      return Cause{"its rows are not interleaved within heads as the conversion to GGUF does",
                   *error};
  }
  const std::size_t expected = heads == 0 ? 0 : rows / heads;
  for (std::size_t head = kLeastHead; head <= std::min(kMostHead, rows); head += 2) {
    if (rows % head != 0 || head == expected) continue;
    if (const auto error = search.explains(interleaved(reference, rows, rows / head), other))
      return Cause{fmt::format("its rows are interleaved within heads of {}{}, as the conversion "
                               "to GGUF does with queries and keys",
                               head, against(expected)),
                   *error};
    if (const auto error = search.explains(reference, interleaved(other, rows, rows / head)))
      return Cause{fmt::format("its rows are taken apart within heads of {}{}, as undoing the "
                               "conversion to GGUF does with queries and keys",
                               head, against(expected)),
                   *error};
  }
  return std::nullopt;
}

}  // namespace refute::instruments
