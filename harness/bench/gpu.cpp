// The device's kernels as ratios, measured in one run on one device: what moves bytes against a
// device-to-device copy, flash2 as arithmetic a second, the sweep as seconds. The inputs of each
// call are others than those of the call before, and larger than the cache together.

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include "harness/bench/benches.hpp"
#include "kernels/cuda/attention_cuda.hpp"
#include "kernels/cuda/device.hpp"
#include "kernels/cuda/device_buffer.hpp"
#include "kernels/cuda/fp8_cuda.hpp"
#include "kernels/cuda/nf4_cuda.hpp"

namespace refute::bench {
namespace {

using namespace kernels;
using cuda::CudaStatus;
using cuda::DeviceBuffer;

constexpr int kWarmUp = 3, kRepeats = 21;
constexpr std::size_t kSets = 3;                                             ///< inputs in turn
constexpr std::size_t kRows = 4096, kCols = 16384, kValues = kRows * kCols;  ///< 256 MiB of f32

void demand(const CudaStatus& status) {
  if (!status.ok()) throw std::runtime_error(status.message);
}

double seconds(const std::function<CudaStatus(int)>& body) {
  const auto answer = cuda::device_seconds(kWarmUp, kRepeats, body);
  demand(answer.cuda);
  return answer.value;
}

/// About N(0, 1): a table of normal values, read from another place for each set.
std::vector<float> normal_values(std::size_t count, std::uint32_t seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> table(1u << 16), values(count);
  for (float& x : table) x = normal(engine);
  std::uint32_t at = seed;
  for (float& x : values) x = table[(at = at * 1664525u + 1013904223u) >> 16];
  return values;
}

using Sets = std::array<DeviceBuffer, kSets>;

template <class T>
void fill(Sets& sets, std::size_t count, T (*convert)(float)) {
  for (std::size_t i = 0; i < kSets; ++i) {
    const auto values = normal_values(count, static_cast<std::uint32_t>(i + 1));
    std::vector<T> converted(count);
    for (std::size_t j = 0; j < count; ++j) converted[j] = convert(values[j]);
    demand(sets[i].upload(std::as_bytes(std::span(converted))));
  }
}

const DeviceBuffer& in_turn(const Sets& sets, int call) {
  return sets[static_cast<std::size_t>(call) % kSets];
}

/// Bytes a second of a copy, counting each byte read and each written once.
double copy_bandwidth(const Sets& sets) {
  DeviceBuffer to;
  demand(to.take(kValues * sizeof(float)));
  return 2.0 * kValues * sizeof(float) /
         seconds([&](int call) { return to.copy_from(in_turn(sets, call)); });
}

Figure moved(const char* what, double bytes, double time, double copy) {
  return {.what = what,
          .result = fmt::format("{}, {:.0f} GB/s", show_seconds(time), bytes / time / 1e9),
          .ratio = bytes / time / copy,
          .against = "a copy's bandwidth",
          .goal = 0.85,
          .at_least = true};
}

/// Bytes: each input read once, each output written once. A second reading, for the absmax, is the
/// kernel's own affair.
void fp8_figures(std::vector<Figure>& out, const Sets& values, double copy) {
  DeviceBuffer codes, scales, back;
  const Fp8Layout layout{kRows, kCols, Fp8Granularity::channel};
  demand(codes.take(kValues));
  demand(scales.take(kRows * sizeof(float)));
  demand(back.take(kValues * sizeof(float)));
  const double quantize = seconds([&](int call) {
    return cuda::fp8_quantize(in_turn(values, call).as<const float>(), layout, {},
                              codes.as<std::uint8_t>(), scales.as<float>())
        .cuda;
  });
  const double dequantize = seconds([&](int) {
    return cuda::fp8_dequantize(codes.as<const std::uint8_t>(), scales.as<const float>(), layout,
                                Fp8Format::e4m3, back.as<float>())
        .cuda;
  });
  out.push_back(moved("FP8 quantise, per channel", 5.0 * kValues, quantize, copy));
  out.push_back(moved("FP8 dequantise, per channel", 5.0 * kValues, dequantize, copy));
}

void nf4_figures(std::vector<Figure>& out, double copy) {
  DeviceBuffer packed, back;
  std::vector<std::byte> bytes(nf4_packed_size(kRows, kCols));
  std::mt19937 engine(5);
  for (std::byte& b : bytes) b = static_cast<std::byte>(engine());
  for (std::size_t at = 0; at < bytes.size(); at += kNf4BlockBytes)
    bytes[at + 3] = std::byte{0x3F};  // scales near 1
  demand(packed.upload(bytes));
  demand(back.take(kValues * sizeof(float)));
  const double time = seconds([&](int) {
    return cuda::nf4_dequantize_packed(packed.as<const std::uint8_t>(), kRows, kCols,
                                       Nf4Layout::first_high, back.as<float>())
        .cuda;
  });
  out.push_back(
      moved("NF4 dequantise", static_cast<double>(bytes.size()) + 4.0 * kValues, time, copy));
}

/// Encoding all f32 and comparing with the instruction, without leaving the device.
void sweep_figures(std::vector<Figure>& out) {
  constexpr std::size_t kChunk = std::size_t{1} << 30;
  DeviceBuffer codes;
  demand(codes.take(kChunk));
  const auto sweep = [&](int) {
    for (std::uint64_t at = 0; at < std::uint64_t{1} << 32; at += kChunk) {
      const auto first = static_cast<std::uint32_t>(at);
      const auto status = cuda::fp8_encode_range(first, codes.as<std::uint8_t>(), {});
      if (!status.ok()) return status;
      const auto found = cuda::fp8_differs_from_instruction(first, codes.as<const std::uint8_t>(),
                                                            Fp8Format::e4m3, false);
      if (!found.cuda.ok()) return found.cuda;
      if (found.value) throw std::runtime_error("the encoder differs from the instruction");
    }
    return CudaStatus{};
  };
  const double time = seconds(sweep);
  out.push_back({.what = "all 2^32 f32 to E4M3, each compared with the instruction",
                 .result = show_seconds(time),
                 .ratio = time,
                 .against = "one second",
                 .goal = 1.0});
}

void flash2_figure(std::vector<Figure>& out, std::size_t seq, std::size_t dim, AttentionMask mask) {
  constexpr std::size_t kTokens = 16384, kWidth = 2048;
  AttentionCall call;
  call.shape = {kTokens / seq, kWidth / dim, kWidth / dim, seq, seq, dim};
  call.mask = mask;
  call.scale = 1.0f / std::sqrt(static_cast<float>(dim));
  call.probabilities = AttentionProbabilities::round_to_storage;
  Sets q, k, v;
  DeviceBuffer to;
  for (Sets* sets : {&q, &k, &v}) fill<Bf16>(*sets, kTokens * kWidth, from_float<Bf16>);
  demand(to.take(kTokens * kWidth * sizeof(Bf16)));
  const double time = seconds([&](int i) {
    return cuda::attention_flash2(call, in_turn(q, i).as<const Bf16>(),
                                  in_turn(k, i).as<const Bf16>(), in_turn(v, i).as<const Bf16>(),
                                  to.as<Bf16>())
        .cuda;
  });
  const bool causal = mask == AttentionMask::causal;
  const double operations =
      4.0 * kTokens * static_cast<double>(seq) * kWidth * (causal ? 0.5 : 1.0);
  out.push_back(
      {.what = fmt::format("flash2 bf16, S {}, D {}, {}", seq, dim, causal ? "causal" : "full"),
       .result = fmt::format("{}, {:.0f} TFLOP/s", show_seconds(time), operations / time / 1e12)});
}

}  // namespace

std::vector<Figure> gpu() {
  const auto device = cuda::query_device(std::nullopt);
  demand(device.cuda);
  std::vector<Figure> out;
  Sets values;
  fill<float>(values, kValues, [](float x) { return x; });
  const double copy = copy_bandwidth(values);
  out.push_back({.what = fmt::format("copy on {}", device.value.name),
                 .result = fmt::format("{:.0f} GB/s", copy / 1e9)});
  fp8_figures(out, values, copy);
  nf4_figures(out, copy);
  if (device.value.sm >= 89) sweep_figures(out);
  for (const std::size_t dim : {64, 128}) {
    for (const AttentionMask mask : {AttentionMask::full, AttentionMask::causal}) {
      for (const std::size_t seq : {512, 2048, 16384}) flash2_figure(out, seq, dim, mask);
    }
  }
  return out;
}

}  // namespace refute::bench
