#include "harness/tensor/tensor_type.hpp"

#include "harness/tensor/text.hpp"

namespace refute::tensor {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;  // clang 14 cannot deduce an aggregate's

}  // namespace

std::string to_string(const TensorType& type) {
  return std::visit(
      Overloaded{
          [](DType d) { return std::string(to_string(d)); },
          [](kernels::GgmlFormat f) { return std::string(kernels::ggml_info(f).gguf_name); },
          [](const ScaledFp8& f) {
            const bool e4m3 = f.format == kernels::Fp8Format::e4m3;
            return std::string(to_string(e4m3 ? DType::f8_e4m3 : DType::f8_e5m2));
          },
          [](const GroupedNf4&) { return std::string("NF4"); },
          [](const UnknownType& u) { return printable(u.name); },
      },
      type);
}

TensorType stored_type(kernels::GgmlFormat format) {
  if (format == kernels::GgmlFormat::f16) return DType::f16;
  if (format == kernels::GgmlFormat::bf16) return DType::bf16;
  return format;
}

std::size_t values_per_block(const TensorType& type) {
  if (const auto* ggml = std::get_if<kernels::GgmlFormat>(&type))
    return kernels::ggml_info(*ggml).block_size;
  if (const auto* nf4 = std::get_if<GroupedNf4>(&type)) return nf4->block;
  return 1;
}

bool has_values(const TensorType& type) {
  return !std::holds_alternative<UnknownType>(type);
}

bool is_floating(const TensorType& type) {
  const auto* plain = std::get_if<DType>(&type);
  if (plain == nullptr) return has_values(type);
  switch (*plain) {
    case DType::f8_e4m3:
    case DType::f8_e5m2:
    case DType::f16:
    case DType::bf16:
    case DType::f32:
    case DType::f64:
      return true;
    case DType::boolean:
    case DType::u8:
    case DType::i8:
    case DType::u16:
    case DType::i16:
    case DType::u32:
    case DType::i32:
    case DType::u64:
    case DType::i64:
      return false;
  }
  return false;
}

}  // namespace refute::tensor
