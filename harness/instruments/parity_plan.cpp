// What of a request can run here.

#include <cmath>

#include <fmt/format.h>

#include "harness/instruments/parity.hpp"

namespace refute::instruments {
namespace {

using kernels::AttentionShape;
using kernels::AttentionStatus;

std::string shape_text(const AttentionShape& s) {
  return fmt::format("batch {}, heads {}, kv-heads {}, seq-q {}, seq-kv {}, head-dim {}", s.batch,
                     s.heads_q, s.heads_kv, s.seq_q, s.seq_kv, s.head_dim);
}

ParityError refusal(AttentionStatus status, const kernels::AttentionCall& call) {
  const AttentionShape& s = call.shape;
  const std::string code = kernels::to_string(status);
  switch (status) {
    case AttentionStatus::zero_size:
      return {ExitCode::usage, code, "every size has to be at least 1: " + shape_text(s)};
    case AttentionStatus::heads_not_divisible:
      return {ExitCode::usage, code,
              fmt::format("{} kv-heads cannot be shared evenly by {} heads: kv-heads has to divide "
                          "heads",
                          s.heads_kv, s.heads_q)};
    case AttentionStatus::size_overflow:
      return {ExitCode::usage, code,
              "a tensor of this shape has more bytes than can be addressed: " + shape_text(s)};
    case AttentionStatus::scale_not_finite:
      return {ExitCode::usage, code,
              fmt::format("a scale of {} gives no scores; it has to be finite", call.scale)};
    case AttentionStatus::unsupported_head_dim:
      return {ExitCode::findings, code,
              fmt::format("unsupported-head-dim: flash2 is built for head_dim 64 and 128, not {}; "
                          "naive takes any",
                          s.head_dim)};
    case AttentionStatus::ok:
    case AttentionStatus::size_mismatch:
      break;
  }
  return {ExitCode::internal, code, "unexpected status of a kernel's check"};
}

AttentionStatus check(AttentionKernel kernel, const kernels::AttentionCall& call) {
  // Products that overflow are found by the check itself, before it compares lengths.
  const AttentionShape& s = call.shape;
  const std::size_t q = s.batch * s.heads_q * s.seq_q * s.head_dim;
  const std::size_t kv = s.batch * s.heads_kv * s.seq_kv * s.head_dim;
  return kernel == AttentionKernel::flash2 ? kernels::flash2_check(call, q, kv, kv, q)
                                           : kernels::naive_check(call, q, kv, kv, q);
}

/// Bytes at the peak, as a double because the product may not fit an integer: per output element
/// the outputs, the exact result with its bound and what that is made from (seven f64), and per
/// input element the f32 value and its stored form; the oracle holds one head's keys and values in
/// f64, and for each thread sixteen rows of scores and weights.
double bytes_needed(const AttentionShape& s, unsigned threads) {
  const double queries =
      static_cast<double>(s.batch * s.heads_q * s.seq_q) * static_cast<double>(s.head_dim);
  const double keys =
      static_cast<double>(s.batch * s.heads_kv * s.seq_kv) * static_cast<double>(s.head_dim);
  const double head = static_cast<double>(s.seq_kv) * (2 * static_cast<double>(s.head_dim) + 4);
  const double rows = static_cast<double>(s.seq_kv) * 2 * 16 * threads;
  return queries * 96 + keys * 2 * 12 + (head + rows) * 8;
}

ParityResult<Fallback> device_shortfall(const ParityRequest& request, const CudaPresence& cuda,
                                        std::string& reason) {
  if (request.device != Device::cuda) return Fallback::none;
  const Fallback shortfall = cuda.device ? Fallback::abi : Fallback::no_gpu;
  reason = cuda.device
               ? "parity runs kernels of the CPU alone; `refute run` runs those of the device"
               : "no CUDA device: " + cuda.because;
  if (request.allow_fallback) return shortfall;
  return ParityError{ExitCode::usage, std::string(to_string(shortfall)),
                     fmt::format("--device cuda cannot be met: {}; --allow-fallback runs naive on "
                                 "the CPU instead and says so",
                                 reason)};
}

kernels::AttentionCall call_of(const ParityRequest& request, const AttentionShape& shape) {
  kernels::AttentionCall call;
  call.shape = shape;
  call.mask = request.causal ? kernels::AttentionMask::causal : kernels::AttentionMask::full;
  call.scale = request.scale.value_or(1.0f / std::sqrt(static_cast<float>(shape.head_dim)));
  call.threads = request.threads;
  return call;
}

std::optional<ParityError> too_large(const ParityRequest& request, const AttentionShape& shape) {
  const double bytes = bytes_needed(shape, request.threads);
  if (bytes <= static_cast<double>(request.memory_bytes)) return std::nullopt;
  return ParityError{ExitCode::usage, "too-large",
                     fmt::format("this shape needs about {:.0f} MiB, above the limit of {} MiB "
                                 "(--memory-mib): {}",
                                 bytes / (1 << 20), request.memory_bytes >> 20, shape_text(shape))};
}

ParityResult<ParityPlan> plan_known_shape(const ParityRequest& request, const AttentionShape& shape,
                                          metrics::Format storage, const CudaPresence& cuda) {
  ParityPlan plan;
  plan.request = request;
  plan.storage = storage;
  plan.subject = request.subject.value_or(CpuSubject::cpu_simd);
  plan.call = call_of(request, shape);
  if (const auto s = check(AttentionKernel::naive, plan.call); s != AttentionStatus::ok) {
    return refusal(s, plan.call);
  }
  if (request.device == Device::cuda && request.subject) {
    return ParityError{ExitCode::usage, "subject-and-device",
                       fmt::format("--subject {} runs on the CPU, --device cuda does not",
                                   to_string(*request.subject))};
  }
  const auto shortfall = device_shortfall(request, cuda, plan.fallback_reason);
  if (!shortfall) return shortfall.error();
  if (auto error = too_large(request, shape)) return *error;
  // What flash2 refuses is refused, whatever would run in its place: never a silent slow path.
  for (const AttentionKernel kernel : {request.kernel, request.reference}) {
    if (const auto s = check(kernel, plan.call); s != AttentionStatus::ok) {
      return refusal(s, plan.call);
    }
  }
  plan.fallback = *shortfall;
  plan.kernel = plan.fallback == Fallback::none ? request.kernel : AttentionKernel::naive;
  return plan;
}

}  // namespace

ParityResult<ParityPlan> plan_parity(const ParityRequest& request, const AttentionShape& shape,
                                     metrics::Format storage, const CudaPresence& cuda) {
  auto plan = plan_known_shape(request, shape, storage, cuda);
  if (plan) return plan;
  ParityError error = plan.take_error();
  error.shape = shape;
  return error;
}

}  // namespace refute::instruments
