// Whole files, written by our own layouts and by hand, read back.

#include "harness/tensor/model_file.hpp"

#include <cmath>
#include <cstring>
#include <numeric>

#include <sys/stat.h>

#include "harness/catch.hpp"
#include "harness/tensor/file_layout.hpp"
#include "harness/tensor/fp8_container.hpp"
#include "harness/tensor/nf4_container.hpp"
#include "harness/tensor/temp_folder_test.hpp"
#include "kernels/nf4.hpp"

using namespace refute;
using namespace refute::tensor;

namespace {

/// The layout with each tensor's data put in its place.
std::string filled(const FileLayout& layout, const std::vector<std::string>& data) {
  std::string bytes = layout.head;
  bytes.resize(layout.size, '\0');
  for (std::size_t i = 0; i < data.size(); ++i)
    bytes.replace(layout.offsets[i], data[i].size(), data[i]);
  return bytes;
}

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string safetensors(const std::vector<StoredTensor>& tensors,
                        const std::vector<std::string>& data, const Metadata& metadata = {}) {
  const auto layout = lay_out_safetensors(tensors, metadata);
  REQUIRE(layout);
  return filled(*layout, data);
}

std::vector<float> values_of(const ModelTensor& tensor) {
  std::vector<float> values(tensor.count);
  REQUIRE_FALSE(dequantize(tensor, 0, values));
  return values;
}

std::string error_of(const std::string& path) {
  const auto model = ModelFile::open(path);
  return model ? "accepted" : model.error().what;
}

MetaValue text(std::string value) {
  return {MetaType::string, std::move(value)};
}

}  // namespace

TEST_CASE("every dtype is written and read with its values") {
  const TempFolder folder;
  std::vector<StoredTensor> stored;
  std::vector<std::string> data;
  for (const DTypeRow& row : kDTypes) {
    stored.push_back({std::string(row.name), row.dtype, {3}, 3 * row.bytes});
    data.emplace_back(3 * row.bytes, '\0');
  }
  const auto set = [&](DType type, auto values) {
    data[static_cast<std::size_t>(type)] = raw(values);
  };
  set(DType::boolean, std::vector<std::uint8_t>{0, 1, 1});
  set(DType::i8, std::vector<std::int8_t>{-128, 0, 127});
  set(DType::f8_e4m3, std::vector<std::uint8_t>{0x7E, 0x38, 0x81});
  set(DType::f8_e5m2, std::vector<std::uint8_t>{0x7B, 0x3C, 0xFC});
  set(DType::f16, std::vector<std::uint16_t>{0x3C00, 0xFC00, 0x0001});
  set(DType::bf16, std::vector<std::uint16_t>{0x3F80, 0xFF80, 0x0001});
  set(DType::u32, std::vector<std::uint32_t>{0, 7, 0xFFFFFFFF});
  set(DType::i64, std::vector<std::int64_t>{-1, 1LL << 40, 5});
  set(DType::f64, std::vector<double>{0.1, -2, 1e300});
  set(DType::f32, std::vector<float>{0.1f, -0.0f, INFINITY});
  const auto path = folder.write(
      "all.safetensors", safetensors(stored, data, {{"format", text("pt")}, {"x", text("ü\"")}}));
  const auto model = ModelFile::open(path);
  REQUIRE(model);
  CHECK(model->tensors().size() == 15);
  CHECK(model->metadata().size() == 2);
  CHECK(std::get<std::string>(find(model->metadata(), "x")->value) == "ü\"");
  const auto check = [&](const char* name, std::vector<float> want) {
    const ModelTensor* tensor = model->find(name);
    REQUIRE(tensor != nullptr);
    CHECK(to_string(tensor->type) == name);
    CHECK(values_of(*tensor) == want);
  };
  check("BOOL", {0, 1, 1});
  check("I8", {-128, 0, 127});
  check("F8_E4M3", {448, 1, -0x1p-9f});
  check("F8_E5M2", {57344, 1, -INFINITY});
  check("F16", {1, -INFINITY, 0x1p-24f});
  check("BF16", {1, -INFINITY, 0x1p-133f});
  check("U32", {0, 7, 0x1p32f});
  check("I64", {-1, 0x1p40f, 5});
  check("F64", {0.1f, -2, INFINITY});
  check("F32", {0.1f, -0.0f, INFINITY});
  CHECK(floats_in_place(*model->find("F32")));
  CHECK_FALSE(floats_in_place(*model->find("F16")));
  CHECK_FALSE(model->damaged());
}

