#pragma once

// APRT stage files: "APRT", the layer and the number of values as u32 LE, then the values as f32
// LE, and nothing else: 12 + 4n bytes. The values' bits are kept, those of NaN and -0 too. The
// format says neither stage nor shape nor model; harness/tensor/capture_manifest.hpp does.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "harness/model/result.hpp"
#include "harness/tensor/mapped_file.hpp"
#include "harness/tensor/page_guard.hpp"

namespace refute::tensor {

inline constexpr std::size_t kAprtHeaderBytes = 12;

/// An open stage file: mapped, so that its size costs no memory. Values live as long as it does.
class AprtFile {
 public:
  /// Refuses a file that does not begin with "APRT" or is not as long as it says, to the byte.
  static Result<AprtFile> open(const std::string& path);

  std::uint32_t layer() const { return layer_; }  ///< kWholeModel: of no layer
  std::span<const float> values() const;
  /// The whole file, for a digest.
  std::span<const std::byte> bytes() const { return file_.bytes(); }
  /// Whether the file was changed since it was opened; what was read of it means nothing then.
  bool damaged() const { return guard_.damaged() || file_.changed(); }

 private:
  AprtFile(MappedFile file, PageGuard guard, std::uint32_t layer)
      : file_(std::move(file)), guard_(std::move(guard)), layer_(layer) {}

  MappedFile file_;
  PageGuard guard_;  // goes before the mapping does
  std::uint32_t layer_;
};

/// Whether a regular file of that name begins with "APRT". Anything else is no, also what is not
/// there.
bool is_aprt(const std::string& path);

/// The 12 bytes before `count` values.
std::array<std::byte, kAprtHeaderBytes> aprt_header(std::uint32_t layer, std::uint32_t count);

/// Writes a stage file, whole or not at all; an existing one is replaced. An error also for more
/// values than a u32 counts.
std::optional<Error> write_aprt(const std::string& path, std::uint32_t layer,
                                std::span<const float> values);

}  // namespace refute::tensor
