// Cases per second of a property over tensors of 1,000 elements, with a real kernel and a real
// comparison in it: the speed that tells whether shrinking over shape and seed is worth its name.

#include <chrono>
#include <ctime>
#include <vector>

#include <fmt/format.h>

#include "harness/worker/guarded_buffer.hpp"
#include "harness/worker/property.hpp"
#include "kernels/fp8.hpp"

namespace {

using namespace refute;
using namespace refute::worker;

double cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// One core's cases per second, by processor time, so that other programs on the machine count
/// less.
double cases_per_second(Family family, std::uint64_t cases) {
  Job job;
  job.seed = {42};
  Context context(job);
  CaseSpace space;
  space.families = {family};
  space.min_cols = space.max_cols = 1000;
  GuardedOutput<std::uint8_t> codes("codes", 1000);
  std::vector<float> back(1000);
  std::vector<double> want(1000), bound(1000);
  const auto check = [&](const TensorCase&, std::span<const float> w) -> CaseResult {
    codes.reset(w.size());
    kernels::cpu_simd::fp8_encode(w, codes.span(), {});
    kernels::cpu_simd::fp8_decode(codes.span(), back, kernels::Fp8Format::e4m3);
    if (codes.violation()) return CaseFailed{"guard", {}, {}};
    for (std::size_t i = 0; i < w.size(); ++i) {
      want[i] = w[i];
      bound[i] = 0.0625 * std::fabs(w[i]) + 0x1p-10;
    }
    if (context.compare().within(back, want, bound)) return CasePassed{};
    return failed(context.compare());
  };
  const double start = cpu_seconds();
  const Verdict verdict = check_property(context, cases, space, check);
  const double seconds = cpu_seconds() - start;
  if (!std::holds_alternative<Survived>(verdict))
    fmt::print(stderr, "the benched property does not hold\n");
  return static_cast<double>(cases) / seconds;
}

}  // namespace

int main() {
  using enum Family;
  for (Family family : {zeros, uniform, normal, laplace, near_ties_e4m3}) {
    fmt::print("property_cases_per_s.{:16} {:10.0f}\n", to_string(family),
               cases_per_second(family, 100'000));
  }
}
