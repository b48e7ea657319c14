// CRCs, headers and offsets; numpy itself reads the files in the peers' tests.

#include "harness/tensor/npz_layout.hpp"

#include <random>

#include "harness/catch.hpp"
#include "harness/tensor/crc32.hpp"
#include "harness/tensor/narrow.hpp"
#include "harness/tensor/temp_folder_test.hpp"

using namespace refute;
using namespace refute::tensor;

TEST_CASE("the CRC is zip's, at every length and joined anywhere") {
  CHECK(crc32(as_bytes("123456789")) == 0xCBF43926u);  // the catalogue's check value
  CHECK(crc32({}) == 0);
  std::mt19937 random(1);
  std::string text(67, '\0');
  for (char& c : text) c = static_cast<char>(random());
  const std::uint32_t whole = crc32(as_bytes(text));
  for (std::size_t at = 0; at <= text.size(); ++at) {
    const std::string_view all = text;
    const auto first = crc32(as_bytes(all.substr(0, at)));
    const auto second = crc32(as_bytes(all.substr(at)));
    CHECK(crc32_joined(first, second, text.size() - at) == whole);
  }
}

TEST_CASE("an array's header is numpy's, aligned to 64") {
  const auto header = npy_header({"w", DType::f32, {3, 4}, 48});
  REQUIRE(header);
  CHECK(header->size() % 64 == 0);
  CHECK(header->starts_with(std::string("\x93NUMPY\1\0", 8)));
  CHECK(has(*header, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }"));
  CHECK(header->back() == '\n');
  CHECK(
      has(*npy_header({"w", DType::i64, {7}, 56}), "'<i8', 'fortran_order': False, 'shape': (7,)"));
  CHECK(has(*npy_header({"w", DType::boolean, {}, 1}), "'shape': ()"));
  CHECK_FALSE(npy_header({"w", DType::bf16, {1}, 2}));
  CHECK_FALSE(npy_header({"w", kernels::GgmlFormat::q4_0, {32}, 18}));
}

TEST_CASE("names that lead out of a folder do not go into a zip") {
  const auto error = [](std::string name) {
    const auto layout = lay_out_npz({{std::move(name), DType::u8, {1}, 1}});
    return layout ? "accepted" : layout.error().what;
  };
  CHECK(error("a.b/c") == "accepted");
  CHECK(error("a..b") == "accepted");
  CHECK(has(error("../a"), "no name for a file"));
  CHECK(has(error("a/../../b"), "no name for a file"));
  CHECK(has(error("/a"), "no name for a file"));
  CHECK(has(error(""), "no name for a file"));
}

TEST_CASE("sizes and offsets beyond 32 bits go to the zip64 fields") {
  constexpr std::size_t kLarge = 5ull << 30;
  const auto layout = lay_out_npz({{"a", DType::u8, {kLarge}, kLarge}, {"b", DType::u8, {1}, 1}});
  REQUIRE(layout);
  const auto frame = npz_frame(*layout, std::vector<std::uint32_t>{0, 0});
  REQUIRE(frame.size() == 3);
  CHECK(frame[0].first == 0);
  CHECK(frame[0].second.size() == layout->members[0].offset);
  CHECK(frame[1].first == layout->members[0].offset + kLarge);
  CHECK(frame[1].first > 0xFFFFFFFFu);
  CHECK(frame[2].first + frame[2].second.size() == layout->size);
  CHECK(has(frame[2].second, "PK\6\6"));
  CHECK(has(frame[2].second, "PK\6\7"));
  const auto small = lay_out_npz({{"a", DType::u8, {1}, 1}});
  REQUIRE(small);
  const auto small_frame = npz_frame(*small, std::vector<std::uint32_t>{0});
  CHECK_FALSE(has(small_frame.back().second, "PK\6\6"));
  CHECK(small_frame.back().first + small_frame.back().second.size() == small->size);
}

TEST_CASE("floats are rounded to the nearest, and overflow is told") {
  const auto bits = [](std::vector<float> in, DType type) {
    std::vector<std::uint16_t> out(in.size());
    const auto overflow = narrow(in, type, std::as_writable_bytes(std::span(out)));
    return std::pair(out, overflow);
  };
  using Bits = std::vector<std::uint16_t>;
  CHECK(bits({1, -2, 0x1.002p0f, 0x1.006p0f, 65504}, DType::f16).first ==
        Bits{0x3C00, 0xC000, 0x3C00, 0x3C02, 0x7BFF});
  CHECK(bits({1, 0x1.01p0f, 0x1.03p0f}, DType::bf16).first == Bits{0x3F80, 0x3F80, 0x3F82});
  CHECK(bits({1, 70000, 80000}, DType::f16).second == 1);
  CHECK_FALSE(bits({1, 70000}, DType::bf16).second);
  // Beside a value that is not finite the others come out as they do alone.
  const auto mixed = bits({0x1.006p0f, INFINITY, -INFINITY, NAN, 70000}, DType::f16);
  CHECK(mixed.first[0] == 0x3C02);
  CHECK(mixed.first[1] == 0x7C00);
  CHECK(mixed.first[2] == 0xFC00);
  CHECK((mixed.first[3] & 0x7FFF) > 0x7C00);
  CHECK(mixed.second == 4);
}
