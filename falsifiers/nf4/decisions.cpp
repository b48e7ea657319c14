// Which code a normalised value gets: every f32 in [-1, 1], or every one from a least magnitude on
// and every n-th below it.

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "falsifiers/nf4/checks.hpp"
#include "falsifiers/nf4/support.hpp"
#include "falsifiers/subjects/nf4_subjects.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/metrics/run_compare.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/sweep.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using worker::Context;

/// A stretch of bit patterns, `stride` apart.
struct Segment {
  std::uint32_t first, count, stride;
};

/// The claim's domain as one row of indices.
class DecisionSpace {
 public:
  /// Every f32 from `least` to 1 in magnitude, and every `step`-th below.
  DecisionSpace(float least, std::uint32_t step) {
    const auto from = std::bit_cast<std::uint32_t>(least);
    const auto one = std::bit_cast<std::uint32_t>(1.0f);
    for (std::uint32_t sign : {0u, 0x80000000u}) {
      segments_.push_back({sign | from, one - from + 1, 1});
      if (from > 0) segments_.push_back({sign, (from - 1) / step + 1, step});
    }
    for (const Segment& s : segments_) begins_.push_back(size_), size_ += s.count;
  }

  std::uint64_t size() const { return size_; }
  const std::vector<std::uint64_t>& begins() const { return begins_; }

  float value(std::uint64_t index) const {
    const auto k =
        static_cast<std::size_t>(std::ranges::upper_bound(begins_, index) - begins_.begin()) - 1;
    return std::bit_cast<float>(
        segments_[k].first + static_cast<std::uint32_t>(index - begins_[k]) * segments_[k].stride);
  }

  void values(std::uint64_t first, std::span<float> out) const {
    auto k =
        static_cast<std::size_t>(std::ranges::upper_bound(begins_, first) - begins_.begin()) - 1;
    for (std::size_t i = 0; i < out.size(); ++k) {
      const Segment& s = segments_[k];
      std::uint32_t at = static_cast<std::uint32_t>(first + i - begins_[k]);
      for (; at < s.count && i < out.size(); ++at, ++i)
        out[i] = std::bit_cast<float>(s.first + at * s.stride);
    }
  }

 private:
  std::vector<Segment> segments_;
  std::vector<std::uint64_t> begins_;
  std::uint64_t size_ = 0;
};

/// A maximal stretch of indices with one code.
struct CodeRun {
  std::uint32_t first, last;
  std::uint8_t code;
};

/// The oracle's codes by bisection: in each segment they only rise, or only fall.
std::vector<CodeRun> runs_of(const DecisionSpace& space, Nf4Decision decision) {
  std::vector<CodeRun> runs;
  const auto code_at = [&](std::uint64_t i) { return nf4_oracle_code(space.value(i), decision); };
  for (std::size_t k = 0; k < space.begins().size(); ++k) {
    const std::uint64_t end = k + 1 < space.begins().size() ? space.begins()[k + 1] : space.size();
    for (std::uint64_t begin = space.begins()[k]; begin < end;) {
      const std::uint8_t code = code_at(begin);
      std::uint64_t same = begin, other = end;
      while (other - same > 1) {
        const std::uint64_t middle = same + (other - same) / 2;
        (code_at(middle) == code ? same : other) = middle;
      }
      runs.push_back(
          {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(other - 1), code});
      begin = other;
    }
  }
  return runs;
}

/// Has a subject decide values that are normalised already: blocks of a 1 and 63 values, so that
/// every absmax is 1.
class Decider {
 public:
  Decider(worker::Nf4Subject& subject, Nf4Decision decision)
      : subject_(subject), decision_(decision) {}

  /// The codes of `values`; empty if the subject refuses them. Valid until the next call.
  std::span<const std::uint8_t> decide(std::span<const float> values) {
    constexpr std::size_t kPayload = kNf4Block - 1;
    const std::size_t blocks = (values.size() + kPayload - 1) / kPayload;
    in_.assign(blocks * kNf4Block, 1.0f);
    raw_.assign(in_.size(), std::uint8_t{0xa5});
    absmax_.resize(blocks);
    codes_.resize(blocks * kPayload);
    for (std::size_t b = 0; b < blocks; ++b) {
      const std::size_t n = std::min(kPayload, values.size() - b * kPayload);
      std::memcpy(&in_[b * kNf4Block + 1], &values[b * kPayload], n * sizeof(float));
    }
    const auto result = subject_.quantize(in_, 1, in_.size(), decision_, raw_, absmax_);
    if (result.status != Nf4Status::ok) return {};
    for (std::size_t b = 0; b < blocks; ++b)
      std::memcpy(&codes_[b * kPayload], &raw_[b * kNf4Block + 1], kPayload);
    return std::span(codes_).first(values.size());
  }

 private:
  worker::Nf4Subject& subject_;
  Nf4Decision decision_;
  std::vector<float> in_, absmax_;
  std::vector<std::uint8_t> raw_, codes_;
};

/// One thread's part of the sweep.
class Checker {
 public:
  Checker(worker::Nf4Subject& subject, Nf4Decision decision, const DecisionSpace& space,
          const std::vector<CodeRun>& runs, bool negated)
      : decider_(subject, decision), space_(space), runs_(runs), negated_(negated) {}

