// The quantiser: its table, its decisions, its edge blocks, and the inputs it must refuse.

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <numeric>

#include <fmt/format.h>

#include "falsifiers/nf4/checks.hpp"
#include "falsifiers/nf4/support.hpp"
#include "falsifiers/subjects/nf4_subjects.hpp"
#include "fixtures/oracles/nf4_oracle.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/expand.hpp"
#include "harness/worker/guarded_buffer.hpp"
#include "harness/worker/sweep.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using worker::CaseFailed;
using worker::CasePassed;
using worker::CaseResult;
using worker::Context;
using worker::GuardedOutput;
using worker::TensorCase;

/// Patterns of the floats in [-1, 1]: those of [0, 1], then those of [-1, -0].
constexpr std::uint64_t kUpToOne = 0x3f800001;

std::uint32_t pattern_of(std::uint64_t index) {
  return static_cast<std::uint32_t>(index < kUpToOne ? index : 0x80000000u + (index - kUpToOne));
}

/// The oracle's codes over those patterns, as the first index of each run of equal codes: found by bisection, since codes
/// rise with |x| in one half and fall in the other.
struct CodeRuns {
  std::vector<std::uint64_t> first;
  std::vector<std::uint8_t> code;
};

void add_half(CodeRuns& runs, std::uint64_t begin, std::uint64_t end, Nf4Decision decision) {
  const auto code_at = [&](std::uint64_t i) { return nf4_oracle_code(std::bit_cast<float>(pattern_of(i)), decision); };
  while (begin < end) {
    const std::uint8_t code = code_at(begin);
    runs.first.push_back(begin);
    runs.code.push_back(code);
    std::uint64_t same = begin, other = end;
    while (other - same > 1) {
      const std::uint64_t middle = same + (other - same) / 2;
      (code_at(middle) == code ? same : other) = middle;
    }
    begin = other;
  }
}

CodeRuns runs_of(Nf4Decision decision) {
  CodeRuns runs;
  add_half(runs, 0, kUpToOne, decision);
  add_half(runs, kUpToOne, 2 * kUpToOne, decision);
  return runs;
}

/// Blocks of a 1 and 63 values each, so that every block's absmax is 1 and normalising changes nothing.
class DecisionChecker {
 public:
  DecisionChecker(worker::Nf4Subject& subject, Nf4Decision decision, const CodeRuns& runs, bool negated)
      : subject_(subject), decision_(decision), runs_(runs), negated_(negated) {}

  std::optional<std::uint64_t> operator()(std::uint64_t first, std::size_t count) {
    const std::size_t blocks = (count + 62) / 63;
    in_.assign(blocks * kNf4Block, 1.0f);
    for (std::size_t i = 0; i < count; ++i) in_[i / 63 * 64 + 1 + i % 63] = std::bit_cast<float>(pattern_of(first + i));
    codes_.resize(in_.size());
    std::ranges::fill(codes_, std::uint8_t{0xa5});
    absmax_.resize(blocks);
    const auto result = subject_.quantize(in_, 1, in_.size(), decision_, codes_, absmax_);
    if (result.status != Nf4Status::ok) return first;
    auto run = static_cast<std::size_t>(std::ranges::upper_bound(runs_.first, first) - runs_.first.begin()) - 1;
    for (std::size_t i = 0; i < count; ++i) {
      while (run + 1 < runs_.first.size() && runs_.first[run + 1] <= first + i) ++run;
      if ((codes_[i / 63 * 64 + 1 + i % 63] == runs_.code[run]) == negated_) return first + i;
    }
    return std::nullopt;
  }

 private:
  worker::Nf4Subject& subject_;
  Nf4Decision decision_;
  const CodeRuns& runs_;
  bool negated_;
  std::vector<float> in_, absmax_;
  std::vector<std::uint8_t> codes_;
};

