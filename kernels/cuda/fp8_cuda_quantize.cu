// Whole tensors: absmax and finiteness in one pass, scales and codes in a second, values in one.

#include <cuda_fp8.h>

#include "kernels/cpu/fp8_shape.hpp"
#include "kernels/cuda/fp8_codec.hpp"
#include "kernels/cuda/fp8_cuda.hpp"
#include "kernels/cuda/fp8_groups.hpp"
#include "kernels/cuda/fp8_modes.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/memory.cuh"

namespace refute::kernels::cuda {
namespace {

constexpr unsigned long long kAllFinite = ~0ull;
constexpr unsigned kEveryLane = 0xFFFFFFFFu;

__device__ std::size_t first_warp() {
  return (std::size_t{blockIdx.x} * kThreads + threadIdx.x) / kWarp;
}
__device__ std::size_t warp_stride() {
  return std::size_t{gridDim.x} * kWarpsPerBlock;
}

/// Floats of one sign order as their bits do, so absmax is a maximum of integers, and infinities
/// and NaNs are what lies at 0x7F800000 or above: no NaN can hide in a comparison.
struct Extremes {
  std::uint32_t absmax = 0;
  unsigned long long first_bad = kAllFinite;

  __device__ void take(float x, std::size_t i) {
    const std::uint32_t magnitude = float_bits(x) & 0x7FFFFFFFu;
    absmax = max(absmax, magnitude);
    if (magnitude >= 0x7F800000u) first_bad = min(first_bad, static_cast<unsigned long long>(i));
  }
};

/// Only a warp that would raise the maximum writes to it; after the first few hardly one does.
__device__ void raise(std::uint32_t* absmax, std::uint32_t mine) {
  mine = __reduce_max_sync(kEveryLane, mine);
  if (threadIdx.x % kWarp == 0 && mine > *static_cast<volatile std::uint32_t*>(absmax)) {
    atomicMax(absmax, mine);
  }
}

template <bool kInFours>
__global__ void __launch_bounds__(kThreads)
    absmax_kernel(const float* w, Fp8Split split, std::uint32_t* absmax,
                  unsigned long long* first_bad) {
  const unsigned lane = threadIdx.x % kWarp;
  for (std::size_t warp = first_warp(); warp < split.warps(); warp += warp_stride()) {
    const Fp8Segment s = split.segment(warp);
    Extremes mine;
    std::size_t i = s.begin;
    if constexpr (kInFours) {
#pragma unroll 4
      for (; i + 4 * kWarp <= s.end; i += 4 * kWarp) {
        const float4 x = __ldg(reinterpret_cast<const float4*>(w + i) + lane);
        const std::size_t at = i + 4 * lane;
        mine.take(x.x, at);
        mine.take(x.y, at + 1);
        mine.take(x.z, at + 2);
        mine.take(x.w, at + 3);
      }
    }
    for (i += lane; i < s.end; i += kWarp) mine.take(w[i], i);
    raise(&absmax[s.group], mine.absmax);
    if (mine.first_bad != kAllFinite) atomicMin(first_bad, mine.first_bad);
  }
}

/// Codes of quotients, which are finite and so small that only rounding can reach beyond the range.
template <Fp8Mode kMode>
struct QuotientEncoder {
  __device__ static std::uint16_t two(float a, float b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
    if constexpr (kMode.rounding == Fp8Rounding::ties_even &&
                  kMode.overflow == Fp8Overflow::satfinite) {
      return __nv_cvt_float2_to_fp8x2(make_float2(a, b), __NV_SATFINITE,
                                      kMode.format == Fp8Format::e4m3 ? __NV_E4M3 : __NV_E5M2);
    }
#endif
    return static_cast<std::uint16_t>(fp8_code<kMode>(float_bits(a)) |
                                      fp8_code<kMode>(float_bits(b)) << 8);
  }
};

template <class Mode, bool kInFours>
__global__ void __launch_bounds__(kThreads)
    quantize_kernel(const float* w, Fp8Split split, const std::uint32_t* absmax,
                    const unsigned long long* first_bad, std::uint8_t* codes, float* scales) {
  if (*first_bad != kAllFinite) return;  // nothing may be written then
  const unsigned lane = threadIdx.x % kWarp;
  for (std::size_t warp = first_warp(); warp < split.warps(); warp += warp_stride()) {
    const Fp8Segment s = split.segment(warp);
    const float scale = fp8_scale(absmax[s.group], Mode::kMode.format);
    if (lane == 0 && s.begin == s.group * split.length) scales[s.group] = scale;
    std::size_t i = s.begin;
    if constexpr (kInFours) {
#pragma unroll 4
      for (; i + 4 * kWarp <= s.end; i += 4 * kWarp) {
        const float4 x = __ldg(reinterpret_cast<const float4*>(w + i) + lane);
        const std::uint32_t low = QuotientEncoder<Mode::kMode>::two(x.x / scale, x.y / scale);
        const std::uint32_t high = QuotientEncoder<Mode::kMode>::two(x.z / scale, x.w / scale);
        reinterpret_cast<std::uint32_t*>(codes + i)[lane] = low | high << 16;
      }
    }
    for (i += lane; i < s.end; i += kWarp) {
      codes[i] = static_cast<std::uint8_t>(QuotientEncoder<Mode::kMode>::two(w[i] / scale, 0.0f));
    }
  }
}

template <Fp8Format kFormat, bool kInFours>
__global__ void __launch_bounds__(kThreads)
    dequantize_kernel(const std::uint8_t* codes, const float* scales, Fp8Split split, float* out) {
  const unsigned lane = threadIdx.x % kWarp;
  for (std::size_t warp = first_warp(); warp < split.warps(); warp += warp_stride()) {
    const Fp8Segment s = split.segment(warp);
    const float scale = scales[s.group];
    std::size_t i = s.begin;
    if constexpr (kInFours) {
#pragma unroll 4
      for (; i + 4 * kWarp <= s.end; i += 4 * kWarp) {
        const uchar4 c = __ldg(reinterpret_cast<const uchar4*>(codes + i) + lane);
        reinterpret_cast<float4*>(out + i)[lane] =
            make_float4(fp8_value<kFormat>(c.x) * scale, fp8_value<kFormat>(c.y) * scale,
                        fp8_value<kFormat>(c.z) * scale, fp8_value<kFormat>(c.w) * scale);
      }
    }
    for (i += lane; i < s.end; i += kWarp) out[i] = fp8_value<kFormat>(codes[i]) * scale;
  }
}

Fp8Split split_of(const Fp8Layout& layout) {
  const Fp8Groups groups = fp8_groups(layout);
  return Fp8Split::of(groups.count, groups.length);
}

CudaStatus launch_quantize(const float* w, Fp8Split split, Fp8Mode mode, std::uint32_t* absmax,
                           unsigned long long* first_bad, std::uint8_t* codes, float* scales) {
  const unsigned blocks = blocks_for(split.warps(), kWarpsPerBlock);
  const bool in_fours = split.in_fours() && aligned16(w) && aligned16(codes);
  if (in_fours) {
    absmax_kernel<true><<<blocks, kThreads>>>(w, split, absmax, first_bad);
  } else {
    absmax_kernel<false><<<blocks, kThreads>>>(w, split, absmax, first_bad);
  }
  if (auto status = launched("fp8_quantize, absmax"); !status.ok()) return status;
  return with_mode(mode, [&]<class Mode>() {
    if (in_fours) {
      quantize_kernel<Mode, true><<<blocks, kThreads>>>(w, split, absmax, first_bad, codes, scales);
    } else {
      quantize_kernel<Mode, false>
          <<<blocks, kThreads>>>(w, split, absmax, first_bad, codes, scales);
    }
    return finished("fp8_quantize");
  });
}

CudaStatus launch_dequantize(const std::uint8_t* codes, const float* scales, Fp8Split split,
                             Fp8Format format, float* out) {
  const unsigned blocks = blocks_for(split.warps(), kWarpsPerBlock);
  const bool in_fours = split.in_fours() && aligned16(codes) && aligned16(out);
  const auto with = [&]<Fp8Format kFormat>() {
    if (in_fours) {
      dequantize_kernel<kFormat, true><<<blocks, kThreads>>>(codes, scales, split, out);
    } else {
      dequantize_kernel<kFormat, false><<<blocks, kThreads>>>(codes, scales, split, out);
    }
    return finished("fp8_dequantize");
  };
  return format == Fp8Format::e4m3 ? with.operator()<Fp8Format::e4m3>()
                                   : with.operator()<Fp8Format::e5m2>();
}

/// What the first pass leaves for the second: absmax per group, and the first bad index.
struct Workspace {
  Allocation absmax, first_bad;

