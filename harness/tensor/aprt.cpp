#include "harness/tensor/aprt.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "harness/tensor/byte_cursor.hpp"
#include "harness/tensor/replace_file.hpp"
#include "harness/tensor/stages.hpp"

namespace refute::tensor {
namespace {

constexpr std::string_view kMagic = "APRT";
// A reader sees the values in place, so the mapping's page has to leave them aligned.
static_assert(kAprtHeaderBytes % alignof(float) == 0);

struct Header {
  std::uint32_t layer = 0, count = 0;
};

Result<Header> read_header(const std::string& path, std::span<const std::byte> bytes) {
  ByteCursor cursor(bytes);
  if (cursor.take_text(kMagic.size()) != kMagic) {
    return Error{path + ": is no APRT stage file: it does not begin with \"APRT\"",
                 "`refute trace` writes them"};
  }
  Header header;
  header.layer = cursor.take<std::uint32_t>();
  header.count = cursor.take<std::uint32_t>();
  if (!cursor.good()) {
    return Error{fmt::format("{}: ends inside its header, after {} of {} bytes", path, bytes.size(),
                             kAprtHeaderBytes),
                 "capture it again"};
  }
  const std::size_t wanted = kAprtHeaderBytes + std::size_t{4} * header.count;
  if (bytes.size() != wanted) {
    return Error{fmt::format("{}: says {} values, which take {} bytes, but has {} ({})", path,
                             header.count, wanted, bytes.size(),
                             bytes.size() < wanted ? "cut short" : "bytes after the end"),
                 "capture it again"};
  }
  return header;
}

}  // namespace

Result<AprtFile> AprtFile::open(const std::string& path) {
  auto file = MappedFile::open(path);
  if (!file) return file.take_error();
  auto guard = PageGuard::watch(file->bytes());
  if (!guard) return Error{path + ": " + guard.error().what, guard.error().hint};
  const auto header = read_header(path, file->bytes());
  if (!header) return header.error();
  return AprtFile(*std::move(file), *std::move(guard), header->layer);
}

std::span<const float> AprtFile::values() const {
  const auto body = file_.bytes().subspan(kAprtHeaderBytes);
  return {reinterpret_cast<const float*>(body.data()), body.size() / sizeof(float)};
}

bool is_aprt(const std::string& path) {
  const auto file = MappedFile::open(path);
  if (!file || file->bytes().size() < kMagic.size()) return false;
  return std::memcmp(file->bytes().data(), kMagic.data(), kMagic.size()) == 0;
}

std::array<std::byte, kAprtHeaderBytes> aprt_header(std::uint32_t layer, std::uint32_t count) {
  static_assert(std::endian::native == std::endian::little);
  std::array<std::byte, kAprtHeaderBytes> header;
  std::memcpy(header.data(), kMagic.data(), 4);
  std::memcpy(header.data() + 4, &layer, 4);
  std::memcpy(header.data() + 8, &count, 4);
  return header;
}

std::optional<Error> write_aprt(const std::string& path, std::uint32_t layer,
                                std::span<const float> values) {
  if (values.size() > std::numeric_limits<std::uint32_t>::max()) {
    return Error{
        fmt::format("{}: {} values are more than an APRT file can count", path, values.size()),
        "trace fewer tokens, or leave this stage out"};
  }
  const auto header = aprt_header(layer, static_cast<std::uint32_t>(values.size()));
  const std::array<std::span<const std::byte>, 2> pieces = {header, std::as_bytes(values)};
  return replace_file(path, pieces);
}

}  // namespace refute::tensor
