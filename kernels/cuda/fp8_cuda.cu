// The codec: encode and decode, element by element, in vectors of sixteen codes.

#include "kernels/cuda/fp8_codec.hpp"
#include "kernels/cuda/fp8_cuda.hpp"
#include "kernels/cuda/fp8_modes.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/memory.cuh"

namespace refute::kernels::cuda {
namespace {

constexpr std::size_t kPerThread = 16;  ///< codes: one 16-byte access

/// Where an encoder's input bits come from.
struct FromF32 {
  const float* in;
  __device__ std::uint32_t operator()(std::size_t i) const { return float_bits(in[i]); }
};
struct FromF16 {
  const std::uint16_t* in;
  __device__ std::uint32_t operator()(std::size_t i) const { return widened_f16(in[i]); }
};
struct FromBf16 {
  const std::uint16_t* in;
  __device__ std::uint32_t operator()(std::size_t i) const {
    return static_cast<std::uint32_t>(in[i]) << 16;
  }
};
struct FromCounter {
  std::uint32_t first;
  __device__ std::uint32_t operator()(std::size_t i) const {
    return first + static_cast<std::uint32_t>(i);
  }
};

union Codes16 {
  std::uint8_t code[kPerThread];
  uint4 vector;
};

/// out[i] = code of bits_of(i). Sixteen a thread, stored as one vector where the memory allows it.
template <class Mode, class BitsOf>
__global__ void __launch_bounds__(kThreads)
    encode_kernel(BitsOf bits_of, std::uint8_t* out, std::size_t n, bool in_vectors) {
  const std::size_t stride = std::size_t{gridDim.x} * kThreads * kPerThread;
  for (std::size_t i = (std::size_t{blockIdx.x} * kThreads + threadIdx.x) * kPerThread; i < n;
       i += stride) {
    if (in_vectors && i + kPerThread <= n) {
      Codes16 codes;
#pragma unroll
      for (std::size_t j = 0; j < kPerThread; ++j)
        codes.code[j] = fp8_code<Mode::kMode>(bits_of(i + j));
      *reinterpret_cast<uint4*>(out + i) = codes.vector;
    } else {
      for (std::size_t j = i; j < i + kPerThread && j < n; ++j) {
        out[j] = fp8_code<Mode::kMode>(bits_of(j));
      }
    }
  }
}

/// Four codes a thread and round, so that a warp's stores of values lie side by side.
template <Fp8Format kFormat>
__global__ void __launch_bounds__(kThreads)
    decode_kernel(const std::uint8_t* in, float* out, std::size_t n, bool in_vectors) {
  const std::size_t stride = std::size_t{gridDim.x} * kThreads * 4;
  for (std::size_t i = (std::size_t{blockIdx.x} * kThreads + threadIdx.x) * 4; i < n; i += stride) {
    if (in_vectors && i + 4 <= n) {
      const uchar4 c = *reinterpret_cast<const uchar4*>(in + i);
      *reinterpret_cast<float4*>(out + i) =
          make_float4(fp8_value<kFormat>(c.x), fp8_value<kFormat>(c.y), fp8_value<kFormat>(c.z),
                      fp8_value<kFormat>(c.w));
    } else {
      for (std::size_t j = i; j < i + 4 && j < n; ++j) out[j] = fp8_value<kFormat>(in[j]);
    }
  }
}

template <class BitsOf>
CudaStatus launch_encode(BitsOf bits_of, std::uint8_t* out, std::size_t n, Fp8Mode mode) {
  if (n == 0) return {};
  return with_mode(mode, [&]<class Mode>() {
    encode_kernel<Mode>
        <<<blocks_for(n, kThreads * kPerThread), kThreads>>>(bits_of, out, n, aligned16(out));
    return finished("fp8_encode");
  });
}

template <class From, class T>
CudaStatus encode(std::span<const T> in, std::span<std::uint8_t> out, Fp8Mode mode) {
  if (in.size() != out.size()) return {CudaError::failed, false, "fp8_encode: sizes differ"};
  Staged<T> from;
  Staged<std::uint8_t> to;
  return first_failure([&] { return from.input(in); }, [&] { return to.output(out); },
                       [&] { return launch_encode(From{from.data()}, to.data(), in.size(), mode); },
                       [&] { return from.check("in"); }, [&] { return to.fetch("codes"); });
}

}  // namespace

CudaStatus fp8_encode(std::span<const float> in, std::span<std::uint8_t> out, Fp8Mode mode) {
  return encode<FromF32>(in, out, mode);
}
CudaStatus fp8_encode_f16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out,
                          Fp8Mode mode) {
  return encode<FromF16>(in, out, mode);
}
CudaStatus fp8_encode_bf16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out,
                           Fp8Mode mode) {
  return encode<FromBf16>(in, out, mode);
}

CudaStatus fp8_encode_range(std::uint32_t first, std::span<std::uint8_t> out, Fp8Mode mode) {
  Staged<std::uint8_t> to;
  return first_failure(
      [&] { return to.output(out); },
      [&] { return launch_encode(FromCounter{first}, to.data(), out.size(), mode); },
      [&] { return to.fetch("codes"); });
}

CudaStatus fp8_decode(std::span<const std::uint8_t> in, std::span<float> out, Fp8Format format) {
  if (in.size() != out.size()) return {CudaError::failed, false, "fp8_decode: sizes differ"};
  Staged<std::uint8_t> from;
  Staged<float> to;
  const auto launch = [&]() -> CudaStatus {
    const std::size_t n = in.size();
    if (n == 0) return {};
    const bool in_vectors = aligned16(from.data()) && aligned16(to.data());
    const unsigned blocks = blocks_for(n, kThreads * 4);
    if (format == Fp8Format::e4m3) {
      decode_kernel<Fp8Format::e4m3><<<blocks, kThreads>>>(from.data(), to.data(), n, in_vectors);
    } else {
      decode_kernel<Fp8Format::e5m2><<<blocks, kThreads>>>(from.data(), to.data(), n, in_vectors);
    }
    return finished("fp8_decode");
  };
  return first_failure([&] { return from.input(in); }, [&] { return to.output(out); }, launch,
                       [&] { return from.check("codes"); }, [&] { return to.fetch("values"); });
}

}  // namespace refute::kernels::cuda