  std::optional<std::uint64_t> operator()(std::uint64_t first, std::size_t count) {
    values_.resize(count);
    space_.values(first, values_);
    const auto codes = decider_.decide(values_);
    if (codes.empty()) return first;
    if (negated_) return first_match(codes, first);
    const auto index = metrics::first_mismatch_against_runs<CodeRun>(
        codes, static_cast<std::uint32_t>(first), runs_);
    return index ? std::optional(first + *index) : std::nullopt;
  }

 private:
  std::optional<std::uint64_t> first_match(std::span<const std::uint8_t> codes,
                                           std::uint64_t first) const {
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const auto run = std::ranges::lower_bound(
          runs_, first + i, {}, [](const CodeRun& r) { return std::uint64_t{r.last}; });
      if (codes[i] == run->code) return first + i;
    }
    return std::nullopt;
  }

  Decider decider_;
  const DecisionSpace& space_;
  const std::vector<CodeRun>& runs_;
  bool negated_;
  std::vector<float> values_;
};

Verdict wrong_decision(worker::Nf4Subject& subject, Nf4Decision decision, float x,
                       std::uint64_t index) {
  Decider decider(subject, decision);
  const auto codes = decider.decide({&x, 1});
  const std::string got = codes.empty() ? "a refusal" : fmt::format("code {}", codes[0]);
  const std::uint8_t want = nf4_oracle_code(x, decision);
  Value counterexample;
  counterexample.set("decision", to_string(decision));
  counterexample.set("index", index);
  counterexample.set("input", worker::exact(x));
  counterexample.set("got", got);
  counterexample.set("want", fmt::format("code {}", want));
  return worker::refuted(
      fmt::format("{}: {} gets {}, want code {}", to_string(decision), worker::exact(x), got, want),
      std::move(counterexample));
}

/// All indices, or the replay's one.
std::pair<std::uint64_t, std::uint64_t> range_of(const Context& context,
                                                 const DecisionSpace& space) {
  const Value* replayed = context.replay() ? context.replay()->find("index") : nullptr;
  if (!replayed) return {0, space.size()};
  const auto index = worker::unsigned_from(*replayed);
  if (!index || *index >= space.size())
    throw worker::JobError("the counterexample's `index` is wrong");
  return {*index, *index + 1};
}

/// One way to decide with what its codes must be.
struct Task {
  Nf4Decision decision;
  std::vector<CodeRun> runs;
};

std::vector<std::uint64_t> landmarks_of(const std::vector<CodeRun>& runs) {
  std::vector<std::uint64_t> all;
  for (const CodeRun& run : runs) all.push_back(run.first);
  return all;
}

/// Both ways in turn: first where codes change, in each, then everything.
Verdict sweep_decisions(Context& context, worker::Nf4Subject& subject, const DecisionSpace& space,
                        const std::vector<Task>& tasks) {
  constexpr std::size_t kChunk = (kNf4Block - 1) * 512;
  const bool negated = context.compare().negated();
  const auto [begin, end] = range_of(context, space);
  for (const bool everything : {false, true}) {
    for (const Task& task : tasks) {
      const worker::MakeChecker make_checker = [&]() -> worker::ChunkCheck {
        return [checker =
                    std::make_shared<Checker>(subject, task.decision, space, task.runs, negated)](
                   std::uint64_t first, std::size_t count) { return (*checker)(first, count); };
      };
      const auto result = everything
                              ? worker::sweep(begin, end, context.threads(), make_checker, kChunk)
                              : worker::sweep_around(landmarks_of(task.runs), begin, end,
                                                     context.threads(), make_checker, kChunk);
      // What survives is counted once, by the sweep of everything.
      const bool counts = everything || result.smallest;
      context.add_cases(counts ? result.checked : 0);
      context.compare().add_equal(counts ? result.checked : 0);
      if (result.smallest) {
        return wrong_decision(subject, task.decision, space.value(*result.smallest),
                              *result.smallest);
      }
    }
  }
  return worker::survived();
}

/// The space is stated in the contract, and gone through as a whole.
Verdict decided_throughout(Context& context, const DecisionSpace& space) {
  context.domain(Domain::exhaustive);
  context.agreement(Agreement::bytewise);
  const auto subject = nf4_subject_of(context);
  std::vector<Task> tasks;
  for (Nf4Decision decision : decisions_of(context))
    tasks.push_back({decision, runs_of(space, decision)});
  Verdict verdict = sweep_decisions(context, *subject, space, tasks);
  if (!std::holds_alternative<Survived>(verdict)) return verdict;
  // Each code was just seen to equal its run's: the runs are the result.
  Sha256 digest;
  for (const Task& task : tasks) {
    for (const CodeRun& run : task.runs) {
      digest.field(std::uint64_t{run.first})
          .field(std::uint64_t{run.last})
          .field(std::uint64_t{run.code});
    }
  }
  context.result(digest.finish());
  return verdict;
}

}  // namespace

Verdict nf4_decisions_all(Context& context) {
  return decided_throughout(context, DecisionSpace(0.0f, 1));
}

Verdict nf4_decisions_from(Context& context) {
  const auto least = static_cast<float>(context.real("every_f32_from"));
  if (!(least > 0.0f && least < 1.0f))
    throw worker::JobError("`every_f32_from` lies not between 0 and 1");
  const auto step = static_cast<std::uint32_t>(context.count("below_step"));
  return decided_throughout(context, DecisionSpace(least, step));
}

}  // namespace refute::falsifiers
