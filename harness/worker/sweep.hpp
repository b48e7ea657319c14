#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

namespace refute::worker {

/// Values per chunk: with 4 bytes in and 1 byte out a chunk stays in the second-level cache of one core.
inline constexpr std::size_t kSweepChunk = 1u << 15;

/// What a sweep found.
struct SweepResult {
  std::optional<std::uint64_t> smallest;  ///< the least offending pattern; the same for any number of threads
  std::uint64_t checked = 0;              ///< patterns in chunks that were gone through; all of them if none offends
};

/// Checks the patterns [first, first + count) and returns the least one that offends, if any. One checker serves one
/// thread, so it may own buffers.
using ChunkCheck = std::function<std::optional<std::uint64_t>(std::uint64_t first, std::size_t count)>;

/// Goes through [begin, end) chunk by chunk on `threads` threads, each with a checker of its own from `make_checker`. After
/// a mismatch no later chunk is started, while earlier ones are finished: that makes the least offender certain.
/// An exception in a checker stops the sweep and is thrown again here.
SweepResult sweep(std::uint64_t begin, std::uint64_t end, unsigned threads,
                  const std::function<ChunkCheck()>& make_checker, std::size_t chunk = kSweepChunk);

}  // namespace refute::worker
