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
      mode.overflow == Fp8Overflow::satfinite ? oracles::Overflow::satfinite : oracles::Overflow::nonsat);
}

bool all_equal(const std::uint8_t* p, std::size_t n, std::uint8_t code) {
  std::uint8_t different = 0;
  for (std::size_t i = 0; i < n; ++i) different |= static_cast<std::uint8_t>(p[i] ^ code);
  return different == 0;
}

/// The first pattern of [first, first + got.size()) whose code is not its run's; with `negated`, whose code is.
std::optional<std::uint64_t> first_offender(const std::vector<Fp8Run>& runs, std::uint64_t first,
                                            std::span<const std::uint8_t> got, bool negated) {
  auto run = std::ranges::lower_bound(runs, first, {}, [](const Fp8Run& r) { return std::uint64_t{r.last}; });
  for (std::size_t i = 0; i < got.size(); ++run) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(run->last + std::uint64_t{1} - (first + i), got.size() - i));
    if (negated || !all_equal(got.data() + i, n, run->code)) {
      for (std::size_t k = 0; k < n; ++k) {
        if ((got[i + k] == run->code) == negated) return first + i + k;
      }
    }
    i += n;
  }
  return std::nullopt;
}

/// Thrown out of a sweep: whichever chunk it was in, there is nothing more to find.
struct GuardBroken {
  worker::GuardViolation violation;
};

/// One thread's part: encodes a chunk into guarded memory and compares it with the runs.
class Checker {
 public:
  Checker(worker::Fp8Subject& subject, Fp8Mode mode, const std::vector<Fp8Run>& runs, bool negated)
      : subject_(subject), mode_(mode), runs_(runs), negated_(negated), got_("codes", worker::kSweepChunk) {
    in_.reserve(worker::kSweepChunk);
  }

  std::optional<std::uint64_t> operator()(std::uint64_t first, std::size_t count) {
    in_.resize(count);
    for (std::size_t i = 0; i < count; ++i) in_[i] = std::bit_cast<float>(static_cast<std::uint32_t>(first + i));
    if (got_.span().size() != count) got_.reset(count);
    subject_.encode_range(static_cast<std::uint32_t>(first), in_, got_.span(), mode_);
    if (const auto v = got_.violation()) throw GuardBroken{*v};
    return first_offender(runs_, first, got_.span(), negated_);
  }

 private:
  worker::Fp8Subject& subject_;
  Fp8Mode mode_;
  const std::vector<Fp8Run>& runs_;
  bool negated_;
  std::vector<float> in_;
  worker::GuardedOutput<std::uint8_t> got_;
};

/// The chunk that holds a pattern, so that it is reported and replayed in the company in which it was found.
std::uint64_t chunk_begin(std::uint64_t pattern) { return pattern / worker::kSweepChunk * worker::kSweepChunk; }

Verdict refutation(worker::Fp8Subject& subject, Fp8Mode mode, std::uint64_t pattern) {
  std::vector<float> in(worker::kSweepChunk);
  const std::uint64_t first = chunk_begin(pattern);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = std::bit_cast<float>(static_cast<std::uint32_t>(first + i));
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
  return worker::refuted(fmt::format("{}: {} encodes as {}, want {}", describe(mode), worker::exact(x), got, want),
                         std::move(counterexample));
}

/// All modes in turn; `digest` takes in what was found.
Verdict sweep_modes(Context& context, worker::Fp8Subject& subject, Sha256& digest) {
  const bool negated = context.compare().negated();
  const auto only = replayed_index(context);
  const std::uint64_t begin = only ? chunk_begin(*only) : 0;
  const std::uint64_t end = only ? begin + worker::kSweepChunk : kPatterns;
  for (Fp8Mode mode : modes_of(context)) {
    const std::vector<Fp8Run> runs = runs_of(mode);
    const auto result = worker::sweep(begin, end, context.threads(), [&]() -> ChunkCheck {
      return [checker = std::make_shared<Checker>(subject, mode, runs, negated)](
                 std::uint64_t first, std::size_t count) { return (*checker)(first, count); };
    });
    const std::uint64_t reached = result.smallest ? *result.smallest - begin + 1 : result.checked;
    context.add_cases(reached);
    context.compare().add_equal(reached);
    if (result.smallest) return refutation(subject, mode, *result.smallest);
    // Every one of the 2^32 codes was just seen to equal its run's, so the runs are the result, and quick to hash.
    for (const Fp8Run& run : runs) {
      digest.field(std::uint64_t{run.first}).field(std::uint64_t{run.last}).field(std::uint64_t{run.code});
    }
  }
  return worker::survived();
}

}  // namespace

Verdict fp8_encode_f32_all(Context& context) {
  context.domain(Domain::exhaustive);
  context.agreement(Agreement::bytewise);
  const auto subject = fp8_subject_of(context);
  try {
    Sha256 digest;
    Verdict verdict = sweep_modes(context, *subject, digest);
    if (std::holds_alternative<Survived>(verdict)) context.result(digest.finish());
    return verdict;
  } catch (const GuardBroken& broken) {
    return refuted_by(broken.violation, "encode", Value::Map{});
  }
}

}  // namespace refute::falsifiers
