#pragma once

// Goes through a tensor batch by batch on several threads, with memory that does not depend on the
// tensor's size.

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "harness/model/result.hpp"

namespace refute::instruments {

/// Why the work ended early.
struct Failure {
  enum class Kind {
    input,    ///< the data cannot be worked on
    world,    ///< a disk or a file that changed meanwhile
    stopped,  ///< somebody asked for it
  };
  Kind kind = Kind::world;
  Error error;
};

/// What one thread works in: grows to what was asked for and stays.
class Scratch {
 public:
  std::span<float> floats(std::size_t count) { return of(floats_, count); }
  std::span<std::byte> bytes(std::size_t count) { return of(bytes_, count); }
  std::span<std::byte> more_bytes(std::size_t count) { return of(more_bytes_, count); }
  std::span<float> scaled(std::size_t count) { return of(scaled_, count); }
  std::span<std::uint8_t> codes(std::size_t count) { return of(codes_, count); }

 private:
  template <class T>
  struct Buffer {
    std::unique_ptr<T[]> items;
    std::size_t size = 0;
  };
  template <class T>
  static std::span<T> of(Buffer<T>& buffer, std::size_t count) {
    if (count > buffer.size) buffer = {std::make_unique_for_overwrite<T[]>(count), count};
    return {buffer.items.get(), count};
  }
  Buffer<float> floats_, scaled_;
  Buffer<std::byte> bytes_, more_bytes_;
  Buffer<std::uint8_t> codes_;
};

struct BatchOptions {
  unsigned threads = 1;  ///< results do not depend on it
  /// What is done of the whole, and the whole; from any thread, one at a time.
  std::function<void(std::size_t done, std::size_t total)> progress;
  std::function<bool()> stopped;  ///< asked before each batch
};

/// Counts progress over all tensors of a model, and keeps each thread's scratch from one to the
/// next.
class Batches {
 public:
  /// `total`: of the whole model, for the progress.
  Batches(BatchOptions options, std::size_t total);

  using Body =
      std::function<std::optional<Failure>(std::size_t first, std::size_t count, Scratch&)>;
  /// body(first, count) for 0 … total in steps of `batch`, the last one shorter. Batches are handed
  /// out in order and none after a failure, so the failure returned is always the first one's.
  std::optional<Failure> run(std::size_t total, std::size_t batch, const Body& body);
  /// Tells that so much of the whole is done. Any thread.
  void advance(std::size_t count);

 private:
  struct Shared;
  void work(Shared& shared, Scratch& scratch);

  BatchOptions options_;
  std::size_t total_, done_ = 0;
  std::mutex progress_;
  std::vector<Scratch> scratch_;
};

}  // namespace refute::instruments
