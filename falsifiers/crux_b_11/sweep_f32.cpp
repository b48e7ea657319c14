// The codec over all 2^32 f32 values.

#include <algorithm>
#include <bit>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "falsifiers/crux_b_11/checks.hpp"
#include "falsifiers/crux_b_11/support.hpp"
#include "falsifiers/subjects/fp8_subjects.hpp"
#include "fixtures/oracles/fp8_oracle.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/metrics/run_compare.hpp"
#include "harness/worker/domains.hpp"
#include "harness/worker/guarded_buffer.hpp"
#include "harness/worker/sweep.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using oracles::Fp8Run;
using worker::ChunkCheck;
using worker::Context;

constexpr std::uint64_t kPatterns = std::uint64_t{1} << 32;

std::vector<Fp8Run> runs_of(Fp8Mode mode) {
  return oracles::fp8_encode_runs(
      mode.format == Fp8Format::e4m3 ? oracles::Fp8::e4m3 : oracles::Fp8::e5m2,
      mode.rounding == Fp8Rounding::ties_even ? oracles::Ties::even : oracles::Ties::lower,
      mode.overflow == Fp8Overflow::satfinite ? oracles::Overflow::satfinite
                                              : oracles::Overflow::nonsat);
}

/// The first pattern whose code is its run's: what a negated comparison takes for wrong. It seldom
/// looks far.
std::optional<std::size_t> first_match(std::span<const std::uint8_t> got, std::uint64_t first,
                                       const std::vector<Fp8Run>& runs) {
  for (std::size_t i = 0; i < got.size(); ++i) {
    const auto run = std::ranges::lower_bound(
        runs, first + i, {}, [](const Fp8Run& r) { return std::uint64_t{r.last}; });
    if (got[i] == run->code) return i;
  }
  return std::nullopt;
}

/// Where codes change.
std::vector<std::uint64_t> landmarks_of(const std::vector<Fp8Run>& runs) {
  std::vector<std::uint64_t> all;
  for (const Fp8Run& run : runs) all.push_back(run.first);
  return all;
}

/// Thrown out of a sweep: whichever chunk it was in, there is nothing more to find.
struct GuardBroken {
  worker::GuardViolation violation;
  std::size_t cases;  ///< in the chunk that broke it
};

/// One thread's part: encodes a chunk into guarded memory and compares it with the runs.
class Checker {
 public:
  Checker(worker::Fp8Subject& subject, Fp8Mode mode, const std::vector<Fp8Run>& runs, bool negated)
      : subject_(subject),
        mode_(mode),
        runs_(runs),
        negated_(negated),
        got_("codes", subject.sweep_chunk()) {
    in_.reserve(subject.sweep_chunk());
  }

  std::optional<std::uint64_t> operator()(std::uint64_t first, std::size_t count) {
    in_.resize(count);
    worker::fill_patterns(static_cast<std::uint32_t>(first), in_);
    if (got_.span().size() != count) got_.reset(count);
    subject_.encode_range(static_cast<std::uint32_t>(first), in_, got_.span(), mode_);
    if (const auto v = got_.violation()) throw GuardBroken{*v, count};
    const auto pattern = static_cast<std::uint32_t>(first);
    const auto index =
        negated_ ? first_match(got_.span(), first, runs_)
                 : metrics::first_mismatch_against_runs<Fp8Run>(got_.span(), pattern, runs_);
    return index ? std::optional(first + *index) : std::nullopt;
  }

 private:
  worker::Fp8Subject& subject_;
  Fp8Mode mode_;
  const std::vector<Fp8Run>& runs_;
  bool negated_;
  std::vector<float> in_;
  worker::GuardedOutput<std::uint8_t> got_;
};

/// The chunk that holds a pattern, so that it is reported and replayed in the company in which it
/// was found.
std::uint64_t chunk_begin(std::uint64_t pattern, const worker::Fp8Subject& subject) {
  return pattern / subject.sweep_chunk() * subject.sweep_chunk();
}

Verdict refutation(worker::Fp8Subject& subject, Fp8Mode mode, std::uint64_t pattern) {
  std::vector<float> in(subject.sweep_chunk());
  const std::uint64_t first = chunk_begin(pattern, subject);
  worker::fill_patterns(static_cast<std::uint32_t>(first), in);
  worker::GuardedOutput<std::uint8_t> codes("codes", in.size());
  subject.encode_range(static_cast<std::uint32_t>(first), in, codes.span(), mode);

  const float x = in[pattern - first];
  const std::string got = worker::hex_bits(codes.span()[pattern - first]);
  const std::string want = worker::hex_bits(oracle_code(std::bit_cast<std::uint32_t>(x), mode));
  Value counterexample = to_value(mode);
  Value element;
  element.set("index", pattern);
  element.set("input", worker::exact(x));
  element.set("got", got);
  element.set("want", want);
  counterexample.set("element", std::move(element));
  return worker::refuted(
      fmt::format("{}: {} encodes as {}, want {}", describe(mode), worker::exact(x), got, want),
      std::move(counterexample));
}

/// One mode with what its codes must be.
struct Task {
  Fp8Mode mode;
  std::vector<Fp8Run> runs;
};

/// All modes in turn: first where codes change, in every mode, then everything.
Verdict sweep_modes(Context& context, worker::Fp8Subject& subject, const std::vector<Task>& tasks) {
  const bool negated = context.compare().negated();
  const auto only = replayed_index(context);
  const std::size_t chunk = subject.sweep_chunk();
  const std::uint64_t begin = only ? chunk_begin(*only, subject) : 0;
  const std::uint64_t end = only ? begin + chunk : kPatterns;
  for (const bool everything : {false, true}) {
    for (const Task& task : tasks) {
      const auto make_checker = [&]() -> ChunkCheck {
        return [checker = std::make_shared<Checker>(subject, task.mode, task.runs, negated)](
                   std::uint64_t first, std::size_t count) { return (*checker)(first, count); };
      };
      const auto result = everything
                              ? worker::sweep(begin, end, context.threads(), make_checker, chunk)
                              : worker::sweep_around(landmarks_of(task.runs), begin, end,
                                                     context.threads(), make_checker, chunk);
      // What survives is counted once, by the sweep of everything.
      const bool counts = everything || result.smallest;
      context.add_cases(counts ? result.checked : 0);
      context.compare().add_equal(counts ? result.checked : 0);
      if (result.smallest) return refutation(subject, task.mode, *result.smallest);
    }
  }
  return worker::survived();
}

/// Every one of the 2^32 codes was seen to equal its run's, so the runs are the result, and quick
/// to hash.
Digest digest_of(const std::vector<Task>& tasks) {
  Sha256 digest;
  for (const Task& task : tasks) {
    for (const Fp8Run& run : task.runs) {
      digest.field(std::uint64_t{run.first})
          .field(std::uint64_t{run.last})
          .field(std::uint64_t{run.code});
    }
  }
  return digest.finish();
}

}  // namespace

Verdict fp8_encode_f32_all(Context& context) {
  context.domain(Domain::exhaustive);
  context.agreement(Agreement::bytewise);
  const auto subject = fp8_subject_of(context);
  std::vector<Task> tasks;
  for (Fp8Mode mode : modes_of(context)) tasks.push_back({mode, runs_of(mode)});
  try {
    Verdict verdict = sweep_modes(context, *subject, tasks);
    if (std::holds_alternative<Survived>(verdict)) context.result(digest_of(tasks));
    return verdict;
  } catch (const GuardBroken& broken) {
    context.add_cases(broken.cases);
    return refuted_by(broken.violation, "encode", Value::Map{});
  }
}

}  // namespace refute::falsifiers
