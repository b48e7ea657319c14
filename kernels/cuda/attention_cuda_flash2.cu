#include <cmath>

#include "kernels/cuda/attention_cuda.hpp"
#include "kernels/cuda/device_ops.cuh"
#include "kernels/cuda/flash2_block.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/memory.cuh"

namespace refute::kernels::cuda {
namespace {

constexpr double kLog2E = 1.4426950408889634;

/// What a launch works on, and in how many runs of keys.
struct Launch {
  Flash2Inputs in;
  std::uint16_t* out;
  Flash2Partial partial;  ///< of [splits, pairs, rows]; unused with one split
  unsigned splits;
  std::uint32_t pairs() const { return in.shape.batch * in.shape.heads_kv; }
};

template <class Block>
__global__ void __launch_bounds__(Block::kThreads, 2)
    flash2_kernel(Flash2Inputs in, std::uint16_t* out, Flash2Partial partial, unsigned splits) {
  extern __shared__ __align__(128) std::uint16_t shared[];
  flash2_work<Block>(in, out, partial, splits, blockIdx.x, shared);
}

/// One block a row, one thread a column.
template <class T, unsigned kDim>
__global__ void __launch_bounds__(kDim)
    merge_kernel(Flash2Inputs in, std::uint16_t* out, Flash2Partial partial, unsigned splits) {
  const std::size_t rows = in.shape.rows();
  const std::size_t all = std::size_t{in.shape.batch} * in.shape.heads_kv * rows;
  for (std::size_t at = blockIdx.x; at < all; at += gridDim.x) {
    const float value = flash2_merged<kDim>(partial, splits, all, at, threadIdx.x);
    const std::size_t to = in.shape.query_offset(static_cast<std::uint32_t>(at / rows),
                                                 static_cast<std::uint32_t>(at % rows));
    out[to + threadIdx.x] = static_cast<std::uint16_t>(Half<T>::pair(value, 0.0f));
  }
}

template <class T, unsigned kDim, unsigned kRowTiles>
CudaStatus launch_tiles(const Launch& l) {
  using Block = Flash2Block<T, kDim, kRowTiles>;
  const auto kernel = flash2_kernel<Block>;
  const std::size_t blocks =
      std::size_t{l.pairs()} * flash2_blocks(l.in.shape, Block::kRows) * l.splits;
  if (blocks > 0x7FFFFFFF) return {CudaError::failed, false, "flash2: more blocks than a grid has"};
  return first_failure(
      [&] {
        return status_of(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                              static_cast<int>(Block::kSharedBytes)),
                         "flash2: asking for shared memory");
      },
      [&] {
        kernel<<<static_cast<unsigned>(blocks), Block::kThreads, Block::kSharedBytes>>>(
            l.in, l.out, l.partial, l.splits);
        return launched("flash2");
      },
      [&]() -> CudaStatus {
        if (l.splits == 1) return {};
        merge_kernel<T, kDim><<<blocks_for(std::size_t{l.pairs()} * l.in.shape.rows(), 1), kDim>>>(
            l.in, l.out, l.partial, l.splits);
        return launched("flash2, merging");
      },
      [&] { return finished("flash2"); });
}

template <class T, unsigned kDim>
CudaStatus launch_dim(const Launch& l) {
  return l.in.shape.rows() <= 64 ? launch_tiles<T, kDim, 1>(l) : launch_tiles<T, kDim, 2>(l);
}

Flash2Shape shape_of(const AttentionCall& call) {
  const AttentionShape& s = call.shape;
  const auto narrow = [](std::size_t n) { return static_cast<std::uint32_t>(n); };
  return {narrow(s.batch),
          narrow(s.heads_q),
          narrow(s.heads_kv),
          narrow(s.seq_q),
          narrow(s.seq_kv),
          narrow(s.head_dim),
          call.mask == AttentionMask::causal};
}

/// Enough runs of keys to give every multiprocessor two blocks, and none shorter than four tiles.
CudaStatus choose_splits(const Flash2Shape& s, unsigned asked, unsigned& splits) {
  if (asked != 0) return splits = asked, CudaStatus{};
  const std::size_t tiles = (s.seq_kv + Flash2Shape::kTileKeys - 1) / Flash2Shape::kTileKeys;
  int device = 0, processors = 0;
  const CudaStatus status = first_failure(
      [&] { return status_of(cudaGetDevice(&device), "choosing a device"); },
      [&] {
        return status_of(
            cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device),
            "counting multiprocessors");
      });
  if (!status.ok()) return status;
  const std::size_t blocks =
      std::size_t{s.batch} * s.heads_kv * flash2_blocks(s, s.rows() <= 64 ? 64 : 128);
  const std::size_t wanted = 2 * static_cast<std::size_t>(processors) / blocks;
  splits = static_cast<unsigned>(wanted < tiles / 4 ? wanted : tiles / 4);
  if (splits == 0) splits = 1;
  return {};
}

