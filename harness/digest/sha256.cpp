#include "harness/digest/sha256.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <vector>

#include <openssl/evp.h>

namespace refute {
namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

/// One byte before every typed field, so that a text is never taken for a number of the same bytes.
enum class Tag : std::uint8_t { null, boolean, integer, real, text, list, map, number };

std::array<std::byte, 8> little_endian(std::uint64_t n) {
  std::array<std::byte, 8> out;
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<std::byte>(n >> (8 * i));
  return out;
}

}  // namespace

struct Sha256::State {
  std::unique_ptr<EVP_MD_CTX, FreeContext> context{EVP_MD_CTX_new()};

  State() {
    if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) {
      throw std::runtime_error("SHA-256 is not available from libcrypto");
    }
  }
  void feed(const void* data, std::size_t size) {
    if (EVP_DigestUpdate(context.get(), data, size) != 1)
      throw std::runtime_error("SHA-256 update failed");
  }
  void tag(Tag t, std::uint64_t length_or_value) {
    feed(&t, 1);
    feed(little_endian(length_or_value).data(), 8);
  }
  void typed_text(std::string_view text) {
    tag(Tag::text, text.size());
    feed(text.data(), text.size());
  }
  void value(const Value& v);
};

void Sha256::State::value(const Value& v) {
  if (const auto* b = v.as_bool()) {
    tag(Tag::boolean, *b);
  } else if (const auto* i = v.as_int()) {
    tag(Tag::integer, static_cast<std::uint64_t>(*i));
  } else if (const auto* d = v.as_double()) {
    tag(Tag::real, std::bit_cast<std::uint64_t>(*d));
  } else if (const auto* s = v.as_string()) {
    typed_text(*s);
  } else if (const auto* list = v.as_list()) {
    tag(Tag::list, list->size());
    for (const Value& item : *list) value(item);
  } else if (const auto* map = v.as_map()) {
    std::vector<const Value::Member*> members;
    for (const auto& member : *map) members.push_back(&member);
    std::ranges::sort(members, {},
                      [](const Value::Member* m) -> const std::string& { return m->first; });
    tag(Tag::map, members.size());
    for (const auto* member : members) {
      typed_text(member->first);
      value(member->second);
    }
  } else {
    tag(Tag::null, 0);
  }
}

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

Sha256& Sha256::bytes(std::span<const std::byte> data) {
  return bytes(data.data(), data.size());
}

Sha256& Sha256::bytes(const void* data, std::size_t size) {
  state_->feed(data, size);
  return *this;
}

Sha256& Sha256::field(std::string_view text) {
  state_->typed_text(text);
  return *this;
}

Sha256& Sha256::field(std::uint64_t number) {
  state_->tag(Tag::number, number);
  return *this;
}

Sha256& Sha256::value(const Value& value) {
  state_->value(value);
  return *this;
}

Digest Sha256::finish() {
  std::array<unsigned char, 32> raw;
  if (EVP_DigestFinal_ex(state_->context.get(), raw.data(), nullptr) != 1) {
    throw std::runtime_error("SHA-256 finish failed");
  }
  static constexpr char kHex[] = "0123456789abcdef";
  Digest digest;
  for (unsigned char byte : raw) {
    digest.text += kHex[byte >> 4];
    digest.text += kHex[byte & 15];
  }
  return digest;
}

Digest sha256_of(std::string_view bytes) {
  return Sha256().bytes(bytes.data(), bytes.size()).finish();
}

Result<Digest> sha256_of_file(const std::string& path) {
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const auto failed = [&](const char* what) {
    return Error{path + ": " + what + ": " + std::strerror(errno), ""};
  };

  std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rbe"));
  if (!file) return failed("cannot be opened");
  Sha256 hash;
  std::vector<std::byte> buffer(1 << 18);
  std::size_t got = 0;
  while ((got = std::fread(buffer.data(), 1, buffer.size(), file.get())) > 0)
    hash.bytes(buffer.data(), got);
  if (std::ferror(file.get())) return failed("cannot be read");
  return hash.finish();
}

}  // namespace refute
