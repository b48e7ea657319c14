#include "harness/instruments/quant_diff_judge_codes.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/instruments/quant_diff_place.hpp"

namespace refute::instruments {
namespace {

using Kind = DiffFindingKind;

std::string fault_text(const DiffRow& row, const CodeFault& f) {
  return fmt::format("block {}, element {} of it ({}): {} stored for {}, off by {:.4g}", f.block,
                     f.element, element_text(row.shape, f.index), f.value, f.reference, f.error);
}

// absmax/7 in place of peak/8 has steps that are 1.14 times as wide.
constexpr double kNoWorse = 1.25;
// The best factor on what is stored is 1 for refitted scales and from 0.988 to 1.004 for ggml's, by
// the tails of the values; scales searched under no, mild and wild importances, and absmax/7, are
// within 0.6 % of one or the other.
constexpr double kLevel = 0.01;

bool is_level(const DiffRow& row) {
  const CodeCheck& c = row.codes;
  const double values = static_cast<double>(c.other_scales * c.elements / c.blocks);
  const double slack = kLevel + 3 * row.relative_error.value() / std::sqrt(values);
  const double level = c.stored.level(), usual = c.again.level();
  return level >= std::min(1.0, usual) - slack && level <= std::max(1.0, usual) + slack;
}

/// Scales of one's own are a choice while the tensor is as near as the format gets, or ggml's
/// reference with these values, and no louder or quieter.
bool scales_are_a_choice(const DiffRow& row) {
  const CodeCheck& c = row.codes;
  const bool in_band = row.band && row.relative_error.at_most(row.band->high);
  const bool no_worse = c.stored.d2 <= kNoWorse * kNoWorse * c.again.d2;
  return row.relative_error.defined() && (in_band || no_worse) && is_level(row);
}

/// Blocks are counted where one bound holds for a block, values where each has its own.
void find_over_bound(DiffRow& row, const TensorPair& pair) {
  CodeCheck c = row.codes;
  if (c.over_by_choice != 0 && !scales_are_a_choice(row)) {
    CodeCheck unexcused;
    unexcused.over_bound = c.over_by_choice;
    unexcused.worst_over_bound = c.worst_over_by_choice;
    c.add(unexcused);
  }
  if (c.over_bound == 0) return;
  const bool by_block = pair.other && !std::holds_alternative<tensor::DType>(pair.other->type) &&
                        !std::holds_alternative<tensor::ScaledFp8>(pair.other->type);
  row.add(
      Kind::over_bound,
      fmt::format("{} of {} {} are further off than {} leaves any value: {}, where {:.4g} is the "
                  "most",
                  c.over_bound, by_block ? c.blocks : c.elements, by_block ? "blocks" : "values",
                  row.qtype, fault_text(row, *c.worst_over_bound), c.worst_over_bound->limit));
}

// Of a tensor that another quantiser made, most blocks differ from ours and a refitted scale leaves
// many codes a little beyond the middle; of one that was damaged, a few differ, or many in a few
// blocks. One in a hundred blocks and one in a thousand elements tell the two apart.
constexpr std::uint64_t kFewBlocks = 100, kFewElements = 1000;

bool reproduced_but_for_a_few(const CodeCheck& c) {
  return c.differing != 0 && c.requantised > 1 &&
         c.differing <= std::max<std::uint64_t>(1, c.requantised / kFewBlocks);
}

bool isolated(const CodeCheck& c) {
  if (c.not_nearest <= std::max<std::uint64_t>(1, c.elements / kFewElements)) return true;
  return c.blocks_not_nearest != 0 &&
         c.blocks_not_nearest <= std::max<std::uint64_t>(1, c.blocks / kFewBlocks);
}

void find_wrong_code(DiffRow& row) {
  const CodeCheck& c = row.codes;
  if (reproduced_but_for_a_few(c)) {
    row.add(
        Kind::wrong_code,
        fmt::format("{} of {} blocks hold other values than {} of the reference, which all others "
                    "reproduce: {}, where {:.4g} was to be expected",
                    c.differing, c.requantised, row.qtype, fault_text(row, *c.worst_differing),
                    c.worst_differing->limit));
    return;
  }
  if (c.not_nearest == 0) return;
  const CodeFault& worst = *c.worst_not_nearest;
  const bool a_whole_step = worst.error >= 2 * worst.limit;
  const std::string text =
      fmt::format("{} of {} codes are not the nearest ones: {}, where {:.4g} is the most",
                  c.not_nearest, c.elements, fault_text(row, worst), worst.limit);
  if (isolated(c) || a_whole_step) return row.add(Kind::wrong_code, text);
  row.notes.push_back(text + " (a quantiser that refits scales after choosing codes does so)");
}

/// Where nearly all blocks have the reference's scales, the others are a finding already.
void note_other_quantiser(DiffRow& row) {
  const CodeCheck& c = row.codes;
  if (c.other_scales == 0 || row.has(Kind::over_bound) || row.has(Kind::wrong_code)) return;
  std::string text = fmt::format("other quantiser: the scales of {} of {} blocks are not ggml's",
                                 c.other_scales, c.requantised);
  if (c.over_by_choice != 0)
    text += fmt::format("; {} clip, or have steps that are wider", c.over_by_choice);
  if (c.refitted != 0) text += fmt::format("; {} were refitted to their codes", c.refitted);
  row.notes.push_back(text);
}

}  // namespace

void judge_codes(DiffRow& row, const TensorPair& pair) {
  find_over_bound(row, pair);
  find_wrong_code(row);
  note_other_quantiser(row);
}

}  // namespace refute::instruments