Verdict wrong_decision(worker::Nf4Subject& subject, Nf4Decision decision, std::uint64_t index) {
  std::vector<float> block(kNf4Block, 1.0f);
  block[1] = std::bit_cast<float>(pattern_of(index));
  std::vector<std::uint8_t> codes(kNf4Block, 0xa5);
  float absmax = 0;
  subject.quantize(block, 1, kNf4Block, decision, codes, {&absmax, 1});
  Value counterexample;
  counterexample.set("decision", to_string(decision));
  counterexample.set("index", index);
  counterexample.set("input", worker::exact(block[1]));
  counterexample.set("got", codes[1]);
  counterexample.set("want", nf4_oracle_code(block[1], decision));
  return worker::refuted(fmt::format("{}: {} gets code {}, want {}", to_string(decision), worker::exact(block[1]), codes[1],
                                     nf4_oracle_code(block[1], decision)),
                         std::move(counterexample));
}

/// All patterns, or the replay's one.
std::pair<std::uint64_t, std::uint64_t> range_of(const Context& context) {
  const Value* replayed = context.replay() ? context.replay()->find("index") : nullptr;
  if (!replayed) return {0, 2 * kUpToOne};
  const auto index = worker::unsigned_from(*replayed);
  if (!index || *index >= 2 * kUpToOne) throw worker::JobError("the counterexample's `index` is wrong");
  return {*index, *index + 1};
}

/// A quantise into guarded memory; what broke a rule that is not about values.
struct Quantized {
  GuardedOutput<std::uint8_t> codes{"codes", 0};
  GuardedOutput<float> absmax{"absmax", 0}, values{"values", 0};

  std::optional<CaseFailed> run(worker::Nf4Subject& subject, const TensorCase& c, std::span<const float> w,
                                Nf4Decision decision) {
    const worker::WatchedInput<float> watched("w", w);
    codes.reset(w.size());
    absmax.reset(w.size() / kNf4Block);
    values.reset(w.size());
    const auto q = subject.quantize(w, c.rows, c.cols, decision, codes.span(), absmax.span());
    if (q.status != Nf4Status::ok) return nf4_failed(fmt::format("quantize refuses it (status {})", static_cast<int>(q.status)));
    const auto d = subject.dequantize(codes.span(), absmax.span(), c.rows, c.cols, values.span());
    if (d.status != Nf4Status::ok) return nf4_failed(fmt::format("dequantize refuses it (status {})", static_cast<int>(d.status)));
    if (const auto v = worker::first_violation(codes, absmax, values, watched)) return nf4_failed(v->message);
    return std::nullopt;
  }
};

}  // namespace

Verdict nf4_table_exact(Context& context) {
  context.domain(Domain::exhaustive);
  context.agreement(Agreement::bytewise);
  const auto subject = nf4_subject_of(context);
  std::vector<std::uint8_t> codes(kNf4Block);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i % 16);
  auto& compare = context.compare();
  Sha256 digest;
  for (double real_scale : context.reals("scales")) {
    const auto scale = static_cast<float>(real_scale);
    std::vector<float> want(kNf4Block);
    for (std::size_t i = 0; i < want.size(); ++i) want[i] = oracles::nf4_codebook()[codes[i]] * scale;
    GuardedOutput<float> got("values", kNf4Block);
    const auto result = subject->dequantize(codes, {&scale, 1}, 1, kNf4Block, got.span());
    context.add_cases(16);
    if (const auto v = got.violation()) return worker::refuted(v->message, v->buffer);
    if (!compare.equal(static_cast<std::uint64_t>(result.status), 0, "status of dequantize") ||
        !compare.bits(got.span(), want)) {
      Value counterexample;
      counterexample.set("scale", worker::exact(scale));
      counterexample.set("element", compare.mismatch()->to_value());
      return worker::refuted(fmt::format("scale {}: {}", scale, compare.mismatch()->sentence()), std::move(counterexample));
    }
    digest.bytes(got.span().data(), got.span().size_bytes());
  }
  context.result(digest.finish());
  return worker::survived();
}