  CudaStatus take(std::size_t groups) {
    return first_failure(
        [&] { return absmax.take(groups * sizeof(std::uint32_t)); },
        [&] { return first_bad.take(sizeof(unsigned long long)); },
        [&] {
          return status_of(cudaMemset(absmax.as<void>(), 0, groups * sizeof(std::uint32_t)),
                           "clearing absmax");
        },
        [&] {
          return status_of(cudaMemset(first_bad.as<void>(), 0xFF, sizeof(unsigned long long)),
                           "clearing the first bad index");
        });
  }
};

}  // namespace

CudaAnswer<Fp8QuantizeResult> fp8_quantize(std::span<const float> w, Fp8Layout layout, Fp8Mode mode,
                                           std::span<std::uint8_t> codes, std::span<float> scales) {
  if (!fp8_sizes_fit(layout, w.size(), codes.size(), scales.size())) {
    return {{}, {Fp8Status::size_mismatch}};
  }
  if (w.empty()) {
    // A tensor of nothing still has its scales, as a group of zeros has.
    const std::vector<float> ones(scales.size(), 1.0f);
    const bool device = on_device(scales.data());
    return {scales.empty()
                ? CudaStatus{}
                : status_of(cudaMemcpy(scales.data(), ones.data(), scales.size_bytes(),
                                       device ? cudaMemcpyHostToDevice : cudaMemcpyHostToHost),
                            "writing scales"),
            {}};
  }
  Staged<float> values, scale_out;
  Staged<std::uint8_t> code_out;
  Workspace workspace;
  const Fp8Split split = split_of(layout);
  unsigned long long bad = kAllFinite;
  CudaStatus status = first_failure(
      [&] { return values.input(w); }, [&] { return code_out.output(codes); },
      [&] { return scale_out.output(scales); }, [&] { return workspace.take(split.groups); },
      [&] {
        return launch_quantize(values.data(), split, mode, workspace.absmax.as<std::uint32_t>(),
                               workspace.first_bad.as<unsigned long long>(), code_out.data(),
                               scale_out.data());
      },
      [&] {
        return status_of(
            cudaMemcpy(&bad, workspace.first_bad.as<void>(), sizeof bad, cudaMemcpyDeviceToHost),
            "reading the first bad index");
      },
      [&] { return values.check("w"); });
  if (!status.ok()) return {status, {}};
  if (bad != kAllFinite) {
    status = first_failure([&] { return code_out.untouched("codes"); },
                           [&] { return scale_out.untouched("scales"); });
    return {status, {Fp8Status::non_finite, static_cast<std::size_t>(bad)}};
  }
  return {first_failure([&] { return code_out.fetch("codes"); },
                        [&] { return scale_out.fetch("scales"); }),
          {}};
}

CudaAnswer<Fp8QuantizeResult> fp8_dequantize(std::span<const std::uint8_t> codes,
                                             std::span<const float> scales, Fp8Layout layout,
                                             Fp8Format format, std::span<float> out) {
  if (!fp8_sizes_fit(layout, out.size(), codes.size(), scales.size())) {
    return {{}, {Fp8Status::size_mismatch}};
  }
  if (out.empty()) return {};
  Staged<std::uint8_t> code_in;
  Staged<float> scale_in, values;
  return {first_failure([&] { return code_in.input(codes); },
                        [&] { return scale_in.input(scales); }, [&] { return values.output(out); },
                        [&] {
                          return launch_dequantize(code_in.data(), scale_in.data(),
                                                   split_of(layout), format, values.data());
                        },
                        [&] { return code_in.check("codes"); },
                        [&] { return scale_in.check("scales"); },
                        [&] { return values.fetch("values"); }),
          {}};
}

}  // namespace refute::kernels::cuda
