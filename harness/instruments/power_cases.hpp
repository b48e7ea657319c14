#pragma once

// What `refute power` runs: frozen shapes and inputs, so that the same table comes out wherever and
// whenever it is asked for.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "fixtures/mutants/attention_mutants.hpp"
#include "harness/instruments/attention_run.hpp"
#include "harness/metrics/acceptance_bound.hpp"
#include "harness/metrics/acceptance_rules.hpp"

namespace refute::instruments {

/// The shapes of an op: lengths at the edges of a tile of 64 (1, 63, 64, 65, 127, 128, 129), a
/// decode step over 4000 keys, grouped heads, sequences of unequal length, and queries that see
/// nothing; bf16 throughout, f16 and f32 on some.
std::span<const mutants::KernelShape> power_shapes(mutants::KernelOp op);

/// "bf16 2x4/2x65x65x64 causal" and the like.
std::string shape_name(const mutants::KernelShape& shape);

/// About N(0, 1) (the sum of twelve uniform numbers: portable to the bit), rounded to the storage.
mutants::KernelInputs power_inputs(const mutants::KernelShape& shape, std::uint64_t seed);

/// What a kernel's output on these inputs is judged by: for kernels that keep their intermediates
/// in f32, or with `rounds_probabilities` for those that declare to round P to storage before PV.
metrics::Criterion criterion(const mutants::KernelShape& shape, const mutants::KernelInputs& inputs,
                             bool rounds_probabilities = false,
                             const metrics::BoundParameters& parameters = {});

/// The kernels under kernels/, as what the power instrument runs.
struct SubjectKernel {
  std::string_view name;
  AttentionKernel kernel;
  CpuSubject subject;
  bool rounds_probabilities;
};
std::vector<float> run_subject(const SubjectKernel& subject, const mutants::KernelShape& shape,
                               const mutants::KernelInputs& inputs);
std::span<const SubjectKernel> attention_subjects();

}  // namespace refute::instruments
