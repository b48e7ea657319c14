#pragma once

// The attention kernels under kernels/ by name, and what a correct output of theirs may be. Tensors
// are passed as f32 values that their storage format holds exactly.

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "harness/metrics/acceptance_rules.hpp"
#include "kernels/attention.hpp"

namespace refute::instruments {

enum class AttentionKernel : std::uint8_t { naive, flash2 };
inline constexpr std::array<std::string_view, 2> kAttentionKernelNames = {"naive", "flash2"};
constexpr std::string_view to_string(AttentionKernel k) {
  return kAttentionKernelNames[static_cast<std::size_t>(k)];
}

enum class CpuSubject : std::uint8_t { cpu_scalar, cpu_simd };
inline constexpr std::array<std::string_view, 2> kCpuSubjectNames = {"cpu_scalar", "cpu_simd"};
constexpr std::string_view to_string(CpuSubject s) {
  return kCpuSubjectNames[static_cast<std::size_t>(s)];
}

struct AttentionTensors {
  std::span<const float> q, k, v;
};

/// x as the storage format would hold it.
float stored_as(metrics::Format storage, float x);

/// Fills `out`, which is as long as q; on any status but ok it is left alone.
kernels::AttentionStatus run_attention(AttentionKernel kernel, CpuSubject subject,
                                       metrics::Format storage, const kernels::AttentionCall& call,
                                       const AttentionTensors& in, std::vector<float>& out);

using HeadProgress = std::function<void(std::size_t done, std::size_t total)>;

/// Format, rows, cols, the exact reference, and how far a kernel of the call's declared precision
/// may be from it; baseline and plain are left to the caller. `progress` is told how many of the
/// key heads are done.
metrics::CriterionData attention_reference(const kernels::AttentionCall& call,
                                           metrics::Format storage, const AttentionTensors& in,
                                           const metrics::BoundParameters& parameters,
                                           const HeadProgress& progress = {});

}  // namespace refute::instruments
