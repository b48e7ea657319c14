#include "falsifiers/subjects/nf4_subjects.hpp"

#include <string_view>

#include "falsifiers/subjects/cuda/nf4_subject.hpp"
#include "fixtures/mutants/nf4_mutants.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;

#define REFUTE_NF4_SUBJECT(Class, where)                                                          \
  struct Class : worker::Nf4Subject {                                                             \
    Nf4Result quantize(std::span<const float> w, std::size_t rows, std::size_t cols,              \
                       Nf4Decision decision, std::span<std::uint8_t> codes,                       \
                       std::span<float> absmax) override {                                        \
      return where::nf4_quantize(w, rows, cols, decision, codes, absmax);                         \
    }                                                                                             \
    Nf4Result dequantize(std::span<const std::uint8_t> codes, std::span<const float> absmax,      \
                         std::size_t rows, std::size_t cols, std::span<float> out) override {     \
      return where::nf4_dequantize(codes, absmax, rows, cols, out);                               \
    }                                                                                             \
    Nf4Result pack(std::span<const std::uint8_t> codes, std::span<const float> absmax,            \
                   std::size_t rows, std::size_t cols, Nf4Layout layout,                          \
                   std::span<std::uint8_t> packed) override {                                     \
      return where::nf4_pack(codes, absmax, rows, cols, layout, packed);                          \
    }                                                                                             \
    Nf4Result unpack(std::span<const std::uint8_t> packed, std::size_t rows, std::size_t cols,    \
                     Nf4Layout layout, std::span<std::uint8_t> codes,                             \
                     std::span<float> absmax) override {                                          \
      return where::nf4_unpack(packed, rows, cols, layout, codes, absmax);                        \
    }                                                                                             \
    Nf4Result gemm(std::span<const float> a, std::span<const std::uint8_t> packed, std::size_t m, \
                   std::size_t n, std::size_t k, Nf4Layout layout, std::span<float> c) override { \
      return where::nf4_gemm(a, packed, m, n, k, layout, c);                                      \
    }                                                                                             \
  };
REFUTE_NF4_SUBJECT(Nf4Scalar, cpu_scalar)
REFUTE_NF4_SUBJECT(Nf4Simd, cpu_simd)
#undef REFUTE_NF4_SUBJECT

template <class T>
std::unique_ptr<worker::Nf4Subject> make() {
  return std::make_unique<T>();
}

struct SubjectRow {
  std::string_view name;
  std::unique_ptr<worker::Nf4Subject> (*make)();
};
constexpr SubjectRow kSubjects[] = {
    {"cpu_scalar", make<Nf4Scalar>},
    {"cpu_simd", make<Nf4Simd>},
    {"sixty_four_levels", mutants::make_sixty_four_levels},
};

std::unique_ptr<worker::Nf4Subject> named(std::string_view name) {
  for (const SubjectRow& row : kSubjects) {
    if (row.name == name) return row.make();
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<worker::Nf4Subject> nf4_subject_of(worker::Context& context) {
  const Job& job = context.job();
  const bool mutant = job.arm == Arm::mutant;
  if (!mutant && job.arm != Arm::control && !job.external_subject.empty()) {
    return make_nf4_external(job.external_subject, job.limits.time_s);
  }
  // The device is looked for only where it is the subject: a mutant stands in for it on the host.
  if (!mutant && job.subject.text == "cuda") return make_nf4_cuda(context);
  auto subject = mutant ? mutants::make_nf4_mutant(job.mutant.text) : named(job.subject.text);
  if (!subject) {
    throw worker::JobError("there is no NF4 implementation called `" +
                           (mutant ? job.mutant.text : job.subject.text) + "`");
  }
  return subject;
}

}  // namespace refute::falsifiers
