#pragma once

// Attention parity: one kernel beside another on the same inputs, and beside the exact result. It
// measures and does not assert: whoever has a claim reads the record. Three steps, so that a kernel
// that runs elsewhere (on a device, in another process) fits in between: plan what can run here,
// run it, judge what came back.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/instruments/attention_run.hpp"
#include "harness/metrics/acceptance_rules.hpp"
#include "harness/metrics/error.hpp"
#include "harness/model/exit_code.hpp"
#include "harness/model/ids.hpp"
#include "harness/model/result.hpp"
#include "harness/model/value.hpp"

namespace refute::instruments {

/// Keys per tile of flash2, in whose coordinates a place is told.
inline constexpr std::size_t kParityTile = 64;

enum class Device : std::uint8_t { automatic, cpu, cuda };
inline constexpr std::array<std::string_view, 3> kDeviceNames = {"auto", "cpu", "cuda"};
constexpr std::string_view to_string(Device d) {
  return kDeviceNames[static_cast<std::size_t>(d)];
}

struct ParityRequest {
  AttentionKernel kernel = AttentionKernel::flash2;
  AttentionKernel reference = AttentionKernel::naive;  ///< always runs on cpu_scalar
  Device device = Device::automatic;
  std::optional<CpuSubject> subject;  ///< cpu_simd without it
  bool allow_fallback = false;        ///< run naive where the device is not there
  bool causal = false;
  std::optional<float> scale;  ///< 1/√head_dim without it
  bool allow_non_finite = false;
  std::uint64_t memory_bytes = std::uint64_t{4} << 30;  ///< what the measurement may take
  unsigned threads = 1;                                 ///< no figure depends on it
};

/// Nothing was measured, and why. `code` is one word for machines ("unsupported-head-dim").
struct ParityError {
  ExitCode exit = ExitCode::usage;
  std::string code;
  std::string message;
  std::optional<kernels::AttentionShape> shape =
      std::nullopt;  ///< that was asked for, once it is known
};
template <class T>
using ParityResult = Result<T, ParityError>;

/// Q, K, V as values that the storage format holds exactly, and where they come from.
struct ParityInputs {
  kernels::AttentionShape shape;
  metrics::Format storage = metrics::Format::f32;
  std::vector<float> q, k, v;
  std::optional<std::vector<float>> expected;  ///< `out` of a fixture
  std::optional<std::uint64_t> seed;           ///< of generated ones
  std::string fixture;                         ///< the file's path as it was given
  Digest fixture_digest;
};

/// About N(0, 1), drawn for Q, then K, then V (harness/instruments/normal_inputs.hpp).
ParityInputs generated_inputs(const kernels::AttentionShape& shape, metrics::Format storage,
                              std::uint64_t seed);

/// A safetensors or GGUF file with `q` [B, H, S_q, D], `k` and `v` [B, H_kv, S_kv, D] of one dtype,
/// F32, F16 or BF16, and optionally `out`, shaped and typed like q. A NaN or infinity in q, k or v
/// is an error unless it is allowed.
ParityResult<ParityInputs> read_fixture(const std::string& path, const ParityRequest& request);

/// What is known of a GPU without touching one.
struct CudaPresence {
  bool device = false;
  std::string because;  ///< why there is none: "CUDA_VISIBLE_DEVICES is empty"
};

/// Why something else ran than what was asked for.
enum class Fallback : std::uint8_t {
  none,
  no_gpu,
  abi,   ///< there is a device, but nothing here that parity could run on one
  arch,  ///< there is a device, but no kernel for its architecture
};
inline constexpr std::array<std::string_view, 4> kFallbackNames = {"", "no-gpu", "abi", "arch"};
constexpr std::string_view to_string(Fallback f) {
  return kFallbackNames[static_cast<std::size_t>(f)];
}

/// What will run.
struct ParityPlan {
  ParityRequest request;
  AttentionKernel kernel = AttentionKernel::naive;
  CpuSubject subject = CpuSubject::cpu_simd;
  Fallback fallback = Fallback::none;
  std::string fallback_reason;  ///< a sentence; empty without a fallback
  kernels::AttentionCall call;
  metrics::Format storage = metrics::Format::f32;

