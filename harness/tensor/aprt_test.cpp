#include "harness/tensor/aprt.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "harness/catch.hpp"
#include "harness/tensor/stages.hpp"
#include "harness/tensor/temp_folder_test.hpp"

namespace refute::tensor {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void put(const std::string& path, const Bytes& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

/// "APRT", layer 3, two values: 1 and -2.
const Bytes kSmall = {'A', 'P', 'R', 'T', 3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0};

std::vector<std::uint32_t> bits_of(std::span<const float> values) {
  std::vector<std::uint32_t> bits(values.size());
  std::ranges::transform(values, bits.begin(),
                         [](float x) { return std::bit_cast<std::uint32_t>(x); });
  return bits;
}

}  // namespace

TEST_CASE("the known vector: 152064 logits of a whole model") {
  const TempFolder folder;
  const std::string path = folder.file("lm_head.bin");
  REQUIRE_FALSE(write_aprt(path, kWholeModel, std::vector<float>(152064, 1.0f)));
  const Bytes bytes = bytes_of(path);
  REQUIRE(bytes.size() == 608268);
  const Bytes head = {0x41, 0x50, 0x52, 0x54, 0xff, 0xff, 0xff, 0xff, 0x00, 0x52, 0x02, 0x00};
  CHECK(std::equal(head.begin(), head.end(), bytes.begin()));
}

TEST_CASE("a file is read as its bytes say") {
  const TempFolder folder;
  put(folder.file("a.bin"), kSmall);
  const auto file = AprtFile::open(folder.file("a.bin"));
  REQUIRE(file);
  CHECK(file->layer() == 3);
  REQUIRE(file->values().size() == 2);
  CHECK(file->values()[0] == 1.0f);
  CHECK(file->values()[1] == -2.0f);
  CHECK(is_aprt(folder.file("a.bin")));
}

TEST_CASE("every bit of a value survives writing and reading") {
  const std::vector<std::uint32_t> bits = {0x80000000, 0x7FC00001, 0x7F800001, 0xFFA5A5A5,
                                           0x7F800000, 0xFF800000, 0x00000001, 0x807FFFFF};
  std::vector<float> values(bits.size());
  // Through memory: a signalling NaN that passes through a register of the x87 is quietened.
  std::memcpy(values.data(), bits.data(), 4 * bits.size());
  const TempFolder folder;
  REQUIRE_FALSE(write_aprt(folder.file("a.bin"), 7, values));
  const auto file = AprtFile::open(folder.file("a.bin"));
  REQUIRE(file);
  CHECK(bits_of(file->values()) == bits);
  CHECK(bytes_of(folder.file("a.bin")).size() == kAprtHeaderBytes + 4 * bits.size());
}

TEST_CASE("no values are a file too") {
  const TempFolder folder;
  REQUIRE_FALSE(write_aprt(folder.file("a.bin"), 0, {}));
  const auto file = AprtFile::open(folder.file("a.bin"));
  REQUIRE(file);
  CHECK(file->values().empty());
}

TEST_CASE("a file of the wrong size is refused, whichever way it is wrong") {
  const TempFolder folder;
  const std::string path = folder.file("a.bin");
  for (std::size_t size = 0; size < kSmall.size(); ++size) {
    put(path, Bytes(kSmall.begin(), kSmall.begin() + static_cast<std::ptrdiff_t>(size)));
    INFO(size);
    CHECK_FALSE(AprtFile::open(path));
  }
  for (const std::size_t more : {1, 3, 4, 4096}) {
    Bytes longer = kSmall;
    longer.resize(kSmall.size() + more);
    put(path, longer);
    INFO(more);
    const auto file = AprtFile::open(path);
    REQUIRE_FALSE(file);
    CHECK(file.error().what.find("after the end") != std::string::npos);
  }
}

TEST_CASE("a count that lies is refused without making room for it") {
  const TempFolder folder;
  const std::string path = folder.file("a.bin");
  for (const std::uint32_t count : {0u, 1u, 3u, 0x40000002u, 0x80000002u, 0xFFFFFFFFu}) {
    Bytes lying = kSmall;
    std::memcpy(lying.data() + 8, &count, 4);
    put(path, lying);
    INFO(count);
    CHECK_FALSE(AprtFile::open(path));
  }
  Bytes big_endian = kSmall;
  std::reverse(big_endian.begin() + 8, big_endian.begin() + 12);
  put(path, big_endian);
  CHECK_FALSE(AprtFile::open(path));
}

TEST_CASE("what is no file of numbers is refused by name") {
  const TempFolder folder;
  CHECK_FALSE(AprtFile::open(folder.file("absent.bin")));
  CHECK_FALSE(is_aprt(folder.file("absent.bin")));
  std::filesystem::create_directory(folder.file("folder.bin"));
  CHECK_FALSE(AprtFile::open(folder.file("folder.bin")));
  const auto written = write_aprt(folder.file("folder.bin"), 0, {});
  REQUIRE(written);
  CHECK(std::filesystem::is_directory(folder.file("folder.bin")));
  REQUIRE(std::system(("mkfifo '" + folder.file("pipe.bin") + "'").c_str()) == 0);
  CHECK_FALSE(AprtFile::open(folder.file("pipe.bin")));
  Bytes other = kSmall;
  other[3] = 'X';
  put(folder.file("other.bin"), other);
  CHECK_FALSE(AprtFile::open(folder.file("other.bin")));
  CHECK_FALSE(is_aprt(folder.file("other.bin")));
}

TEST_CASE("writing replaces a file whole and leaves nothing else behind") {
  const TempFolder folder;
  const std::string path = folder.file("layer-0/ffn_up.bin");
  REQUIRE_FALSE(write_aprt(path, 0, std::vector<float>(1000, 1.0f)));
  REQUIRE_FALSE(write_aprt(path, 0, std::vector<float>(10, 2.0f)));
  const auto file = AprtFile::open(path);
  REQUIRE(file);
  CHECK(file->values().size() == 10);
  std::size_t entries = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
    entries += entry.is_regular_file() ? 1 : 0;
  }
  CHECK(entries == 1);
}

