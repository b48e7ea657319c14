#pragma once

// Attention implementations under test, as the falsifiers of CRUX-L-02 see them.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fixtures/mutants/attention_mutants.hpp"
#include "harness/worker/context.hpp"
#include "kernels/attention.hpp"

namespace refute::falsifiers {

enum class AttentionKernel : std::uint8_t { naive, flash2 };
std::string_view to_string(AttentionKernel kernel);

/// Which of a subject's kernels is run, and how.
struct AttentionVariant {
  AttentionKernel kernel = AttentionKernel::flash2;
  bool rounds_probabilities = false;  ///< to the storage type before they meet V
  unsigned threads = 1;
  /// Its sums may truncate, as those of matrix units do: what is right may be further off then.
  bool truncates_sums = false;

  bool operator==(const AttentionVariant&) const = default;
};

/// What came of one run. `trouble` says in words what was broken besides the numbers: a refusal of
/// a sound shape, a write outside the output, an input that changed.
struct AttentionAnswer {
  std::vector<float> out;
  std::string trouble;
};

class AttentionSubject {
 public:
  virtual ~AttentionSubject() = default;
  /// Inputs hold values of the shape's storage type.
  virtual AttentionAnswer run(const mutants::KernelShape& shape,
                              const mutants::KernelInputs& inputs,
                              const AttentionVariant& variant) = 0;
  /// False where there is nothing of that kind to run: a mutant is one kernel and has no variants.
  virtual bool has(const AttentionVariant& variant) const = 0;
};

/// The implementation that the context names: a subject, or the mutant that stands in for it.
/// Throws JobError for a name that nobody has, and what subjects/cuda/device_gate.hpp says where
/// the device is named and is not there.
std::unique_ptr<AttentionSubject> attention_subject_of(worker::Context& context);

/// A backend of ours by its name, "cpu_scalar" or "cpu_simd"; null for another.
std::unique_ptr<AttentionSubject> attention_backend(std::string_view name);

}  // namespace refute::falsifiers
