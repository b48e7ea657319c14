#include "harness/instruments/quant_diff_judge.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "harness/instruments/quant_diff_judge_codes.hpp"
#include "harness/instruments/quant_diff_place.hpp"

namespace refute::instruments {
namespace {

using metrics::Metric;
using metrics::Undefined;
using tensor::ModelTensor;
using Kind = DiffFindingKind;

DiffRow row_of(const TensorPair& pair) {
  DiffRow row;
  row.tensor = pair.reference->name;
  row.reference_type = to_string(pair.reference->type);
  row.shape = pair.reference->shape;
  row.numel = pair.reference->count;
  const auto& type = pair.other ? pair.other->type : pair.as;
  row.qtype = to_string(type);
  row.other_shape = pair.other ? pair.other->shape : row.shape;
  if (pair.other && pair.other->name != row.tensor) row.other_name = pair.other->name;
  row.band = expected_band(pair.reference->type, type);
  if (pair.adjust_reference.heads || pair.adjust_other.heads)
    row.notes.push_back("rows interleaved as the conversion to GGUF does");
  if (pair.adjust_reference.plus_one || pair.adjust_other.plus_one)
    row.notes.push_back("one added as the conversion to GGUF does");
  return row;
}

Metric root_ratio(double a, double b, double equal) {
  if (b != 0) return std::sqrt(a / b);
  return a == 0 ? Metric(equal) : Metric(Undefined::zero_reference);
}

Metric cosine_of(const PairResult& m) {
  if (m.sum_d2 == 0) return 1.0;  // two tensors of zeros among them
  if (m.sum_x2 == 0 || m.sum_y2 == 0) return Undefined::zero_reference;
  const double denominator = std::sqrt(m.sum_x2) * std::sqrt(m.sum_y2);
  return std::clamp(m.sum_xy / denominator, -1.0, 1.0);
}

void set_metrics(DiffRow& row, const PairResult& m) {
  if (std::isinf(m.max_abs)) {
    for (Metric* metric :
         {&row.rmse, &row.cosine, &row.max_abs, &row.relative_error, &row.norm_ratio}) {
      *metric = Undefined::non_finite;
    }
    return;
  }
  row.rmse = std::sqrt(m.sum_d2 / static_cast<double>(row.numel));
  row.cosine = cosine_of(m);
  row.max_abs = double{m.max_abs};
  row.max_abs_index = m.max_abs_index;
  row.relative_error = root_ratio(m.sum_d2, m.sum_x2, 0.0);
  row.norm_ratio = root_ratio(m.sum_y2, m.sum_x2, 1.0);
  row.worst = m.worst;
}

/// "the reference has 1 NaN and 2 infinite values, the first at element [3, 4]".
std::string census_text(std::string_view side, const SideCensus& census,
                        const std::vector<std::size_t>& shape) {
  if (!census.first) return "";
  const auto& c = census.counts;
  const std::uint64_t infinite = c.positive_infinity + c.negative_infinity;
  std::string text;
  if (c.nan + infinite != 0) text = fmt::format("{} NaN and {} infinite values", c.nan, infinite);
  if (census.beyond_f32 != 0) {
    text += fmt::format("{}{} finite values beyond f32", text.empty() ? "" : " and ",
                        census.beyond_f32);
  }
  return fmt::format("{} has {}, the first at {}", side, text, element_text(shape, *census.first));
}

void find_non_finite(DiffRow& row, const TensorPair& pair, const PairResult& m) {
  if (!std::isinf(m.max_abs)) return;
  const std::string reference = census_text("the reference", m.reference, row.shape);
  std::string text = reference;
  const std::string side = pair.other ? "the other model" : "what " + row.qtype + " makes of it";
  if (const std::string other = census_text(side, m.other, row.shape); !other.empty())
    text += (text.empty() ? "" : "; ") + other;
  if (text.empty())
    text = fmt::format("{} differences between finite values are beyond f32", m.overflows);
  row.add(Kind::non_finite, text);
}

// Without a band nothing is known of the error; a norm that is off by half is another scale.
constexpr double kAnyScale = 0.5;

bool is_fp8_without_scales(const TensorPair& pair) {
  const auto* dtype = pair.other ? std::get_if<tensor::DType>(&pair.other->type) : nullptr;
  return dtype && (*dtype == tensor::DType::f8_e4m3 || *dtype == tensor::DType::f8_e5m2);
}

/// Values of one size that lie between two levels are all too large, or all too small, where no
/// scale but a power of two can be chosen. A wrong scale has codes that are not the nearest, or
/// clips by more than the bound.
bool as_near_as_scales_allow(const DiffRow& row, const TensorPair& pair) {
  const auto* format = pair.other ? std::get_if<kernels::GgmlFormat>(&pair.other->type) : nullptr;
  return format && *format == kernels::GgmlFormat::mxfp4 && row.codes.blocks != 0 &&
         row.codes.not_nearest == 0 && row.codes.over_bound == 0;
}

/// The triangle inequality: a norm cannot be further off than the whole error. A healthy error is
/// nearly orthogonal to the values, and leaves the norm alone.
void find_scale(DiffRow& row, const TensorPair& pair) {
  if ((row.band && row.band->lossless()) || !row.norm_ratio.defined()) return;
  const double most = row.band ? row.band->high : kAnyScale;
  const double off = std::fabs(row.norm_ratio.value() - 1);
  if (off <= most) return;
  std::string text =
      fmt::format("the norm is {:.6g} times the reference's; ", row.norm_ratio.value());
  if (as_near_as_scales_allow(row, pair)) {
    row.notes.push_back(text + "scales are powers of two, and no value could be nearer");
    return;
  }
  text += row.band ? fmt::format("the whole error of {} is {:.3g}", row.qtype, most)
                   : fmt::format("no way to store it as {} does that", row.qtype);
  if (is_fp8_without_scales(pair)) text += "; it has no scale tensor beside it";
  row.add(Kind::scale, text);
}

/// Whatever the cosine gate says, or that there is none. A tensor can be off by the top of its band
/// and a little more when it is far from Gaussian; twice that is another tensor.
void find_beyond_band(DiffRow& row) {
  constexpr double kFar = 2;
  if (!row.band || row.band->lossless() || row.has(Kind::non_finite)) return;
  if (row.relative_error.at_most(kFar * row.band->high)) return;
  if (!row.relative_error.defined())
    return row.add(Kind::beyond_band, "the reference is all zeros and the other model is not");
  row.add(Kind::beyond_band, fmt::format("the relative error is {:.4g}; {} leaves {:.3g} at most",
                                         row.relative_error.value(), row.qtype, row.band->high));
}

/// Of the block that holds value `index`, the first value that differs; its first one where only
/// codes differ that are worth the same.
std::size_t first_other_value(const TensorPair& pair, std::size_t index) {
  const std::size_t size = tensor::values_per_block(pair.other->type);
  const std::size_t begin = index / size * size, count = std::min(size, pair.other->count - begin);
  std::vector<float> a(count), b(count);
  if (tensor::dequantize(*pair.reference, begin, a) || tensor::dequantize(*pair.other, begin, b))
    return index;
  const auto at = std::ranges::mismatch(a, b).in1;
  return at == a.end() ? index : begin + static_cast<std::size_t>(at - a.begin());
}

/// "block 3, element 5 of it (element [1, 37])"; the place alone for plain numbers.
std::string stored_place(const DiffRow& row, const TensorPair& pair, std::size_t index) {
  const auto& type = pair.other->type;
  std::size_t block = 0, element = 0;
  if (const auto* fp8 = std::get_if<tensor::ScaledFp8>(&type)) {
    const std::size_t cols = std::max<std::size_t>(1, pair.other->cols());
    const std::size_t r = index / cols, c = index % cols;
    block = r / fp8->block_rows * ((cols - 1) / fp8->block_cols + 1) + c / fp8->block_cols;
    element = r % fp8->block_rows * std::min(cols, fp8->block_cols) + c % fp8->block_cols;
  } else if (std::holds_alternative<tensor::DType>(type)) {
    return element_text(row.shape, index);
  } else {
    if (std::holds_alternative<kernels::GgmlFormat>(type)) index = first_other_value(pair, index);
    const std::size_t size = tensor::values_per_block(type);
    block = index / size, element = index % size;
  }
  return fmt::format("block {}, element {} of it ({})", block, element,
                     element_text(row.shape, index));
}

/// Adding one to a norm rounds it where the conversion did so in F16 or BF16: by 2^-9 at most.
bool rounded_by_conversion(const DiffRow& row, const TensorPair& pair) {
  return (pair.adjust_reference.plus_one || pair.adjust_other.plus_one) &&
         row.relative_error.at_most(0x1p-9);
}

/// Values that had to be the same; see PairResult::changed.
void find_changed(DiffRow& row, const TensorPair& pair, const PairResult& m) {
  if (row.has(Kind::non_finite) || rounded_by_conversion(row, pair)) return;
  const bool same = same_storage(pair);
  std::string text;
  if (m.changed && m.changed->count != 0) {
    const bool blocks = std::holds_alternative<kernels::GgmlFormat>(pair.other->type);
    const std::size_t size = blocks ? tensor::values_per_block(pair.other->type) : 1;
    const std::string why = same ? fmt::format("both sides are {}", row.qtype)
                                 : fmt::format("{} holds all of {}", row.qtype, row.reference_type);
    text = fmt::format("{} of {} {} differ though {}, the first at {}", m.changed->count,
                       row.numel / size, blocks ? "blocks" : "values", why,
                       stored_place(row, pair, m.changed->first));
  }
  if (const auto scale = same ? first_other_scale(*pair.reference, *pair.other) : std::nullopt)
    text += fmt::format("{}the scales differ, first that of block {}, from its element 0 on",
                        text.empty() ? "" : "; ", *scale);
  if (text.empty()) return;
  if (row.norm_ratio.defined() && std::fabs(row.norm_ratio.value() - 1) > 1e-6)
    text += fmt::format("; the norm is {:.6g} times the reference's", row.norm_ratio.value());
  row.band_verdict = BandVerdict::above;  // also where f32 does not show the difference
  row.add(Kind::changed, text);
}

void find_threshold(DiffRow& row, const std::optional<double>& threshold) {
  if (!threshold || row.has(Kind::non_finite) || row.cosine.at_least(*threshold)) return;
  row.add(Kind::threshold,
          row.cosine.defined()
              ? fmt::format("cosine {:.6f} is below {}", row.cosine.value(), *threshold)
              : std::string("there is no cosine: one side is all zeros"));
}

/// Whether its shape is its own: of parts that do not fit together it is that of the codes.
bool shape_is_known(const ModelTensor& t) {
  const auto* unknown = std::get_if<tensor::UnknownType>(&t.type);
  return unknown == nullptr || !unknown->misfit;
}

DiffRow lone_row(const ModelTensor& t, Kind kind, std::optional<std::string_view> held) {
  const bool missing = kind == Kind::missing;
  DiffRow row;
  row.tensor = t.name;
  row.numel = t.count;
  if (held) {
    row.verdict = DiffVerdict::none;
    row.notes.push_back(
        fmt::format("only {} has it: {}", missing ? "the reference" : "the other model", *held));
  } else {
    row.add(kind, missing ? "the other model does not have it" : "the reference does not have it");
  }
  return row;
}

}  // namespace

DiffVerdict bucket(Metric cosine) {
  if (cosine.at_least(0.999)) return DiffVerdict::green;
  return cosine.at_least(0.99) ? DiffVerdict::yellow : DiffVerdict::red;
}

DiffRow missing_row(const ModelTensor& reference, std::optional<std::string_view> held) {
  DiffRow row = lone_row(reference, Kind::missing, held);
  row.reference_type = to_string(reference.type);
  row.shape = reference.shape;
  return row;
}

DiffRow extra_row(const ModelTensor& other, std::optional<std::string_view> held) {
  DiffRow row = lone_row(other, Kind::extra, held);
  row.qtype = to_string(other.type);
  row.other_shape = other.shape;
  return row;
}

std::optional<DiffRow> incomparable_row(const TensorPair& pair) {
  DiffRow row = row_of(pair);
  const ModelTensor *r = pair.reference, *o = pair.other;
  if (o && r->shape != o->shape && shape_is_known(*r) && shape_is_known(*o)) {
    row.add(Kind::shape_mismatch, fmt::format("the reference is {}, the other model {}",
                                              shape_text(r->shape), shape_text(o->shape)));
  }
  for (const ModelTensor* t : {r, o}) {
    if (t && !tensor::has_values(t->type)) {
      row.add(Kind::unknown_type,
              fmt::format("{} stores it as {}, which cannot be read here",
                          t == r ? "the reference" : "the other model", to_string(t->type)));
    }
  }
  if (row.findings.empty()) return std::nullopt;
  return row;
}

DiffRow judge_pair(const TensorPair& pair, const PairResult& measured,
                   const std::optional<double>& threshold) {
  DiffRow row = row_of(pair);
  if (measured.error) {
    row.add(Kind::unreadable, measured.error->what);
    return row;
  }
  if (row.numel == 0) {
    row.verdict = DiffVerdict::none;
    row.notes.push_back("has no elements");
    return row;
  }
  set_metrics(row, measured);
  row.codes = measured.codes;
  row.verdict = bucket(row.cosine);
  row.band_verdict = judge_band(row.band, row.relative_error);
  find_non_finite(row, pair, measured);
  judge_codes(row, pair);
  find_scale(row, pair);
  find_changed(row, pair, measured);
  find_beyond_band(row);
  find_threshold(row, threshold);
  return row;
}

}  // namespace refute::instruments
