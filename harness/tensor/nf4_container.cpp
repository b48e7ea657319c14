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
#include "harness/tensor/text.hpp"

namespace refute::tensor {
namespace {

constexpr std::string_view kFp4StateSuffix = ".quant_state.bitsandbytes__fp4";
constexpr json::Bounds kStateBounds = {.bytes = 64u << 10, .depth = 8, .nodes = 4096};
constexpr std::size_t kMostBlock = 1u << 16;
constexpr std::array<std::string_view, 6> kPartEndings = {".absmax",        ".quant_map",
                                                          ".nested_absmax", ".nested_quant_map",
                                                          kNf4StateSuffix,  kFp4StateSuffix};

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
  // FP4 has another table, and a state may say so under NF4's name.
  const Value* kind = document->find("quant_type");
  const std::string* kind_text = kind == nullptr ? nullptr : kind->as_string();
  if (kind_text == nullptr) return wrong("its state does not say its quant_type");
  if (*kind_text != "nf4")
    return wrong(fmt::format("its state says quant_type '{}'", printable(*kind_text)));
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

  /// The part of that name, type and number of values, or what is wrong with it.
  Result<const ModelTensor*> get(std::string_view ending, DType type, std::size_t count) {
    const std::string name = base_ + std::string(ending);
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return wrong(fmt::format("{} is missing", printable(name)));
    const ModelTensor& part = tensors_[found->second];
    if (part.type != TensorType(type)) {
      return wrong(fmt::format("{} is {} and should be {}", printable(name), to_string(part.type),
                               to_string(TensorType(type))));
    }
    if (part.count != count) {
      return wrong(
          fmt::format("{} has {} values and should have {}", printable(name), part.count, count));
    }
    used_.push_back(found->second);
    return &part;
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
  const auto absmax = parts.get(".absmax", DType::u8, blocks);
  if (!absmax) return absmax.error().what;
  const std::size_t inner_blocks = blocks_of(blocks, state.nested_block);
  const auto inner = parts.get(".nested_absmax", DType::f32, inner_blocks);
  if (!inner) return inner.error().what;
  const auto map = parts.get(".nested_quant_map", DType::f32, 256);
  if (!map) return map.error().what;
  codes.scales = companion(**absmax);
  codes.nested = std::make_shared<NestedScales>(NestedScales{.map = floats_of(**map),
                                                             .absmax = companion(**inner),
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
  const auto map = parts.get(".quant_map", DType::f32, 16);
  if (!map) return map.error().what;
  const std::size_t blocks = blocks_of(state->count, state->block);
  if (state->nested) {
    if (auto problem = join_nested(codes, *state, blocks, parts)) return problem;
  } else {
    const auto absmax = parts.get(".absmax", DType::f32, blocks);
    if (!absmax) return absmax.error().what;
    codes.scales = companion(**absmax);
  }
  codes.codebook = floats_of(**map);
  codes.shape = state->shape;
  codes.count = state->count;
  codes.type = GroupedNf4{state->block};
  return std::nullopt;
}

using ByName = std::unordered_map<std::string, std::size_t>;

/// Codes without a description are bytes that could be taken for numbers.
bool is_orphan(const ModelTensor& codes, const ByName& by_name) {
  const auto has = [&](std::string_view ending) {
    return by_name.contains(codes.name + std::string(ending));
  };
  return codes.type == TensorType(DType::u8) && (has(".absmax") || has(".quant_map")) &&
         !has(kNf4StateSuffix) && !has(kFp4StateSuffix);
}

/// No values can be made of these codes; whatever lies beside them is explained by that.
void leave_unread(ModelTensor& codes, std::string_view kind, std::string_view why,
                  const ByName& by_name, std::unordered_set<std::size_t>& parts) {
  codes.type = UnknownType{fmt::format("{} ({})", kind, why), true};
  for (const std::string_view ending : kPartEndings) {
    const auto part = by_name.find(codes.name + std::string(ending));
    if (part != by_name.end()) parts.insert(part->second);
  }
}

}  // namespace

void join_nf4(std::vector<ModelTensor>& tensors) {
  ByName by_name;
  for (std::size_t i = 0; i < tensors.size(); ++i) by_name.emplace(tensors[i].name, i);
  std::unordered_set<std::size_t> joined;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (is_orphan(tensors[i], by_name)) {
      const std::string state = printable(tensors[i].name) + std::string(kNf4StateSuffix);
      leave_unread(tensors[i], "NF4 or FP4", state + " is missing", by_name, joined);
    }
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
      leave_unread(codes, is_nf4 ? "NF4" : "FP4", *problem, by_name, joined);
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
