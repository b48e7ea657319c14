#include "falsifiers/subjects/fp8_subjects.hpp"

#include <string_view>

#include "falsifiers/subjects/cuda/fp8_subject.hpp"
#include "falsifiers/subjects/fp8_external.hpp"
#include "fixtures/mutants/fp8_mutants.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;

// Two classes of the same shape: the kernels' names differ in their namespace only.
#define REFUTE_FP8_SUBJECT(Class, where)                                                          \
  struct Class : worker::Fp8Subject {                                                             \
    void encode(std::span<const float> in, std::span<std::uint8_t> out, Fp8Mode mode) override {  \
      where::fp8_encode(in, out, mode);                                                           \
    }                                                                                             \
    void encode_f16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out,               \
                    Fp8Mode mode) override {                                                      \
      where::fp8_encode_f16(in, out, mode);                                                       \
    }                                                                                             \
    void encode_bf16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out,              \
                     Fp8Mode mode) override {                                                     \
      where::fp8_encode_bf16(in, out, mode);                                                      \
    }                                                                                             \
    void decode(std::span<const std::uint8_t> in, std::span<float> out,                           \
                Fp8Format format) override {                                                      \
      where::fp8_decode(in, out, format);                                                         \
    }                                                                                             \
    Fp8QuantizeResult quantize(std::span<const float> w, Fp8Layout layout, Fp8Mode mode,          \
                               std::span<std::uint8_t> codes, std::span<float> scales) override { \
      return where::fp8_quantize(w, layout, mode, codes, scales);                                 \
    }                                                                                             \
    Fp8QuantizeResult dequantize(std::span<const std::uint8_t> codes,                             \
                                 std::span<const float> scales, Fp8Layout layout,                 \
                                 Fp8Format format, std::span<float> out) override {               \
      return where::fp8_dequantize(codes, scales, layout, format, out);                           \
    }                                                                                             \
  };
REFUTE_FP8_SUBJECT(CpuScalar, cpu_scalar)
REFUTE_FP8_SUBJECT(CpuSimd, cpu_simd)
#undef REFUTE_FP8_SUBJECT

template <class T>
std::unique_ptr<worker::Fp8Subject> make() {
  return std::make_unique<T>();
}

struct SubjectRow {
  std::string_view name;
  std::unique_ptr<worker::Fp8Subject> (*make)();
};
constexpr SubjectRow kSubjects[] = {
    {"cpu_scalar", make<CpuScalar>},
    {"cpu_simd", make<CpuSimd>},
    {"five_mantissa_bits", mutants::make_five_mantissa_bits},
};

std::unique_ptr<worker::Fp8Subject> named(std::string_view name) {
  for (const SubjectRow& row : kSubjects) {
    if (row.name == name) return row.make();
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<worker::Fp8Subject> fp8_subject_of(worker::Context& context) {
  const Job& job = context.job();
  const bool mutant = job.arm == Arm::mutant;
  if (!mutant && job.arm != Arm::control && !job.external_subject.empty()) {
    return make_fp8_external(job.external_subject, job.limits.time_s);
  }
  // The device is looked for only where it is the subject: a mutant stands in for it on the host.
  if (!mutant && job.subject.text == "cuda") return make_fp8_cuda(context);
  auto subject = mutant ? mutants::make_fp8_mutant(job.mutant.text) : named(job.subject.text);
  if (!subject) {
    throw worker::JobError("there is no FP8 implementation called `" +
                           (mutant ? job.mutant.text : job.subject.text) + "`");
  }
  return subject;
}

}  // namespace refute::falsifiers
