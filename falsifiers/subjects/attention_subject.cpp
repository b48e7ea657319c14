#include "falsifiers/subjects/attention_subject.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "falsifiers/subjects/attention_external.hpp"
#include "falsifiers/subjects/cuda/attention_kernels.hpp"
#include "falsifiers/subjects/cuda/device_gate.hpp"
#include "fixtures/mutants/attention_behaviour_mutants.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/guarded_buffer.hpp"

namespace refute::falsifiers {
namespace {

using kernels::AttentionCall;
using kernels::AttentionStatus;
using mutants::KernelInputs;
using mutants::KernelShape;
using mutants::Storage;

AttentionCall call_of(const KernelShape& s, const AttentionVariant& variant) {
  AttentionCall call;
  call.shape = {s.batch, s.heads_q, s.heads_kv, s.seq_q, s.seq_kv, s.head_dim};
  call.mask = s.causal ? kernels::AttentionMask::causal : kernels::AttentionMask::full;
  call.scale = s.scale();
  call.probabilities = variant.rounds_probabilities
                           ? kernels::AttentionProbabilities::round_to_storage
                           : kernels::AttentionProbabilities::keep_f32;
  call.threads = variant.threads;
  return call;
}

template <class T>
using Body = AttentionStatus (*)(const AttentionCall&, std::span<const T>, std::span<const T>,
                                 std::span<const T>, std::span<T>);

/// One backend's kernels for one storage type.
template <class T>
struct Bodies {
  Body<T> naive, flash2;
};

template <class T>
std::vector<T> encoded(const std::vector<float>& x) {
  std::vector<T> out(x.size());
  std::ranges::transform(x, out.begin(), kernels::from_float<T>);
  return out;
}

template <class T>
AttentionAnswer run_as(const Bodies<T>& bodies, const KernelShape& s, const KernelInputs& in,
                       const AttentionVariant& variant) {
  const std::vector<T> q = encoded<T>(in.a), k = encoded<T>(in.b), v = encoded<T>(in.c);
  const worker::WatchedInput<T> watched_q("Q", q), watched_k("K", k), watched_v("V", v);
  worker::GuardedOutput<T> out("output", q.size());
  // Poison that is NaN in every type, so that an element left out cannot look right.
  std::ranges::fill(out.span(), kernels::from_float<T>(NAN));
  const Body<T> body = variant.kernel == AttentionKernel::naive ? bodies.naive : bodies.flash2;
  const AttentionStatus status = body(call_of(s, variant), q, k, v, out.span());
  AttentionAnswer answer;
  if (status != AttentionStatus::ok) {
    answer.trouble = fmt::format("refused a sound shape: {}", kernels::to_string(status));
  } else if (const auto v2 = worker::first_violation(out, watched_q, watched_k, watched_v)) {
    answer.trouble = v2->message;
  }
  answer.out.resize(q.size());
  std::ranges::transform(out.span(), answer.out.begin(), [](T x) { return kernels::to_float(x); });
  return answer;
}

/// The kernels of one backend.
class CompiledSubject : public AttentionSubject {
 public:
  CompiledSubject(Bodies<float> f32, Bodies<kernels::F16> f16, Bodies<kernels::Bf16> bf16)
      : f32_(f32), f16_(f16), bf16_(bf16) {}

  AttentionAnswer run(const KernelShape& s, const KernelInputs& in,
                      const AttentionVariant& variant) override {
    switch (s.storage) {
      case Storage::f32:
        return run_as(f32_, s, in, variant);
      case Storage::f16:
        return run_as(f16_, s, in, variant);
      case Storage::bf16:
        return run_as(bf16_, s, in, variant);
    }
    return {};
  }
  bool has(const AttentionVariant&) const override { return true; }

 private:
  Bodies<float> f32_;
  Bodies<kernels::F16> f16_;
  Bodies<kernels::Bf16> bf16_;
};

/// The device's kernels. flash2 there takes probabilities only as rounded, to 16 bits.
class CudaSubject : public CompiledSubject {
 public:
  using CompiledSubject::CompiledSubject;
  bool has(const AttentionVariant& v) const override {
    return v.kernel == AttentionKernel::naive || v.rounds_probabilities;
  }
};

#define REFUTE_SUBJECT(Subject, where)                                       \
  std::make_unique<Subject>(                                                 \
      Bodies<float>{where::attention_naive, where::attention_flash2},        \
      Bodies<kernels::F16>{where::attention_naive, where::attention_flash2}, \
      Bodies<kernels::Bf16>{where::attention_naive, where::attention_flash2})

/// A wrong kernel, which takes the place of all of a subject's.
class MutantSubject : public AttentionSubject {
 public:
  explicit MutantSubject(const mutants::KernelMutant& mutant) : mutant_(mutant) {}

  AttentionAnswer run(const KernelShape& s, const KernelInputs& in,
                      const AttentionVariant&) override {
    return {mutant_.run(s, in), ""};
  }
  bool has(const AttentionVariant& variant) const override {
    return variant.kernel == AttentionKernel::flash2 && !variant.rounds_probabilities;
  }

 private:
  const mutants::KernelMutant& mutant_;
};

/// A kernel that is wrong in what it does from call to call.
class BehaviourSubject : public AttentionSubject {
 public:
  explicit BehaviourSubject(const mutants::BehaviourMutant& mutant) : run_(mutant.make()) {}

  AttentionAnswer run(const KernelShape& s, const KernelInputs& in,
                      const AttentionVariant& variant) override {
    return {run_(s, in, variant.threads), ""};
  }
  bool has(const AttentionVariant& variant) const override {
    return variant.kernel == AttentionKernel::flash2 && !variant.rounds_probabilities;
  }

 private:
  mutants::BehaviourKernel run_;
};

std::unique_ptr<AttentionSubject> mutant_named(std::string_view name) {
  const auto all = mutants::attention_mutants();
  const auto at = std::ranges::find(all, name, &mutants::KernelMutant::name);
  if (at != all.end()) return std::make_unique<MutantSubject>(*at);
  const auto others = mutants::behaviour_mutants();
  const auto other = std::ranges::find(others, name, &mutants::BehaviourMutant::name);
  if (other != others.end()) return std::make_unique<BehaviourSubject>(*other);
  return nullptr;
}

}  // namespace

std::string_view to_string(AttentionKernel kernel) {
  return kernel == AttentionKernel::naive ? "naive" : "flash2";
}

std::unique_ptr<AttentionSubject> attention_backend(std::string_view name) {
  if (name == "cpu_scalar") return REFUTE_SUBJECT(CompiledSubject, kernels::cpu_scalar);
  if (name == "cpu_simd") return REFUTE_SUBJECT(CompiledSubject, kernels::cpu_simd);
  return nullptr;
}

std::unique_ptr<AttentionSubject> attention_subject_of(worker::Context& context) {
  const Job& job = context.job();
  if (job.arm != Arm::mutant && !job.external_subject.empty()) {
    return make_attention_external(job.external_subject, job.limits.time_s);
  }
  if (job.arm != Arm::mutant && job.subject.text == "cuda") {
    require_cuda_device(context);
    return REFUTE_SUBJECT(CudaSubject, cuda_attention);
  }
  const std::string& name = job.arm == Arm::mutant ? job.mutant.text : job.subject.text;
  auto subject = job.arm == Arm::mutant ? mutant_named(name) : attention_backend(name);
  if (!subject) throw worker::JobError("there is no attention called `" + name + "`");
  return subject;
}

}  // namespace refute::falsifiers