struct PartialMemory {
  Allocation sums, maxima, denominators;

  CudaStatus take(Launch& l) {
    if (l.splits == 1) return {};
    const std::size_t rows = std::size_t{l.splits} * l.pairs() * l.in.shape.rows();
    const CudaStatus status =
        first_failure([&] { return sums.take(rows * l.in.shape.head_dim * sizeof(float)); },
                      [&] { return maxima.take(rows * sizeof(float)); },
                      [&] { return denominators.take(rows * sizeof(float)); });
    l.partial = {sums.as<float>(), maxima.as<float>(), denominators.as<float>()};
    return status;
  }
};

CudaStatus need_alignment(const Launch& l) {
  const bool whole =
      aligned16(l.in.q) && aligned16(l.in.k) && aligned16(l.in.v) && aligned16(l.out);
  if (whole) return {};
  return {CudaError::unsupported, false, "flash2: tensors have to lie at multiples of 16 bytes"};
}

template <class T>
CudaAnswer<AttentionStatus> flash2(const AttentionCall& call, std::span<const T> q,
                                   std::span<const T> k, std::span<const T> v, std::span<T> out,
                                   Flash2Options options) {
  AttentionStatus fit = flash2_check(call, q.size(), k.size(), v.size(), out.size());
  const auto scale_log2 = static_cast<float>(call.scale * kLog2E);
  if (fit == AttentionStatus::ok && !std::isfinite(scale_log2))
    fit = AttentionStatus::scale_not_finite;
  if (fit != AttentionStatus::ok) return {{}, fit};
  if (call.probabilities == AttentionProbabilities::keep_f32) {
    return {{CudaError::unsupported, false,
             "flash2: a matrix unit takes probabilities only as rounded to 16 bits"},
            fit};
  }
  if (!flash2_counts_fit(call.shape)) {
    return {{CudaError::unsupported, false, "flash2: lengths beyond 2^30 are not worked on"}, fit};
  }
  Staged<T> q_in, k_in, v_in, to;
  PartialMemory memory;
  Launch l{{shape_of(call), nullptr, nullptr, nullptr, scale_log2}, nullptr, {}, 1};
  const auto bits = [](T* pointer) { return reinterpret_cast<std::uint16_t*>(pointer); };
  const CudaStatus status = first_failure(
      [&] { return choose_splits(l.in.shape, options.splits, l.splits); },
      [&] { return q_in.input(q); }, [&] { return k_in.input(k); }, [&] { return v_in.input(v); },
      [&] { return to.output(out); },
      [&] {
        l.in.q = bits(q_in.data());
        l.in.k = bits(k_in.data());
        l.in.v = bits(v_in.data());
        l.out = bits(to.data());
        return need_alignment(l);
      },
      [&] { return memory.take(l); },
      [&] { return call.shape.head_dim == 64 ? launch_dim<T, 64>(l) : launch_dim<T, 128>(l); },
      [&] { return q_in.check("q"); }, [&] { return k_in.check("k"); },
      [&] { return v_in.check("v"); }, [&] { return to.fetch("out"); });
  return {status, fit};
}

}  // namespace

CudaAnswer<AttentionStatus> attention_flash2(const AttentionCall& call, std::span<const F16> q,
                                             std::span<const F16> k, std::span<const F16> v,
                                             std::span<F16> out, Flash2Options options) {
  return flash2<F16>(call, q, k, v, out, options);
}
CudaAnswer<AttentionStatus> attention_flash2(const AttentionCall& call, std::span<const Bf16> q,
                                             std::span<const Bf16> k, std::span<const Bf16> v,
                                             std::span<Bf16> out, Flash2Options options) {
  return flash2<Bf16>(call, q, k, v, out, options);
}

}  // namespace refute::kernels::cuda
