#include "harness/tensor/nf4_container.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <fmt/core.h>

#include "harness/json/json.hpp"

namespace refute::tensor {
namespace {

constexpr std::string_view kFp4StateSuffix = ".quant_state.bitsandbytes__fp4";
constexpr json::Bounds kStateBounds = {.bytes = 64u << 10, .depth = 8, .nodes = 4096};
constexpr std::size_t kMostBlock = 1u << 16;

/// What the JSON says.
struct State {
  std::vector<std::size_t> shape;
  std::size_t count = 1, block = 64;
  bool nested = false;
  std::size_t nested_block = 256;
  float nested_offset = 0;
};

std::optional<std::size_t> size_of(const Value* value) {
  const std::int64_t* number = value == nullptr ? nullptr : value->as_int();
  if (number == nullptr || *number < 0) return std::nullopt;
  return static_cast<std::size_t>(*number);
}

std::optional<double> real_of(const Value* value) {
  if (value == nullptr) return std::nullopt;
  if (const double* real = value->as_double()) return *real;
  if (const std::int64_t* whole = value->as_int()) return static_cast<double>(*whole);
  return std::nullopt;
}

bool is_block(const std::optional<std::size_t>& size) {
  return size && *size > 0 && *size <= kMostBlock;
}

Error wrong(std::string what) {
  return {std::move(what), ""};
}

Result<State> read_state(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto document = json::parse(text, kStateBounds);
  if (!document) return wrong("its state is not JSON");
  State state;
  const Value* shape = document->find("shape");
  if (shape == nullptr || !shape->is_list()) return wrong("its state has no shape");
  for (const Value& item : *shape->as_list()) {
    const auto extent = size_of(&item);
    if (!extent) return wrong("the shape in its state is no list of sizes");
    if (*extent != 0 && state.count > std::numeric_limits<std::size_t>::max() / *extent)
      return wrong("the product of its shape overflows");
    state.count *= *extent;
    state.shape.push_back(*extent);
  }
  const auto block = size_of(document->find("blocksize"));
  if (!is_block(block)) return wrong("its state has no usable blocksize");
  state.block = *block;
  const Value* nested_block = document->find("nested_blocksize");
  state.nested = nested_block != nullptr;
  if (!state.nested) return state;
  const auto inner = size_of(nested_block);
  const auto offset = real_of(document->find("nested_offset"));
  if (!is_block(inner) || !offset) return wrong("its state does not describe its nested scales");
  state.nested_block = *inner;
  state.nested_offset = static_cast<float>(*offset);
  return state;
}

/// The tensors beside `w`, by the ending of their names.
class Parts {
 public:
  Parts(const std::vector<ModelTensor>& tensors,
        const std::unordered_map<std::string, std::size_t>& by_name, std::string base)
      : tensors_(tensors), by_name_(by_name), base_(std::move(base)) {}

  /// The part of that name and type, or null.
  const ModelTensor* get(std::string_view ending, DType type) {
    const auto found = by_name_.find(base_ + std::string(ending));
    if (found == by_name_.end()) return nullptr;
    const ModelTensor& part = tensors_[found->second];
    used_.push_back(found->second);
    return part.type == TensorType(type) ? &part : nullptr;
  }
  const std::vector<std::size_t>& used() const { return used_; }

