#include <random>
#include <string>

#include "harness/catch.hpp"
#include "harness/tensor/safetensors.hpp"
#include "harness/tensor/safetensors_bytes_test.hpp"

using namespace refute;
using namespace refute::tensor;

namespace {

constexpr std::string_view kGood =
    R"({"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"F16","shape":[3],"data_offsets":[16,22]}})";

std::string error_of(std::string_view header, std::size_t data_bytes) {
  const auto read = read_safetensors_header(file_bytes(header, data_bytes));
  return read ? "accepted" : read.error().what;
}

/// Replaces `from` in the good header, which must occur, and gives the error.
std::string error_with(std::string_view from, std::string_view to, std::size_t data_bytes = 22) {
  std::string header(kGood);
  const auto at = header.find(from);
  REQUIRE(at != std::string::npos);
  return error_of(header.replace(at, from.size(), to), data_bytes);
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// What every accepted header must satisfy, whatever the bytes were.
bool lies_inside(const std::vector<TensorInfo>& tensors, std::size_t file_bytes) {
  for (const TensorInfo& t : tensors) {
    if (t.begin > t.end || t.end > file_bytes || t.end - t.begin != t.count * bytes_of(t.dtype))
      return false;
  }
  return true;
}

}  // namespace

TEST_CASE("the header that the hostile ones are made from is good") {
  CHECK(error_of(kGood, 22) == "accepted");
}

TEST_CASE("a file cut off at any byte is refused") {
  const auto whole = file_bytes(kGood, 22);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CHECK_FALSE(read_safetensors_header(std::span(whole).first(length)));
  }
}

TEST_CASE("a byte too many is refused") {
  CHECK(has(error_of(kGood, 23), "1 bytes at the end belong to no tensor"));
}

TEST_CASE("a header length that lies is refused") {
  const std::uint64_t lengths[] = {
      0,          1,     kGood.size() - 1, kGood.size() + 1, kGood.size() + 22, kGood.size() + 23,
      1ull << 40, ~0ull, ~0ull - 7};
  for (const std::uint64_t length : lengths) {
    CHECK_FALSE(read_safetensors_header(file_bytes(kGood, 22, length)));
  }
}

TEST_CASE("a header longer than the bound is refused before it is parsed") {
  const auto read =
      read_safetensors_header(file_bytes(kGood, 22), {.header_bytes = kGood.size() - 1});
  REQUIRE_FALSE(read);
  CHECK(has(read.error().what, "more than"));
}

TEST_CASE("each wrong field is refused with the tensor's name") {
  CHECK(has(error_with("\"F16\"", "\"F17\""), "tensor 'b': unknown dtype 'F17'"));
  CHECK(has(error_with("\"F16\"", "16"), "tensor 'b': has no dtype"));
  CHECK(has(error_with("[2,2]", "[2,-2]"), "tensor 'a': shape"));
  CHECK(has(error_with("[2,2]", "[2,2.0]"), "tensor 'a': shape"));
  CHECK(has(error_with("[2,2]", "4"), "tensor 'a': shape"));
  CHECK(has(error_with("[0,16]", "[0]"), "tensor 'a': data_offsets"));
  CHECK(has(error_with("[0,16]", "[0,16,16]"), "tensor 'a': data_offsets"));
  CHECK(has(error_with("[0,16]", "[16,0]"), "do not lie in"));
  CHECK(has(error_with("[16,22]", "[17,23]"), "do not lie in the 22 bytes"));
  CHECK(has(error_with("[0,16]", "[0,15]"), "span 15 bytes, but its shape and dtype take 16"));
  CHECK(has(error_with("\"b\":{", "\"a\":{"), "not JSON"));
  CHECK(has(error_of("[]", 0), "not a JSON object"));
  CHECK(has(error_of(R"({"a":7})", 0), "tensor 'a': has no dtype"));
}

TEST_CASE("overlap and gaps are refused") {
  CHECK(
      has(error_with("[16,22]", "[14,20]", 20), "tensor 'b': its data starts at 14, overlapping"));
  CHECK(has(error_with("[16,22]", "[18,24]", 24),
            "tensor 'b': its data starts at 18, leaving a gap"));
}

TEST_CASE("shapes whose product overflows are refused and not wrapped around") {
  CHECK(has(error_with("[2,2]", "[4294967296,4294967296]"), "overflows"));
  CHECK(has(error_with("[2,2]", "[4611686018427387904,1]"),
            "overflows"));  // in bytes, not in elements
  CHECK(has(error_with("[2,2]", "[99999999999999999999]"), "shape"));
  CHECK(has(error_with("[0,16]", "[0,18446744073709551615]"), "data_offsets"));
}

TEST_CASE("nesting deeper than any header needs is refused") {
  CHECK(has(error_of(std::string(100000, '['), 0), "not JSON"));
}

TEST_CASE("no changed byte makes a tensor reach outside the file") {
  const auto good = file_bytes(kGood, 22);
  std::size_t refused = 0;
  for (std::size_t at = 0; at < 8 + kGood.size(); ++at) {
    for (const int value : {0x00, 0x20, 0x22, 0x2C, 0x30, 0x39, 0x5D, 0x7D, 0x80, 0xFF}) {
      auto bytes = good;
      bytes[at] = static_cast<std::byte>(value);
      const auto read = read_safetensors_header(bytes);
      refused += !read;
      if (read) CHECK(lies_inside(*read, bytes.size()));
    }
  }
  CHECK(refused > kGood.size());
}

TEST_CASE("random damage is survived") {
  const auto good = file_bytes(kGood, 22);
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    auto bytes = good;
    for (std::uint32_t hits = 1 + random() % 4; hits > 0; --hits) {
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    }
    bytes.resize(random() % 8 == 0 ? random() % bytes.size() : bytes.size());
    const auto read = read_safetensors_header(bytes);
    if (read && !lies_inside(*read, bytes.size())) FAIL("round " << round);
  }
}
