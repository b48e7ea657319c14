#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

namespace refute::worker {

/// Values per chunk: with 4 bytes in and 1 byte out a chunk stays in the second-level cache of one
/// core.
inline constexpr std::size_t kSweepChunk = 1u << 15;

/// What a sweep found.
struct SweepResult {
  std::optional<std::uint64_t>
      smallest;               ///< the least offending pattern; the same for any number of threads
  std::uint64_t checked = 0;  ///< patterns gone through, in order, up to the offender or to the end
};

/// Checks the patterns [first, first + count) and returns the least one that offends, if any. One
/// checker serves one thread, so it may own buffers.
using ChunkCheck =
    std::function<std::optional<std::uint64_t>(std::uint64_t first, std::size_t count)>;

using MakeChecker = std::function<ChunkCheck()>;

/// Goes through [begin, end) chunk by chunk on `threads` threads, each with a checker of its own.
/// After a mismatch no later chunk is started, while earlier ones are finished: that makes the
/// least offender certain. An exception in a checker stops the sweep and is thrown again here,
/// unless a mismatch comes before it in order.
SweepResult sweep(std::uint64_t begin, std::uint64_t end, unsigned threads,
                  const MakeChecker& make_checker, std::size_t chunk = kSweepChunk);

/// Goes only through the chunks of such a sweep that hold a landmark or the value before one. Wrong
/// codecs are wrong where codes change: a look there first spares the sweep of everything. It
/// proves nothing by itself.
SweepResult sweep_around(std::span<const std::uint64_t> landmarks, std::uint64_t begin,
                         std::uint64_t end, unsigned threads, const MakeChecker& make_checker,
                         std::size_t chunk = kSweepChunk);

}  // namespace refute::worker
