#pragma once

// device_ops.cuh and what CUDA C++ gives beside it, for a host: a block's threads are fibers of one
// host thread, which wait for each other at warp-wide instructions and at barriers. The matrix
// instructions are written down from the PTX ISA's tables ("Matrix Fragments for mma.m16n8k16",
// "ldmatrix"), apart from mma_tiles.hpp, which they are here to test.
//
// Made to catch mistakes: asynchronous copies take place only when they are waited for, and leave
// NaN at their place until then; every address is checked; a block whose threads wait for each
// other in vain ends the test.

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <ucontext.h>

#include "kernels/attention_half.hpp"

#define __device__
#ifndef INFINITY
#define INFINITY std::numeric_limits<float>::infinity()
#endif

namespace refute::kernels::cuda {

struct float2 {
  float x, y;
};
inline float2 make_float2(float x, float y) {
  return {x, y};
}

/// Threads that wait for each other, and what each of them shows the others.
struct Group {
  unsigned size = 0, arrived = 0;
  std::uint64_t generation = 0;
  struct Shown {
    const std::uint16_t* row = nullptr;
    std::array<std::uint32_t, 6> words{};
    float value = 0;
  };
  std::array<Shown, 128> shown{};
};

/// One emulated block. `memory` ranges are all that copies may read.
class EmulatedBlock {
 public:
  struct Range {
    const std::uint16_t *begin, *end;
  };

  EmulatedBlock(unsigned threads, std::size_t shared_bytes, std::vector<Range> memory)
      : shared(shared_bytes / 2, std::uint16_t{0x7FFF}), memory_(std::move(memory)) {
    everyone.size = threads;
    for (Group& warp : warps) warp.size = 32;
    fibers_.resize(threads);
  }

  /// Runs body in every thread, to the end of all.
  void run(const std::function<void()>& body) {
    body_ = &body;
    current = this;
    for (unsigned t = 0; t < fibers_.size(); ++t) start(t);
    left_ = fibers_.size();
    while (left_ > 0) {
      const std::uint64_t before = progress_;
      // Each warp runs as far ahead as it can: what only a missing barrier keeps apart, meets.
      for (unsigned first = 0; first < fibers_.size(); first += 32) {
        for (std::uint64_t last = ~progress_; last != progress_;) {
          last = progress_;
          for (unsigned t = first; t < first + 32; ++t) resume(t);
        }
      }
      if (progress_ == before && left_ > 0) fail("the threads wait for each other in vain");
    }
    current = nullptr;
  }

  Group& warp() { return warps[thread / 32]; }
  unsigned lane() const { return thread % 32; }

  /// Until all of the group are here.
  void wait(Group& group) {
    const std::uint64_t generation = group.generation;
    if (++group.arrived == group.size) {
      group.arrived = 0;
      ++group.generation;
      ++progress_;
      return;
    }
    while (group.generation == generation) swapcontext(&fibers_[thread].context, &home_);
  }

  void check_shared(const std::uint16_t* at, std::size_t count) const {
    if (at < shared.data() || at + count > shared.data() + shared.size())
      fail("an address outside of shared memory");
    if ((at - shared.data()) % 8 != 0) fail("a chunk that is not aligned");
  }
  void check_memory(const std::uint16_t* at, std::size_t count) const {
    for (const Range& range : memory_) {
      if (at >= range.begin && at + count <= range.end) return;
    }
    fail("a copy from outside of the tensors");
  }

  struct Copy {
    std::uint16_t* to;
    const std::uint16_t* from;
  };
  struct Copies {
    std::vector<Copy> open;
    std::deque<std::vector<Copy>> committed;
  };
  Copies& copies() { return fibers_[thread].copies; }

  [[noreturn]] static void fail(const char* what) {
    std::fprintf(stderr, "emulated block: %s\n", what);
    std::abort();  // no exception crosses a fiber
  }

  static inline EmulatedBlock* current = nullptr;
  unsigned thread = 0;
  Group everyone;
  std::array<Group, 4> warps{};
  std::vector<std::uint16_t> shared;

 private:
  struct Fiber {
    ucontext_t context{};
    std::unique_ptr<char[]> stack;
    bool done = false;
    Copies copies;
  };

  void start(unsigned t) {
    constexpr std::size_t kStack = 256 * 1024;
    Fiber& fiber = fibers_[t];
    fiber.stack = std::make_unique<char[]>(kStack);
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStack;
    fiber.context.uc_link = &home_;
    makecontext(&fiber.context, enter, 0);
  }
  void resume(unsigned t) {
    if (fibers_[t].done) return;
    thread = t;
    swapcontext(&home_, &fibers_[t].context);
    if (!fibers_[t].done) return;
    --left_;
    ++progress_;
  }
  static void enter() {
    EmulatedBlock& block = *current;
    (*block.body_)();
    block.fibers_[block.thread].done = true;
  }