Verdict nf4_decisions_all(Context& context) {
  context.domain(Domain::exhaustive);
  context.agreement(Agreement::bytewise);
  const auto subject = nf4_subject_of(context);
  const auto [begin, end] = range_of(context);
  const bool negated = context.compare().negated();
  constexpr std::size_t kChunk = 63 * 256;
  Sha256 digest;
  for (Nf4Decision decision : decisions_of(context)) {
    const CodeRuns runs = runs_of(decision);
    const auto result = worker::sweep(
        begin, end, context.threads(),
        [&]() -> worker::ChunkCheck {
          return [checker = std::make_shared<DecisionChecker>(*subject, decision, runs, negated)](
                     std::uint64_t first, std::size_t count) { return (*checker)(first, count); };
        },
        kChunk);
    const std::uint64_t reached = result.smallest ? *result.smallest - begin + 1 : result.checked;
    context.add_cases(reached);
    context.compare().add_equal(reached);
    if (result.smallest) return wrong_decision(*subject, decision, *result.smallest);
    // Each code was just seen to equal its run's: the runs are the result.
    for (std::size_t i = 0; i < runs.first.size(); ++i) {
      digest.field(runs.first[i]).field(std::uint64_t{runs.code[i]});
    }
  }
  context.result(digest.finish());
  return worker::survived();
}

Verdict nf4_quantize_exact(Context& context) {
  context.agreement(Agreement::bytewise);
  const auto subject = nf4_subject_of(context);
  const auto decisions = decisions_of(context);
  Quantized got;
  auto& compare = context.compare();
  return worker::check_property(
      context, context.count("cases"), nf4_space_of(context),
      [&](const TensorCase& c, std::span<const float> w) -> CaseResult {
        for (Nf4Decision decision : decisions) {
          const std::string name(to_string(decision));
          if (auto broken = got.run(*subject, c, w, decision)) return *broken;
          const Nf4Reference want = nf4_reference(w, decision);
          if (!compare.bits(got.absmax.span(), want.absmax)) {
            CaseFailed failure = nf4_failed(compare, name + ", absmax");
            failure.offender.reset();  // it counts blocks, not elements
            return failure;
          }
          if (!compare.bytes(got.codes.span(), want.codes)) return nf4_failed(compare, name + ", code");
          if (!compare.bits(got.values.span(), want.values)) return nf4_failed(compare, name + ", value");
        }
        return CasePassed{};
      });
}

Verdict nf4_refuses_non_finite(Context& context) {
  const auto subject = nf4_subject_of(context);
  const auto decisions = decisions_of(context);
  auto& compare = context.compare();
  std::vector<float> w;
  return worker::check_property(
      context, context.count("cases"), nf4_space_of(context),
      [&](const TensorCase& c, std::span<const float> tame) -> CaseResult {
        constexpr std::uint32_t kBad[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0x7f800000, 0xff800000};
        w.assign(tame.begin(), tame.end());
        std::size_t first = w.size();
        for (std::uint64_t n = 0; n <= worker::derive_seed(c.seed, 100) % 3; ++n) {
          const std::size_t at = worker::derive_seed(c.seed, 101 + n) % w.size();
          w[at] = std::bit_cast<float>(kBad[worker::derive_seed(c.seed, 110 + n) % std::size(kBad)]);
          first = std::min(first, at);
        }
        for (Nf4Decision decision : decisions) {
          GuardedOutput<std::uint8_t> codes("codes", w.size()), no_codes("codes", w.size());
          GuardedOutput<float> absmax("absmax", w.size() / kNf4Block), no_absmax("absmax", w.size() / kNf4Block);
          const auto result = subject->quantize(w, c.rows, c.cols, decision, codes.span(), absmax.span());
          if (const auto v = worker::first_violation(codes, absmax)) return nf4_failed(v->message);
          const bool ok = compare.equal(static_cast<std::uint64_t>(result.status),
                                        static_cast<std::uint64_t>(Nf4Status::non_finite), "refused as non-finite") &&
                          compare.equal(result.index, first, "index of the first non-finite value") &&
                          compare.bytes(codes.span(), no_codes.span()) &&
                          compare.bits(absmax.span(), no_absmax.span());
          if (ok) continue;
          CaseFailed failure = nf4_failed(compare, std::string(to_string(decision)));
          failure.offender.reset();
          return failure;
        }
        return CasePassed{};
      });
}

}  // namespace refute::falsifiers
