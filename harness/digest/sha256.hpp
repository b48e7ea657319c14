#pragma once

// The only home of OpenSSL.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "harness/model/ids.hpp"
#include "harness/model/result.hpp"
#include "harness/model/value.hpp"

namespace refute {

/// SHA-256, fed field by field. The typed feeds write a type tag and a length first, so that no two
/// different sequences of fields hash alike.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  /// Bytes as they are, untyped: for file contents and result buffers.
  Sha256& bytes(std::span<const std::byte> data);
  Sha256& bytes(const void* data, std::size_t size);

  // Typed and length-prefixed.
  Sha256& field(std::string_view text);
  Sha256& field(std::uint64_t number);
  /// Maps are hashed in the order of their sorted keys; a double by its bits, with -0.0 and NaNs
  /// kept apart.
  Sha256& value(const Value& value);

  Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Digest sha256_of(std::string_view bytes);
/// Digest of a file's bytes; an error names the path and the reason.
Result<Digest> sha256_of_file(const std::string& path);

}  // namespace refute