  std::vector<Range> memory_;
  std::vector<Fiber> fibers_;
  ucontext_t home_{};
  const std::function<void()>* body_ = nullptr;
  std::uint64_t progress_ = 0;  ///< barriers passed and threads done
  std::size_t left_ = 0;
};

/// threadIdx.x, and nothing else of it.
struct ThreadIndex {
  struct X {
    operator unsigned() const { return EmulatedBlock::current->thread; }
  } x;
};
inline constexpr ThreadIndex threadIdx{};

inline void __syncthreads() {
  EmulatedBlock::current->wait(EmulatedBlock::current->everyone);
}

/// Shows something to the group, waits, lets `look` read what everybody shows, and waits again.
template <class Look>
auto exchange(Group& group, unsigned self, Group::Shown mine, Look look) {
  EmulatedBlock& block = *EmulatedBlock::current;
  group.shown[self] = mine;
  block.wait(group);
  const auto result = look(group.shown);
  block.wait(group);
  return result;
}

inline int __syncthreads_or(int mine) {
  EmulatedBlock& block = *EmulatedBlock::current;
  Group::Shown shown;
  shown.words[0] = mine != 0;
  return exchange(block.everyone, block.thread, shown, [&](const auto& all) {
    std::uint32_t any = 0;
    for (unsigned t = 0; t < block.everyone.size; ++t) any |= all[t].words[0];
    return static_cast<int>(any);
  });
}

inline float __shfl_xor_sync(unsigned, float value, unsigned mask) {
  EmulatedBlock& block = *EmulatedBlock::current;
  const unsigned lane = block.lane();
  Group::Shown shown;
  shown.value = value;
  return exchange(block.warp(), lane, shown,
                  [&](const auto& all) { return all[lane ^ mask].value; });
}

inline float __fmaf_rn(float a, float b, float c) {
  return std::fma(a, b, c);
}
inline float exp2_fast(float x) {
  const float y = std::exp2(x);
  return y < 0x1p-126f ? 0.0f : y;  // a NaN is not below
}

template <bool kTransposed>
void emulated_ldmatrix(std::uint32_t (&r)[4], const std::uint16_t* row) {
  EmulatedBlock& block = *EmulatedBlock::current;
  block.check_shared(row, 8);
  const unsigned lane = block.lane();
  Group::Shown shown;
  shown.row = row;
  const auto words = exchange(block.warp(), lane, shown, [&](const auto& all) {
    std::array<std::uint32_t, 4> mine{};
    for (unsigned matrix = 0; matrix < 4; ++matrix) {
      for (unsigned half = 0; half < 2; ++half) {
        const unsigned i = lane / 4, j = 2 * (lane % 4) + half;
        const std::uint16_t element =
            kTransposed ? all[8 * matrix + j].row[i] : all[8 * matrix + i].row[j];
        mine[matrix] |= std::uint32_t{element} << (16 * half);
      }
    }
    return mine;
  });
  for (unsigned i = 0; i < 4; ++i) r[i] = words[i];
}
inline void ldmatrix(std::uint32_t (&r)[4], const std::uint16_t* row) {
  emulated_ldmatrix<false>(r, row);
}
inline void ldmatrix_transposed(std::uint32_t (&r)[4], const std::uint16_t* row) {
  emulated_ldmatrix<true>(r, row);
}

inline void copy_chunk(std::uint16_t* to, const std::uint16_t* from, bool there) {
  EmulatedBlock& block = *EmulatedBlock::current;
  block.check_shared(to, 8);
  if (there) block.check_memory(from, 8);
  for (unsigned i = 0; i < 8; ++i) to[i] = 0x7FFF;
  block.copies().open.push_back({to, there ? from : nullptr});
}
inline void commit_copies() {
  auto& copies = EmulatedBlock::current->copies();
  copies.committed.push_back(std::move(copies.open));
  copies.open.clear();
}
template <int kPending>
void wait_for_copies() {
  auto& committed = EmulatedBlock::current->copies().committed;
  for (; committed.size() > kPending; committed.pop_front()) {
    for (const auto& copy : committed.front()) {
      if (copy.from != nullptr) std::memcpy(copy.to, copy.from, 16);
      if (copy.from == nullptr) std::memset(copy.to, 0, 16);
    }
  }
}

template <class T>
struct Half {
  static constexpr std::uint16_t kInfinity = std::is_same_v<T, F16> ? 0x7C00 : 0x7F80;

  static std::uint32_t pair(float low, float high) {
    return from_float<T>(low).bits | std::uint32_t{from_float<T>(high).bits} << 16;
  }

  /// Operand A: register i holds row lane / 4 (+ 8 for i odd), columns 2 · (lane % 4) + {0, 1} (+ 8
  /// for i from 2 on). Operand B: register i holds rows 2 · (lane % 4) + {0, 1} (+ 8 for i = 1),
  /// column lane / 4. The sum: registers 0, 1 row lane / 4, registers 2, 3 row lane / 4 + 8.
  static void multiply(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                       std::uint32_t b1) {
    EmulatedBlock& block = *EmulatedBlock::current;
    const unsigned lane = block.lane();
    Group::Shown shown;
    shown.words = {a[0], a[1], a[2], a[3], b0, b1};
    const auto products = exchange(block.warp(), lane, shown, [&](const auto& all) {
      std::array<double, 4> mine{};
      for (unsigned i = 0; i < 4; ++i) {
        const unsigned row = lane / 4 + (i / 2) * 8, col = 2 * (lane % 4) + i % 2;
        for (unsigned k = 0; k < 16; ++k) {
          const unsigned pair = k % 8 / 2, upper = k / 8;
          const std::uint32_t of_a = all[row % 8 * 4 + pair].words[row / 8 + 2 * upper];
          const std::uint32_t of_b = all[col * 4 + pair].words[4 + upper];
          mine[i] += double{value(of_a, k % 2)} * double{value(of_b, k % 2)};
        }
      }
      return mine;
    });
    for (unsigned i = 0; i < 4; ++i) sum[i] = static_cast<float>(sum[i] + products[i]);
  }

 private:
  static float value(std::uint32_t pair, unsigned half) {
    return to_float(T{static_cast<std::uint16_t>(pair >> (16 * half))});
  }
};

}  // namespace refute::kernels::cuda