TEST_CASE("a file that changes while it is open says so") {
  const TempFolder folder;
  const std::string path = folder.file("a.bin");
  REQUIRE_FALSE(write_aprt(path, 0, std::vector<float>(10000, 1.0f)));
  const auto file = AprtFile::open(path);
  REQUIRE(file);
  CHECK_FALSE(file->damaged());
  std::filesystem::resize_file(path, 20);
  CHECK(file->values()[9999] == 0.0f);  // lost, and no crash
  CHECK(file->damaged());
}

/// Random edits of a right file: whatever opens must be as long as it says.
TEST_CASE("mutated files are read as they are or refused") {
  const TempFolder folder;
  const std::string path = folder.file("a.bin");
  std::uint64_t state = 1;
  const auto next = [&state](std::uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
  };
  int opened = 0, refused = 0;
  for (int round = 0; round < 2000; ++round) {
    Bytes bytes = kSmall;
    for (std::uint64_t edits = 1 + next(3); edits > 0; --edits) {
      const std::uint64_t kind = next(4);
      if (kind == 0) bytes.resize(next(40));
      if (bytes.empty()) continue;
      if (kind == 1) bytes[next(bytes.size())] = static_cast<std::uint8_t>(next(256));
      if (kind == 2) bytes[next(bytes.size())] ^= static_cast<std::uint8_t>(1u << next(8));
      if (kind == 3 && bytes.size() > 8) bytes[8] = static_cast<std::uint8_t>(next(8));
    }
    put(path, bytes);
    const auto file = AprtFile::open(path);
    file ? ++opened : ++refused;
    if (!file) continue;
    std::uint32_t count = 0;
    std::memcpy(&count, bytes.data() + 8, 4);
    REQUIRE(bytes.size() == kAprtHeaderBytes + 4 * std::size_t{count});
    REQUIRE(std::equal(bytes.begin(), bytes.begin() + 4, kSmall.begin()));
    REQUIRE(file->values().size() == count);
    REQUIRE(std::memcmp(file->values().data(), bytes.data() + 12, 4 * std::size_t{count}) == 0);
  }
  CHECK(opened > 50);
  CHECK(refused > 50);
}

}  // namespace refute::tensor
