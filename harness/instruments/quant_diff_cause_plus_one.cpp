// Norms of the gemma family, which GGUF stores with one added.

#include "harness/instruments/quant_diff_cause_guesses.hpp"

namespace refute::instruments {
namespace {

RowReader plus_one(RowReader rows) {
  return [rows = std::move(rows)](std::size_t row, std::span<float> out) {
    if (!rows(row, out)) return false;
    for (float& v : out) v += 1.0f;
    return true;
  };
}

}  // namespace

std::optional<Cause> one_added(CauseSearch& search) {
  if (search.rows() != 1) return std::nullopt;
  const RowReader reference = search.stored_reference(), other = search.stored_other();
  if (const auto error = search.explains(plus_one(reference), other))
    return Cause{"one was added to every value, as the conversion to GGUF does with norms of gemma",
                 *error};
  if (const auto error = search.explains(reference, plus_one(other)))
    return Cause{"every value lacks the one that the conversion to GGUF adds to norms of gemma",
                 *error};
  return std::nullopt;
}

}  // namespace refute::instruments
