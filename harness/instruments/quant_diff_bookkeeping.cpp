#include "harness/instruments/quant_diff_bookkeeping.hpp"

#include <cstdint>

namespace refute::instruments {
namespace {

using tensor::ModelFormat;
using tensor::ModelTensor;

enum class Shape : std::uint8_t { one_value, list, integers };

struct Row {
  std::string_view last;  ///< of the parts of the name that dots separate, one or two
  Shape shape;
  bool across_formats;  ///< only where the two formats differ
  std::string_view what;
};
constexpr std::string_view kActivations = "a scale of activations";
constexpr std::string_view kCache = "a scale of the KV cache";
constexpr std::string_view kRotary = "rotary frequencies, which the config gives as well";
constexpr Row kRows[] = {
    {"input_scale", Shape::one_value, false, kActivations},
    {"output_scale", Shape::one_value, false, kActivations},
    {"input_global_scale", Shape::one_value, false, kActivations},
    {"k_scale", Shape::one_value, false, kCache},
    {"v_scale", Shape::one_value, false, kCache},
    {"inv_freq", Shape::list, false, kRotary},
    {"rope_freqs.weight", Shape::list, true, kRotary},
    {"rope_factors_long.weight", Shape::list, true, kRotary},
    {"rope_factors_short.weight", Shape::list, true, kRotary},
    {"position_ids", Shape::integers, false, "numbers of positions"},
};

bool ends_in_parts(std::string_view name, std::string_view last) {
  if (!name.ends_with(last)) return false;
  name.remove_suffix(last.size());
  return name.empty() || name.ends_with('.');
}

bool has_shape(const ModelTensor& t, Shape shape) {
  switch (shape) {
    case Shape::one_value:
      return t.count == 1;
    case Shape::list:
      return t.shape.size() <= 1;
    case Shape::integers:
      return std::holds_alternative<tensor::DType>(t.type) && !tensor::is_floating(t.type);
  }
  return false;
}

}  // namespace

std::optional<std::string_view> bookkeeping(const ModelTensor& tensor, ModelFormat here,
                                            ModelFormat there) {
  for (const Row& row : kRows) {
    if (ends_in_parts(tensor.name, row.last) && has_shape(tensor, row.shape) &&
        !(row.across_formats && here == there))
      return row.what;
  }
  return std::nullopt;
}

}  // namespace refute::instruments
