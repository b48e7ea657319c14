#include "falsifiers/crux_b_20/model_files.hpp"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "harness/worker/domains.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

using kernels::GgmlFormat;

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& out, const std::string& text) {
  put<std::uint64_t>(out, text.size());
  out += text;
}

std::uint32_t gguf_type(const std::string& dtype) {
  constexpr std::uint32_t kF32 = 0;
  const auto format = kernels::ggml_format_named(dtype);
  return format ? kernels::ggml_info(*format).type_id : kF32;
}

std::string quantised(const std::vector<float>& values, GgmlFormat format) {
  std::string bytes(kernels::ggml_bytes(format, values.size()).value_or(0), '\0');
  const auto done = kernels::cpu_scalar::ggml_quantize(
      format, values, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  if (done.status != kernels::GgmlStatus::ok)
    throw worker::JobError("values do not fit the blocks of " +
                           std::string(kernels::ggml_info(format).name));
  return bytes;
}

}  // namespace

ModelFolder::ModelFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "refute-diff-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    throw worker::JobError("no temporary folder can be made: " + name);
  path_ = name;
}

ModelFolder::~ModelFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::vector<float> normal_values(std::uint64_t seed, std::size_t count, float scale) {
  std::vector<float> values(count);
  worker::fill(worker::Family::normal, seed, values);
  for (float& v : values) v *= scale;
  return values;
}

StoredModelTensor f32_tensor(std::string name, std::vector<std::size_t> shape,
                             const std::vector<float>& values) {
  std::string bytes(reinterpret_cast<const char*>(values.data()), 4 * values.size());
  return {std::move(name), "F32", std::move(shape), std::move(bytes)};
}

StoredModelTensor narrow_tensor(std::string name, std::vector<std::size_t> shape,
                                const std::vector<float>& values, GgmlFormat format) {
  return {std::move(name), std::string(kernels::ggml_info(format).gguf_name), std::move(shape),
          quantised(values, format)};
}

StoredModelTensor block_tensor(std::string name, std::vector<std::size_t> shape,
                               const std::vector<float>& values, GgmlFormat format) {
  return narrow_tensor(std::move(name), std::move(shape), values, format);
}

void write_bytes(const std::string& path, const std::string& bytes) {
  if (!(std::ofstream(path, std::ios::binary) << bytes).flush())
    throw worker::JobError(path + ": cannot be written");
}

std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_safetensors(const std::string& path, const StoredModel& model) {
  std::string header = "{", data;
  for (const StoredModelTensor& t : model) {
    header += fmt::format("{}\"{}\":{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                          header.size() == 1 ? "" : ",", t.name, t.dtype, fmt::join(t.shape, ","),
                          data.size(), data.size() + t.bytes.size());
    data += t.bytes;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string bytes;
  put<std::uint64_t>(bytes, header.size());
  write_bytes(path, bytes + header + data);
}

std::vector<std::size_t> write_gguf(const std::string& path, const StoredModel& model) {
  constexpr std::size_t kAlignment = 32;
  const auto pad = [](std::string& s) { s.resize((s.size() + 31) / kAlignment * kAlignment); };
  std::string head = "GGUF", data;
  put<std::uint32_t>(head, 3);
  put<std::uint64_t>(head, model.size());
  put<std::uint64_t>(head, 1);
  put_text(head, "general.architecture");
  put<std::uint32_t>(head, 8);
  put_text(head, "refute-test");
  std::vector<std::size_t> offsets;
  for (const StoredModelTensor& t : model) {
    pad(data);
    put_text(head, t.name);
    put<std::uint32_t>(head, static_cast<std::uint32_t>(t.shape.size()));
    for (auto n = t.shape.rbegin(); n != t.shape.rend(); ++n) put<std::uint64_t>(head, *n);
    put<std::uint32_t>(head, gguf_type(t.dtype));
    put<std::uint64_t>(head, data.size());
    offsets.push_back(data.size());
    data += t.bytes;
  }
  pad(head);
  for (std::size_t& offset : offsets) offset += head.size();
  pad(data);
  write_bytes(path, head + data);
  return offsets;
}

}  // namespace refute::falsifiers