 private:
  const std::vector<ModelTensor>& tensors_;
  const std::unordered_map<std::string, std::size_t>& by_name_;
  std::string base_;
  std::vector<std::size_t> used_;
};

std::vector<float> floats_of(const ModelTensor& part) {
  std::vector<float> values(part.count);
  if (!values.empty()) std::memcpy(values.data(), part.bytes.data(), part.bytes.size());
  return values;
}

std::size_t blocks_of(std::size_t count, std::size_t block) {
  return count / block + (count % block != 0);
}

Companion companion(const ModelTensor& part) {
  return {.name = part.name, .type = std::get<DType>(part.type), .bytes = part.bytes};
}

std::optional<std::string> join_nested(ModelTensor& codes, const State& state, std::size_t blocks,
                                       Parts& parts) {
  const ModelTensor* absmax = parts.get(".absmax", DType::u8);
  const ModelTensor* inner = parts.get(".nested_absmax", DType::f32);
  const ModelTensor* map = parts.get(".nested_quant_map", DType::f32);
  if (absmax == nullptr || absmax->count != blocks) return "its absmax do not fit its blocks";
  if (inner == nullptr || inner->count != blocks_of(blocks, state.nested_block))
    return "its nested absmax do not fit";
  if (map == nullptr || map->count != 256) return "its nested map has not 256 values";
  codes.scales = companion(*absmax);
  codes.nested = std::make_shared<NestedScales>(NestedScales{.map = floats_of(*map),
                                                             .absmax = companion(*inner),
                                                             .block = state.nested_block,
                                                             .offset = state.nested_offset});
  return std::nullopt;
}

/// Why the parts do not fit, or nothing after joining them.
std::optional<std::string> join(ModelTensor& codes, const ModelTensor& description, Parts& parts) {
  if (codes.type != TensorType(DType::u8)) return "its codes are not of type U8";
  const auto state = read_state(description.bytes);
  if (!state) return state.error().what;
  if (codes.count != state->count / 2 + state->count % 2)
    return fmt::format("{} bytes of codes for {} values", codes.count, state->count);
  const ModelTensor* map = parts.get(".quant_map", DType::f32);
  if (map == nullptr || map->count != 16) return "its map has not 16 values";
  const std::size_t blocks = blocks_of(state->count, state->block);
  if (state->nested) {
    if (auto problem = join_nested(codes, *state, blocks, parts)) return problem;
  } else {
    const ModelTensor* absmax = parts.get(".absmax", DType::f32);
    if (absmax == nullptr || absmax->count != blocks) return "its absmax do not fit its blocks";
    codes.scales = companion(*absmax);
  }
  codes.codebook = floats_of(*map);
  codes.shape = state->shape;
  codes.count = state->count;
  codes.type = GroupedNf4{state->block};
  return std::nullopt;
}

}  // namespace

void join_nf4(std::vector<ModelTensor>& tensors) {
  std::unordered_map<std::string, std::size_t> by_name;
  for (std::size_t i = 0; i < tensors.size(); ++i) by_name.emplace(tensors[i].name, i);
  std::unordered_set<std::size_t> joined;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::string_view name = tensors[i].name;
    const bool is_nf4 = name.ends_with(kNf4StateSuffix);
    if (!is_nf4 && !name.ends_with(kFp4StateSuffix)) continue;
    std::string base(name.substr(0, name.size() - kNf4StateSuffix.size()));
    const auto found = by_name.find(base);
    if (found == by_name.end()) continue;
    ModelTensor& codes = tensors[found->second];
    Parts parts(tensors, by_name, base);
    const auto problem =
        is_nf4 ? join(codes, tensors[i], parts) : std::optional<std::string>("not supported");
    if (problem) {
      codes.type = UnknownType{fmt::format("{} ({})", is_nf4 ? "NF4" : "FP4", *problem), true};
      continue;
    }
    joined.insert(i);
    joined.insert(parts.used().begin(), parts.used().end());
  }
  std::size_t at = 0;
  std::erase_if(tensors, [&](const ModelTensor&) { return joined.contains(at++); });
}

std::string nf4_state(const ModelTensor& source, std::size_t block) {
  const bool f16 = source.type == TensorType(DType::f16);
  const bool bf16 = source.type == TensorType(DType::bf16);
  Value extents = Value::List{};
  for (const std::size_t extent : source.shape)
    extents.push(Value(static_cast<std::uint64_t>(extent)));
  Value state;
  state.set("quant_type", "nf4");
  state.set("blocksize", static_cast<std::uint64_t>(block));
  state.set("dtype", f16 ? "float16" : bf16 ? "bfloat16" : "float32");
  state.set("shape", std::move(extents));
  return json::dump(state);
}

}  // namespace refute::tensor
