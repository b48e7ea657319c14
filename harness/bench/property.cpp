// Cases per second of a property over tensors of 1,000 elements, with a real kernel and a real
// comparison in it, against the same check on tensors that RapidCheck draws element by element.

#include "harness/worker/property.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <functional>
#include <stdexcept>

#include <fmt/format.h>
#include <rapidcheck.h>

#include "harness/bench/benches.hpp"
#include "harness/worker/guarded_buffer.hpp"
#include "kernels/fp8.hpp"

namespace refute::bench {
namespace {

using namespace refute::worker;

constexpr std::size_t kElements = 1000;
constexpr std::uint64_t kCases = 100'000, kElementwiseCases = 500;
constexpr double kGoal = 200'000;  ///< cases a second

double cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// E4M3 there and back is off by at most half a step: 2^-4 of the value, 2^-10 below the normals.
/// Written as a falsifier writes it: poisoned output between guards, bounds in f64.
class RoundTrip {
 public:
  explicit RoundTrip(Context& context) : context_(context) {}

  CaseResult operator()(std::span<const float> w) {
    codes_.reset(w.size());
    kernels::cpu_simd::fp8_encode(w, codes_.span(), {});
    kernels::cpu_simd::fp8_decode(codes_.span(), back_, kernels::Fp8Format::e4m3);
    if (const auto v = codes_.violation()) return CaseFailed{v->message, {}, {}};
    for (std::size_t i = 0; i < kElements; ++i) {
      want_[i] = w[i];
      bound_[i] = 0.0625 * std::fabs(w[i]) + 0x1p-10;
    }
    if (context_.compare().within(back_, want_, bound_)) return CasePassed{};
    return failed(context_.compare());
  }

 private:
  Context& context_;
  GuardedOutput<std::uint8_t> codes_{"codes", kElements};
  std::vector<float> back_ = std::vector<float>(kElements);
  std::vector<double> want_ = std::vector<double>(kElements);
  std::vector<double> bound_ = std::vector<double>(kElements);
};

/// Per second of one core, by processor time, the best of three: what else runs on the machine can
/// only slow this down.
double best_rate(std::uint64_t cases, const std::function<void()>& run_them) {
  double best = 0;
  for (int i = 0; i < 3; ++i) {
    const double start = cpu_seconds();
    run_them();
    best = std::max(best, static_cast<double>(cases) / (cpu_seconds() - start));
  }
  return best;
}

Context context_of_bench() {
  Job job;
  job.seed = {42};
  return Context(job);
}

double cases_per_second(std::vector<Family> families) {
  Context context = context_of_bench();
  RoundTrip round_trip(context);
  CaseSpace space;
  space.families = std::move(families);
  space.min_cols = space.max_cols = kElements;
  return best_rate(kCases, [&] {
    const Verdict verdict =
        check_property(context, kCases, space,
                       [&](const TensorCase&, std::span<const float> w) { return round_trip(w); });
    if (!std::holds_alternative<Survived>(verdict))
      throw std::runtime_error("the benched property does not hold");
  });
}

/// The same check on vectors of U[-1, 1) drawn the way that RapidCheck suggests itself.
double elementwise_cases_per_second() {
  Context context = context_of_bench();
  RoundTrip round_trip(context);
  const auto element = rc::gen::map(rc::gen::inRange(-(1 << 23), 1 << 23),
                                    [](int i) { return static_cast<float>(i) * 0x1p-23f; });
  const auto tensors = rc::gen::container<std::vector<float>>(kElements, element);
  rc::Random random(42);
  return best_rate(kElementwiseCases, [&] {
    for (std::uint64_t i = 0; i < kElementwiseCases; ++i) {
      if (!std::holds_alternative<CasePassed>(round_trip(tensors(random.split(), 100).value())))
        throw std::runtime_error("the benched property does not hold element by element");
    }
  });
}

std::string show(double rate) {
  return fmt::format("{:.0f} cases/s", rate);
}

Figure against_goal(std::string_view families, double rate) {
  return {.what = fmt::format("1,000 elements, {}", families),
          .result = show(rate),
          .ratio = rate / kGoal,
          .against = "the goal of 200,000 a second",
          .goal = 1,
          .at_least = true};
}

}  // namespace

std::vector<Figure> property_cases() {
  using enum Family;
  // The families on which the round trip holds: none reaches beyond E4M3's range.
  const std::vector<Family> families = {ramp,    sparse,     uniform,     normal,
                                        laplace, student_t4, log_uniform, near_ties_e4m3};
  std::vector<Figure> figures;
  for (const Family family : families)
    figures.push_back(against_goal(to_string(family), cases_per_second({family})));
  figures.push_back(against_goal("all of these in turn", cases_per_second(families)));
  const double drawn = cases_per_second({uniform}), elementwise = elementwise_cases_per_second();
  figures.push_back({.what = "uniform, as shape and seed",
                     .result = show(drawn),
                     .ratio = drawn / elementwise,
                     .against = fmt::format("element by element, {}", show(elementwise))});
  return figures;
}

}  // namespace refute::bench