TEST_CASE("scalars and tensors without values are read") {
  const TempFolder folder;
  const auto path =
      folder.write("edge.safetensors",
                   safetensors({{"scalar", DType::f32, {}, 4}, {"none", DType::f32, {0, 5}, 0}},
                               {raw(std::vector<float>{2.5f}), ""}));
  const auto model = ModelFile::open(path);
  REQUIRE(model);
  CHECK(values_of(*model->find("scalar")) == std::vector<float>{2.5f});
  CHECK(model->find("none")->count == 0);
  CHECK(values_of(*model->find("none")).empty());
}

TEST_CASE("a dtype that nobody knows is reported, and the others are read") {
  const TempFolder folder;
  const auto path =
      folder.write("new.safetensors",
                   safetensors({{"a", UnknownType{"F4_E2M1"}, {6}, 3}, {"b", DType::f32, {1}, 4}},
                               {"xyz", raw(std::vector<float>{1})}));
  const auto model = ModelFile::open(path);
  REQUIRE(model);
  CHECK(to_string(model->find("a")->type) == "F4_E2M1");
  CHECK(model->notes().size() == 1);
  std::vector<float> values(6);
  const auto error = dequantize(*model->find("a"), 0, values);
  REQUIRE(error);
  CHECK(has(error->what, "'a' has type F4_E2M1"));
  CHECK(values_of(*model->find("b")) == std::vector<float>{1});
}