  /// Both sides are the same code, so that their agreement says nothing.
  bool same_code() const {
    return kernel == request.reference && subject == CpuSubject::cpu_scalar;
  }
};

/// Decides before any input is made: sizes that make no sense or need too much memory, a device
/// that is not there, a head_dim that flash2 refuses.
ParityResult<ParityPlan> plan_parity(const ParityRequest& request,
                                     const kernels::AttentionShape& shape, metrics::Format storage,
                                     const CudaPresence& cuda);

/// The outputs of both sides, each as long as q.
struct ParityOutputs {
  std::vector<float> kernel, reference;
};

/// Told what is being done, and where that is known which share of it is: "exact result in f64",
/// 0.5.
using ParityProgress = std::function<void(std::string_view what, std::optional<double> share)>;

ParityOutputs run_parity(const ParityPlan& plan, const ParityInputs& inputs,
                         const ParityProgress& progress = {});

/// Where an element of the output stands.
struct ParityPlace {
  std::size_t batch = 0, head = 0, row = 0, column = 0;
  bool operator==(const ParityPlace&) const = default;
};

/// The row whose worst element took the largest share of what the derived bound (rule C3) allows.
struct WorstRow {
  ParityPlace place;
  double ratio = 0;
  double got = 0, exact = 0;
  /// The tile of keys whose part in the row the row's error resembles most, and the share of the
  /// error (0 to 1, of its square) that a wrong weight of that tile explains. Near 1 a fault is in
  /// that tile; rounding is spread over all. Absent where the row sees no key or has no error.
  std::optional<std::size_t> key_tile;
  double key_tile_share = 0;
};

/// The contract's rule against the exact result.
struct Calibrated {
  metrics::Judgement verdict, c3, c1, c9;
  std::string declined;  ///< why nothing can be told; empty otherwise
  std::optional<WorstRow> worst_row;
};

/// Where a judgement was decided: an element for C3, a row (column 0) for C1; the signs that C9
/// counts have no place.
std::optional<ParityPlace> deciding_place(const kernels::AttentionShape& shape,
                                          const metrics::Judgement& judgement);

/// A fixture's own `out`: how far the kernel is from it, and whether it is itself acceptable, so
/// that a stale fixture is not taken for a wrong kernel.
struct ExpectedOutput {
  metrics::ErrorReport difference;
  metrics::Judgement verdict;
  double got = 0, exact = 0;  ///< where the verdict was decided, if that is an element
  std::optional<std::size_t> first_non_finite;
};

/// In which regime the figures were taken, as far as it decides what they are worth.
struct Regime {
  std::size_t key_tiles = 0;  ///< one proves nothing about an online softmax
  double reference_rms = 0;   ///< of the exact output
  /// How far two correct kernels may be apart in one element. An absolute gate has power only
  /// between this (below it refuses correct ones) and a tenth of the rms (above it passes about
  /// anything).
  double correct_spread = 0;
  bool gate_has_power() const { return correct_spread <= reference_rms / 10; }
};

struct ParityReport {
  ParityPlan plan;
  ParityInputs inputs;              ///< without the tensors
  metrics::ErrorReport difference;  ///< of the kernel from the reference
  std::optional<ExpectedOutput> expected;
  Calibrated calibrated;
  Regime regime;
};
ParityReport judge_parity(const ParityPlan& plan, const ParityInputs& inputs,
                          const ParityOutputs& outputs,
                          const metrics::ContractParameters& parameters,
                          const ParityProgress& progress = {});

/// publisher:kernel@id of flash2 as built here; harness/tools/kernel_source.py says of what.
std::string_view flash2_source();

/// The fixture brings an output of its own, and the calibrated rule refuses it: a finding, whatever
/// is said of the kernel that ran here.
bool expected_refused(const ParityReport& report);

Value parity_value(const ParityReport& report);
std::string render_parity(const ParityReport& report);
/// The record of a request that was refused: `error` is the code. Without a request, the command
/// line was not understood.
Value parity_error_value(const ParityError& error, const std::optional<ParityRequest>& request);

}  // namespace refute::instruments
