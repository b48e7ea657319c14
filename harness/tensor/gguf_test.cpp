// GGUF as we write it, read back, and as somebody hostile might write it.

#include "harness/tensor/gguf.hpp"

#include <cstring>
#include <random>

#include "harness/catch.hpp"
#include "harness/tensor/file_layout.hpp"
#include "harness/tensor/gguf_metadata.hpp"
#include "harness/tensor/gguf_types.hpp"
#include "harness/tensor/model_file.hpp"
#include "harness/tensor/temp_folder_test.hpp"

using namespace refute;
using namespace refute::tensor;

namespace {

template <class T>
std::string raw(T number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

std::string u32(std::uint32_t n) {
  return raw(n);
}
std::string u64(std::uint64_t n) {
  return raw(n);
}
std::string text(std::string_view t) {
  return u64(t.size()) + std::string(t);
}

/// One tensor's description.
std::string described(std::string_view name, std::vector<std::uint64_t> ne, std::uint32_t type,
                      std::uint64_t offset) {
  std::string bytes = text(name) + u32(static_cast<std::uint32_t>(ne.size()));
  for (const std::uint64_t extent : ne) bytes += u64(extent);
  return bytes + u32(type) + u64(offset);
}

/// A file by hand: its parts one after the other, the data aligned.
struct Parts {
  std::uint32_t version = 3;
  std::vector<std::string> keys = {};
  std::vector<std::string> tensors = {};
  std::size_t data_bytes = 0;
  std::size_t alignment = 32;

  std::string bytes() const {
    std::string file = "GGUF" + u32(version) + u64(tensors.size()) + u64(keys.size());
    for (const std::string& key : keys) file += key;
    for (const std::string& tensor : tensors) file += tensor;
    file.resize((file.size() + alignment - 1) / alignment * alignment, '\0');
    return file + std::string(data_bytes, '\1');
  }
};

std::string error_of(const std::string& bytes) {
  const auto read = read_gguf(as_bytes(bytes));
  return read ? "accepted" : read.error().what;
}
std::string error_of(const Parts& parts) {
  return error_of(parts.bytes());
}
std::string tensors_error(std::vector<std::string> tensors, std::size_t data_bytes) {
  return error_of(Parts{.tensors = std::move(tensors), .data_bytes = data_bytes});
}
std::string key_error(std::string key) {
  return error_of(Parts{.keys = {std::move(key)}});
}

Metadata every_type() {
  const std::string inner = u32(0) + u64(2) + "ab" + u32(8) + u64(1) + text("word");
  return {
      {"u8", {MetaType::u8, std::uint64_t{255}}},
      {"i8", {MetaType::i8, std::int64_t{-128}}},
      {"u16", {MetaType::u16, std::uint64_t{65535}}},
      {"i16", {MetaType::i16, std::int64_t{-32768}}},
      {"u32", {MetaType::u32, std::uint64_t{4294967295}}},
      {"i32", {MetaType::i32, std::int64_t{-2147483648}}},
      {"f32", {MetaType::f32, 0.1f}},
      {"yes", {MetaType::boolean, true}},
      {"no", {MetaType::boolean, false}},
      {"text", {MetaType::string, std::string("ein Wört\0", 9)}},
      {"u64", {MetaType::u64, ~std::uint64_t{0}}},
      {"i64", {MetaType::i64, std::int64_t{-1}}},
      {"f64", {MetaType::f64, 0.1}},
      {"list", {MetaType::array, MetaArray{MetaType::u16, 3, std::string("\1\0\2\0\3\0", 6)}}},
      {"words", {MetaType::array, MetaArray{MetaType::string, 2, text("a") + text("")}}},
      {"nested", {MetaType::array, MetaArray{MetaType::array, 2, inner}}},
      {"none", {MetaType::array, MetaArray{MetaType::f64, 0, ""}}},
  };
}

std::vector<StoredTensor> some_tensors() {
  return {{"plain", DType::f32, {2, 3}, 24},
          {"blocks", kernels::GgmlFormat::q4_k, {3, 512}, 6 * 144},
          {"none", DType::f32, {0, 4}, 0},
          {"scalar", DType::f64, {}, 8},
          {"foreign", UnknownType{"IQ2_XXS"}, {256}, 66},
          {"stranger", UnknownType{"ggml type 77"}, {5}, 40}};
}

std::string good_file() {
  auto layout = lay_out_gguf(some_tensors(), every_type());
  REQUIRE(layout);
  layout->head.resize(layout->size, '\2');
  return layout->head;
}

/// What every accepted file must satisfy, whatever the bytes were.
bool lies_inside(const GgufHeader& header, std::size_t file_bytes) {
  for (const GgufTensor& t : header.tensors) {
    if (t.begin > t.end || t.end > file_bytes) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("what is laid out is read back: every metadata type, every kind of tensor") {
  const std::string file = good_file();
  const auto read = read_gguf(as_bytes(file));
  REQUIRE(read);
  CHECK(read->version == 3);
  CHECK(read->metadata == every_type());
  const auto stored = some_tensors();
  REQUIRE(read->tensors.size() == stored.size());
  for (const GgufTensor& tensor : read->tensors) {
    const auto want = std::ranges::find(stored, tensor.name, &StoredTensor::name);
    REQUIRE(want != stored.end());
    CHECK(tensor.shape == want->shape);
    CHECK(gguf_tensor_type(tensor.type_id) == want->type);
    // A type that nobody knows has no size; it reaches to the padding's end.
    CHECK(tensor.end - tensor.begin == (want->name == "stranger" ? 64 : want->bytes));
  }
}

TEST_CASE("version 2 is read as version 3 is; 1 and big-endian files are refused by name") {
  std::string file = good_file();
  file[4] = 2;
  CHECK(error_of(file) == "accepted");
  file[4] = 1;
  CHECK(has(error_of(file), "GGUF version 1"));
  file[4] = 4;
  CHECK(has(error_of(file), "GGUF version 4"));
  file.replace(4, 4, std::string("\0\0\0\3", 4));
  CHECK(has(error_of(file), "big-endian GGUF (version 3)"));
}

TEST_CASE("a file cut off at any byte is refused, or is still whole") {
  const std::string file = good_file();
  const std::size_t last_data = file.size() - 64;  // of the tensor that has no size of its own
  for (std::size_t length = 0; length < last_data; ++length) {
    INFO(length);
    CHECK_FALSE(read_gguf(as_bytes(std::string_view(file).substr(0, length))));
  }
}

TEST_CASE("metadata are bounded and typed") {
  CHECK(has(key_error(text("") + u32(0) + "x"), "key 0 ('') is empty"));
  CHECK(has(key_error(text("\xFF") + u32(0) + "x"), "not UTF-8"));
  CHECK(has(key_error(u64(1ull << 63) + "k"), "9223372036854775808 bytes long"));
  CHECK(has(key_error(text("k") + u32(13)), "'k': unknown type 13"));
  CHECK(has(key_error(text("k") + u32(7) + "\2"), "neither 0 nor 1"));
  CHECK(has(key_error(text("k") + u32(9) + u32(7) + u64(2) + "\1\2"), "neither 0 nor 1"));
  CHECK(has(key_error(text("k") + u32(8) + u64(~0ull)), "past the end"));
  CHECK(has(key_error(text("k") + u32(9) + u32(10) + u64(1ull << 61)), "past the end"));
  CHECK(has(key_error(text("k") + u32(9) + u32(8) + u64(1ull << 40)), "past the end"));
  CHECK(has(key_error(text("k") + u32(9) + u32(99) + u64(0)), "unknown type 99"));
  const std::string twice = text("k") + u32(0) + "x";
  CHECK(has(error_of(Parts{.keys = {twice, twice}}), "'k' occurs twice"));
  std::string deep = text("k") + u32(9);
  for (int i = 0; i < 20; ++i) deep += u32(9) + u64(1);
  CHECK(has(key_error(deep + u32(0) + u64(0)), "nested too deeply"));
  CHECK(has(error_of("GGUF" + u32(3) + u64(0) + u64(~0ull)), "keys are said to follow"));
  CHECK(has(error_of("GGUF" + u32(3) + u64(~0ull) + u64(0)), "tensors are said to follow"));
}

TEST_CASE("the alignment is a power of two, and is kept") {
  const auto aligned = [](std::uint32_t type, std::string value) {
    return Parts{.keys = {text("general.alignment") + u32(type) + value},
                 .tensors = {described("a", {1}, 0, 0), described("b", {1}, 0, 64)},
                 .data_bytes = 68,
                 .alignment = 64};
  };
  CHECK(error_of(aligned(4, u32(64))) == "accepted");
  CHECK(has(error_of(aligned(4, u32(0))), "general.alignment"));
  CHECK(has(error_of(aligned(4, u32(48))), "general.alignment"));
  CHECK(has(error_of(aligned(10, u64(64))), "general.alignment"));
  CHECK(has(error_of(aligned(4, u32(128))), "'b': its offset 64 is no multiple of 128"));
}

TEST_CASE("each wrong description is refused with the tensor's name") {
  CHECK(tensors_error({described("a", {4}, 0, 0)}, 16) == "accepted");
  CHECK(has(tensors_error({described("a", {4}, 0, 0)}, 15), "'a': its 16 bytes at 0 reach past"));
  CHECK(has(tensors_error({described("a", {4}, 0, 8)}, 64), "'a': its offset 8 is no multiple"));
  CHECK(has(tensors_error({described("a", {4}, 0, 64)}, 32), "'a': its data starts at 64 of 32"));
  CHECK(has(tensors_error({described("a", {4}, 0, ~31ull)}, 32), "'a': its data starts at"));
  CHECK(has(tensors_error({described("a", {16}, 0, 0), described("b", {1}, 0, 32)}, 64),
            "'b': its data starts at 32, overlapping"));
  CHECK(has(tensors_error({described("a", {1}, 0, 0), described("a", {1}, 0, 32)}, 64),
            "two tensors are called 'a'"));
  CHECK(has(tensors_error({described("a", {1, 1, 1, 1, 1}, 0, 0)}, 4), "5 dimensions"));
  CHECK(has(tensors_error({described("a", {1ull << 63}, 0, 0)}, 4), "dimension 0 is"));
  CHECK(has(tensors_error({described("a", {1ull << 32, 1ull << 32}, 24, 0)}, 4), "overflows"));
  CHECK(has(tensors_error({described("a", {1ull << 62}, 0, 0)}, 4), "size in bytes overflows"));
  CHECK(has(tensors_error({described("a", {0, 1ull << 62, 1ull << 62}, 0, 0)}, 4), "overflows"));
  CHECK(has(tensors_error({described("a", {33}, 2, 0)}, 99), "no whole number of Q4_0 blocks"));
  CHECK(has(tensors_error({described(std::string(65, 'n'), {1}, 0, 0)}, 4), "65 bytes long"));
  CHECK(tensors_error({described(std::string(64, 'n'), {1}, 0, 0)}, 4) == "accepted");
  CHECK(has(tensors_error({described("\xC0\xAF", {1}, 0, 0)}, 4), "\\xC0\\xAF') is not UTF-8"));
  CHECK(has(tensors_error({described("a\x1B[2J", {33}, 2, 0)}, 4), "'a\\x1B[2J'"));
}

TEST_CASE("an empty tensor may share its place with another") {
  CHECK(tensors_error({described("a", {8}, 0, 0), described("none", {0}, 0, 0)}, 32) == "accepted");
  CHECK(tensors_error({described("none", {0}, 0, 0)}, 0) == "accepted");
}

TEST_CASE("a file larger than its header's bound is read up to there") {
  const std::string file = good_file();
  CHECK_FALSE(read_gguf(as_bytes(file), {.header_bytes = 100}));
  CHECK_FALSE(read_gguf(as_bytes(file), {.keys = 3}));
  CHECK_FALSE(read_gguf(as_bytes(file), {.tensors = 3}));
  CHECK(read_gguf(as_bytes(file), {.header_bytes = 4096}));
}

TEST_CASE("random damage is survived") {
  const std::string good = good_file();
  std::mt19937 random(1);
  std::size_t accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = good;
    for (std::uint32_t hits = 1 + random() % 4; hits > 0; --hits) {
      const std::size_t at = random() % 1400;
      const std::uint32_t kind = random() % 4;
      bytes[at] = static_cast<char>(kind == 0 ? 0xFF : kind == 1 ? bytes[at] + 1 : random());
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    const auto read = read_gguf(as_bytes(bytes));
    accepted += read ? 1 : 0;
    if (read && !lies_inside(*read, bytes.size())) FAIL("round " << round);
  }
  CHECK(accepted > 100);
}

TEST_CASE("what GGUF cannot hold is not laid out") {
  const auto error = [](StoredTensor tensor) {
    const auto layout = lay_out_gguf({std::move(tensor)}, {});
    return layout ? "accepted" : layout.error().what;
  };
  CHECK(has(error({"a", DType::u8, {1}, 1}), "cannot hold type U8"));
  CHECK(has(error({"a", DType::f8_e4m3, {1}, 1}), "cannot hold type F8_E4M3"));
  CHECK(has(error({"a", DType::f32, {1, 1, 1, 1, 1}, 4}), "5 dimensions"));
  CHECK(has(error({std::string(64, 'a'), DType::f32, {1}, 4}), "more than 63 bytes"));
  CHECK(error({"a", DType::i64, {1}, 8}) == "accepted");
}

TEST_CASE("the table of types agrees with the kernels' own") {
  for (const auto& info : kernels::kGgmlFormats) {
    const GgufTypeRow* row = gguf_type_row(info.type_id);
    REQUIRE(row != nullptr);
    CHECK(row->name == info.gguf_name);
    CHECK(row->block_values == info.block_size);
    CHECK(row->block_bytes == info.block_bytes);
  }
  for (const GgufTypeRow& row : kGgufTypes) CHECK(gguf_type_id(gguf_tensor_type(row.id)) == row.id);
  CHECK(gguf_type_id(gguf_tensor_type(4000000000u)) == 4000000000u);
  CHECK_FALSE(gguf_type_id(UnknownType{"ggml type x"}));
  CHECK_FALSE(gguf_type_id(UnknownType{"ggml type 5000000000"}));
}