TEST_CASE("FP8 codes are multiplied by the scale of their tensor, row or block") {
  const TempFolder folder;
  const std::vector<std::uint8_t> ones(4 * 256, 0x38);
  const auto with_scales = [&](const std::string& suffix, std::vector<std::size_t> shape,
                               std::vector<float> scales) {
    const auto path = folder.write(
        "fp8.safetensors", safetensors({{"w", DType::f8_e4m3, {4, 256}, 1024},
                                        {"w" + suffix, DType::f32, shape, scales.size() * 4}},
                                       {raw(ones), raw(scales)}));
    auto model = ModelFile::open(path);
    REQUIRE(model);
    // Scales that do not fit are a tensor of their own, and the codes have no values.
    CHECK(model->tensors().size() == (has_values(model->find("w")->type) ? 1 : 2));
    std::vector<float> values(1024);
    const auto error = dequantize(*model->find("w"), 0, values);
    return error ? std::vector<float>{} : values;
  };
  const auto at = [](const std::vector<float>& v, std::size_t row, std::size_t col) {
    return v.at(row * 256 + col);
  };
  CHECK(with_scales("_scale", {}, {3}) == std::vector<float>(1024, 3));
  CHECK(with_scales("_scale", {1}, {3}) == std::vector<float>(1024, 3));
  const auto rows = with_scales("_scale", {4, 1}, {1, 2, 3, 4});
  CHECK(at(rows, 0, 255) == 1);
  CHECK(at(rows, 1, 0) == 2);
  CHECK(at(rows, 3, 255) == 4);
  CHECK(with_scales("_scale", {4}, {1, 2, 3, 4}) == rows);
  const auto blocks = with_scales("_scale", {4, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(at(blocks, 0, 127) == 1);
  CHECK(at(blocks, 0, 128) == 2);
  CHECK(at(blocks, 3, 127) == 7);
  const auto grid = with_scales("_scale_inv", {1, 2}, {5, 7});  // 128 × 128, the rows cut off
  CHECK(at(grid, 3, 127) == 5);
  CHECK(at(grid, 3, 128) == 7);
  CHECK(with_scales("_scale", {3}, {1, 2, 3}).empty());
  CHECK(with_scales("_scale", {4, 3}, std::vector<float>(12, 1)).empty());
}

TEST_CASE("the grid of scales is found from its shape") {
  using kernels::Fp8Format;
  const auto grid = [](std::size_t rows, std::size_t cols, std::vector<std::size_t> shape) {
    return fp8_grid(Fp8Format::e5m2, rows, cols, shape);
  };
  CHECK(grid(576, 7168, {5, 56}) == ScaledFp8{Fp8Format::e5m2, 128, 128});
  CHECK(grid(4, 192, {4, 3}) == ScaledFp8{Fp8Format::e5m2, 1, 64});
  CHECK(grid(4, 1024, {4, 4}) == ScaledFp8{Fp8Format::e5m2, 1, 256});
  CHECK_FALSE(grid(4, 1024, {4, 0}));
  CHECK_FALSE(grid(4, 1000, {4, 7}));
}

TEST_CASE("pieces of a tensor give what the whole gives") {
  const TempFolder folder;
  std::vector<std::uint8_t> codes(6 * 256);
  std::iota(codes.begin(), codes.end(), std::uint8_t{0});
  for (std::uint8_t& code : codes) code = (code & 0x7F) == 0x7F ? 0 : code;
  std::vector<float> scales(12);
  std::iota(scales.begin(), scales.end(), 1.0f);
  const auto path = folder.write(
      "pieces.safetensors",
      safetensors({{"w", DType::f8_e4m3, {6, 256}, 1536}, {"w_scale", DType::f32, {6, 2}, 48}},
                  {raw(codes), raw(scales)}));
  const auto model = ModelFile::open(path);
  REQUIRE(model);
  const ModelTensor& tensor = *model->find("w");
  const auto whole = values_of(tensor);
  for (const std::size_t size : {1u, 7u, 128u, 129u, 300u}) {
    std::vector<float> pieces(tensor.count);
    for (std::size_t at = 0; at < tensor.count; at += size) {
      const std::size_t n = std::min(size, tensor.count - at);
      REQUIRE_FALSE(dequantize(tensor, at, std::span(pieces).subspan(at, n)));
    }
    CHECK(pieces == whole);
  }
}

namespace {

/// 130 values: two whole blocks of 64 and two values more, whose codes are i mod 16.
struct Nf4Parts {
  std::string state = R"({"quant_type":"nf4","blocksize":64,"dtype":"float32","shape":[1,130]})";
  std::vector<StoredTensor> stored;
  std::vector<std::string> data;

  void add(const std::string& name, DType type, std::vector<std::size_t> shape, std::string bytes) {
    stored.push_back({name, type, std::move(shape), bytes.size()});
    data.push_back(std::move(bytes));
  }
  void add_codes() {
    std::string packed;
    for (int i = 0; i < 130; i += 2) packed += static_cast<char>((i % 16) << 4 | (i + 1) % 16);
    add("w", DType::u8, {65, 1}, packed);
    add("w.quant_map", DType::f32, {16},
        raw(std::vector<float>(kernels::kNf4Codebook.begin(), kernels::kNf4Codebook.end())));
    add("w.quant_state.bitsandbytes__nf4", DType::u8, {state.size()}, state);
  }
};

}  // namespace

TEST_CASE("NF4 is read as bitsandbytes wrote it") {
  const TempFolder folder;
  Nf4Parts parts;
  parts.add_codes();
  parts.add("w.absmax", DType::f32, {3}, raw(std::vector<float>{1, 2, 4}));
  auto model = ModelFile::open(folder.write("a", safetensors(parts.stored, parts.data)));
  REQUIRE(model);
  REQUIRE(model->tensors().size() == 1);
  const auto values = values_of(*model->find("w"));
  CHECK(model->find("w")->shape == std::vector<std::size_t>{1, 130});
  for (std::size_t i = 0; i < 130; ++i)
    CHECK(values[i] == kernels::kNf4Codebook[i % 16] * (i < 64 ? 1.0f : i < 128 ? 2.0f : 4.0f));
}

TEST_CASE("absmax that are quantised themselves are undone first") {
  const TempFolder folder;
  Nf4Parts parts;
  parts.state.insert(parts.state.size() - 1,
                     R"(,"nested_blocksize":256,"nested_dtype":"float32","nested_offset":0.5)");
  parts.add_codes();
  std::vector<float> map(256);
  std::iota(map.begin(), map.end(), 0.0f);
  parts.add("w.absmax", DType::u8, {3}, raw(std::vector<std::uint8_t>{1, 2, 255}));
  parts.add("w.nested_absmax", DType::f32, {1}, raw(std::vector<float>{0.25f}));
  parts.add("w.nested_quant_map", DType::f32, {256}, raw(map));
  auto model = ModelFile::open(folder.write("a", safetensors(parts.stored, parts.data)));
  REQUIRE(model);
  REQUIRE(model->tensors().size() == 1);
  const auto values = values_of(*model->find("w"));
  CHECK(values[15] == 0.25f * 1 + 0.5f);
  CHECK(values[64 + 15] == 0.25f * 2 + 0.5f);
  CHECK(values[128] == -(0.25f * 255 + 0.5f));
}

TEST_CASE("parts of NF4 that do not fit leave a tensor without values, and say why") {
  const TempFolder folder;
  const auto type_with = [&](const std::string& state, std::vector<float> absmax) {
    Nf4Parts parts;
    parts.state = state;
    parts.add_codes();
    parts.add("w.absmax", DType::f32, {absmax.size()}, raw(absmax));
    parts.add("other", DType::f32, {1}, raw(std::vector<float>{1}));
    const auto model = ModelFile::open(folder.write("a", safetensors(parts.stored, parts.data)));
    REQUIRE(model);
    CHECK(values_of(*model->find("other")) == std::vector<float>{1});
    return to_string(model->find("w")->type);
  };
  const std::string good = Nf4Parts().state;
  CHECK(type_with(good, {1, 2, 4}) == "NF4");
  CHECK(has(type_with(good, {1, 2}), "w.absmax has 2 values and should have 3"));
  CHECK(has(type_with("{", {1, 2, 4}), "not JSON"));
  const auto type_of = [&](const std::string& members, std::vector<float> absmax) {
    return type_with(R"({"quant_type":"nf4",)" + members + "}", std::move(absmax));
  };
  CHECK(has(type_of(R"("blocksize":64)", {1, 2, 4}), "no shape"));
  CHECK(has(type_of(R"("blocksize":0,"shape":[130])", {1, 2, 4}), "blocksize"));
  CHECK(has(type_of(R"("blocksize":64,"shape":[132])", {1, 2, 4}), "65 bytes of codes"));
  CHECK(has(type_of(R"("blocksize":64,"shape":[4294967296,4294967296,2])", {1}), "overflows"));
  CHECK(has(type_with(R"({"quant_type":"fp4","blocksize":64,"shape":[1,130]})", {1, 2, 4}),
            "quant_type 'fp4'"));
  CHECK(has(type_with(R"({"quant_type":4,"blocksize":64,"shape":[1,130]})", {1, 2, 4}),
            "does not say its quant_type"));
  CHECK(has(type_with(R"({"blocksize":64,"shape":[1,130]})", {1, 2, 4}),
            "does not say its quant_type"));
}

TEST_CASE("a part of NF4 that is missing is named") {
  const TempFolder folder;
  const auto type_without = [&](const std::string& part) {
    Nf4Parts parts;
    parts.state.insert(parts.state.size() - 1, R"(,"nested_blocksize":256,"nested_offset":0.5)");
    parts.add_codes();
    parts.add("w.absmax", DType::u8, {3}, "\1\2\3");
    parts.add("w.nested_absmax", DType::f32, {1}, raw(std::vector<float>{0.25f}));
    parts.add("w.nested_quant_map", DType::f32, {256}, raw(std::vector<float>(256)));
    Nf4Parts left;
    for (std::size_t i = 0; i < parts.stored.size(); ++i) {
      if (parts.stored[i].name == part) continue;
      left.stored.push_back(parts.stored[i]);
      left.data.push_back(parts.data[i]);
    }
    const auto model = ModelFile::open(folder.write("a", safetensors(left.stored, left.data)));
    REQUIRE(model);
    const std::string type = to_string(model->find("w")->type);
    CHECK(has_values(model->find("w")->type) == (type == "NF4"));
    return type;
  };
  CHECK(type_without("") == "NF4");
  for (const char* part : {"w.absmax", "w.quant_map", "w.nested_absmax", "w.nested_quant_map",
                           "w.quant_state.bitsandbytes__nf4"}) {
    CHECK(has(type_without(part), std::string(part) + " is missing"));
  }
}

TEST_CASE("a tensor whose parts do not fit is not written under a made-up type") {
  const UnknownType misfit{"NF4 (its absmax do not fit its blocks)", true};
  const auto layout = lay_out_safetensors({{"w", misfit, {65, 1}, 65}}, {});
  REQUIRE_FALSE(layout);
  CHECK(has(layout.error().what, "cannot hold type NF4 (its absmax"));
}

TEST_CASE("shards are read as one model, by their index or their folder") {
  const TempFolder folder;
  folder.write("one.safetensors", safetensors({{"a", DType::f8_e4m3, {2}, 2}}, {"\x38\x38"}));
  folder.write("two.safetensors",
               safetensors({{"a_scale", DType::f32, {}, 4}}, {raw(std::vector<float>{9})}));
  const auto index = folder.write(
      "model.safetensors.index.json",
      R"({"metadata":{},"weight_map":{"a":"one.safetensors","a_scale":"two.safetensors"}})");
  for (const std::string& path : {index, folder.file("")}) {
    const auto model = ModelFile::open(path);
    REQUIRE(model);
    CHECK(model->files().size() == 2);
    CHECK(values_of(*model->find("a")) == std::vector<float>{9, 9});
  }
}

TEST_CASE("an index that does not fit its shards is refused") {
  const TempFolder folder;
  folder.write("one.safetensors", safetensors({{"a", DType::u8, {1}, 1}}, {"x"}));
  folder.write("two.safetensors", safetensors({{"a", DType::u8, {1}, 1}}, {"x"}));
  const auto error_with = [&](std::string_view map) {
    return error_of(
        folder.write("model.safetensors.index.json", "{\"weight_map\":" + std::string(map) + "}"));
  };
  CHECK(has(error_with(R"({"a":"one.safetensors","b":"one.safetensors"})"), "'b' is not in"));
  CHECK(has(error_with(R"({"b":"one.safetensors"})"), "'a' is in one.safetensors"));
  CHECK(has(error_with(R"({"a":"one.safetensors","b":"two.safetensors"})"),
            "'a' is in two.safetensors"));
  CHECK(has(error_with(R"({"a":"gone.safetensors"})"), "gone.safetensors: cannot open"));
  CHECK(has(error_with(R"({"a":"../one.safetensors"})"), "not the name of a file"));
  CHECK(has(error_with(R"({"a":"/etc/passwd"})"), "not the name of a file"));
  CHECK(has(error_with(R"({"a":7})"), "not the name of a file"));
  CHECK(has(error_with("{}"), "empty"));
  CHECK(has(error_with("[]"), "no `weight_map`"));
}

TEST_CASE("what is no model file is refused with its name") {
  const TempFolder folder;
  CHECK(has(error_of(folder.file("gone")), "gone: cannot open"));
  CHECK(has(error_of(folder.write("empty", "")), "empty: is empty"));
  CHECK(has(error_of(folder.file("")), "a folder without model.safetensors"));
  REQUIRE(::mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  CHECK(has(error_of(folder.file("pipe")), "pipe: is not a regular file"));
  CHECK(has(error_of(folder.write("text", "hello, this is no model")), "text: the header is said"));
  CHECK(has(error_of("/dev/zero"), "is not a regular file"));
}

TEST_CASE("a file of PyTorch or NumPy is called by its name, with a way out") {
  const TempFolder folder;
  const auto error_with = [&](const std::string& content) {
    const auto model = ModelFile::open(folder.write("model.bin", content));
    return model ? Error{"accepted", ""} : model.error();
  };
  const auto zip = [](const std::string& name) {
    std::string head = std::string("PK\3\4") + std::string(26, '\0') + name + std::string(99, 'x');
    head[26] = static_cast<char>(name.size());
    return head;
  };
  for (const std::string& content :
       {zip("archive/data.pkl"), std::string("\x80\x02\x8a\x0al\xfc\x9c", 7) + "F\xf9 j\xa8P\x19.",
        std::string("\x80\x04}"), std::string("\x80\x02")}) {
    const Error error = error_with(content);
    CHECK(has(error.what, "model.bin is a PyTorch file"));
    CHECK(has(error.hint, "safetensors"));
  }
  CHECK(has(error_with(zip("anything")).what, "zip archive, as PyTorch's"));
  CHECK(has(error_with("PK\3\4").what, "zip archive, as PyTorch's"));
  CHECK(has(error_with(zip("w.npy")).what, "NumPy (.npz)"));
  CHECK(has(error_with("\x93NUMPY\x01").what, "NumPy (.npy)"));
  CHECK(has(error_with("version https://git-lfs.github.com/spec/v1\n").hint, "git lfs pull"));
  // A length of 640 begins like a pickle.
  std::string damaged("\x80\x02\0\0\0\0\0\0{", 9);
  CHECK(has(error_with(damaged + std::string(700, ' ')).what, "model.bin: "));
  CHECK(has(error_of(folder.file("")), "a folder without model.safetensors"));
  folder.write("pytorch_model.bin", "x");
  CHECK(has(error_of(folder.file("")), "pytorch_model.bin is PyTorch's"));
}

TEST_CASE("a safetensors file whose header's length begins like a pickle is read") {
  const TempFolder folder;
  Metadata metadata = {{"pad", text("")}};
  const std::vector<StoredTensor> one = {{"a", DType::u8, {1}, 1}};
  std::string bytes = safetensors(one, {"x"}, metadata);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  metadata[0].second = text(std::string(640 - length, 'p'));
  bytes = safetensors(one, {"x"}, metadata);
  REQUIRE(bytes.substr(0, 2) == "\x80\x02");
  CHECK(ModelFile::open(folder.write("a", bytes)));
}

TEST_CASE("a tensor whose name would be there twice is not written") {
  const auto layout = lay_out_safetensors({{"a", DType::u8, {1}, 1}, {"a", DType::u8, {1}, 1}}, {});
  REQUIRE_FALSE(layout);
  CHECK(has(layout.error().what, "'a': the file would have it twice"));
}

TEST_CASE("the header is padded to 8 bytes and every tensor aligned to its element") {
  for (std::size_t pad = 0; pad < 8; ++pad) {
    const auto layout = lay_out_safetensors({{std::string(pad, 'n') + "a", DType::u8, {3}, 3},
                                             {"b", DType::f64, {1}, 8},
                                             {"c", DType::f16, {3}, 6},
                                             {"d", DType::f32, {3}, 12}},
                                            {});
    REQUIRE(layout);
    CHECK(layout->head.size() % 8 == 0);
    CHECK(layout->offsets[1] % 8 == 0);
    CHECK(layout->offsets[2] % 2 == 0);
    CHECK(layout->offsets[3] % 4 == 0);
    CHECK(layout->size == layout->head.size() + 29);
  }
}
