// The quantiser: its table, its edge blocks, and the inputs it must refuse.

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "falsifiers/nf4/checks.hpp"
#include "falsifiers/nf4/support.hpp"
#include "falsifiers/subjects/nf4_subjects.hpp"
#include "fixtures/oracles/nf4_oracle.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/worker/expand.hpp"
#include "harness/worker/guarded_buffer.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using worker::CaseFailed;
using worker::CasePassed;
using worker::CaseResult;
using worker::Context;
using worker::GuardedOutput;
using worker::TensorCase;

/// A quantise into guarded memory; what broke a rule that is not about values.
struct Quantized {
  GuardedOutput<std::uint8_t> codes{"codes", 0};
  GuardedOutput<float> absmax{"absmax", 0}, values{"values", 0};

  std::optional<CaseFailed> run(worker::Nf4Subject& subject, const TensorCase& c,
                                std::span<const float> w, Nf4Decision decision) {
    const worker::WatchedInput<float> watched("w", w);
    codes.reset(w.size());
    absmax.reset(w.size() / kNf4Block);
    values.reset(w.size());
    const auto q = subject.quantize(w, c.rows, c.cols, decision, codes.span(), absmax.span());
    if (q.status != Nf4Status::ok)
      return nf4_failed(fmt::format("quantize refuses it (status {})", static_cast<int>(q.status)));
    const auto d = subject.dequantize(codes.span(), absmax.span(), c.rows, c.cols, values.span());
    if (d.status != Nf4Status::ok)
      return nf4_failed(
          fmt::format("dequantize refuses it (status {})", static_cast<int>(d.status)));
    if (const auto v = worker::first_violation(codes, absmax, values, watched))
      return nf4_failed(v->message);
    return std::nullopt;
  }
};

/// The contract's `scales`, every power of two that is an f32, and its `drawn_scales` more.
std::vector<float> table_scales(Context& context) {
  std::vector<float> scales;
  for (const double scale : context.reals("scales")) scales.push_back(static_cast<float>(scale));
  for (int e = -149; e <= 127; ++e) scales.push_back(std::ldexp(1.0f, e));
  const float least = std::numeric_limits<float>::denorm_min(),
              most = std::numeric_limits<float>::max();
  for (const float scale : nf4_drawn_scales(context, least, most)) scales.push_back(scale);
  return scales;
}

/// One block of each scale, with all 16 codes in it and each of them at other positions in the
/// next.
struct TableBlocks {
  std::vector<std::uint8_t> codes;
  std::vector<float> want;

  explicit TableBlocks(std::span<const float> scales) {
    for (std::size_t b = 0; b < scales.size(); ++b) {
      for (std::size_t i = 0; i < kNf4Block; ++i) {
        codes.push_back(static_cast<std::uint8_t>((i + b) % 16));
        want.push_back(oracles::nf4_codebook()[codes.back()] * scales[b]);
      }
    }
  }
};

Verdict wrong_value(const worker::Mismatch& mismatch, const TableBlocks& blocks,
                    std::span<const float> scales) {
  Value counterexample;
  counterexample.set("element", mismatch.to_value());
  if (!mismatch.index || *mismatch.index >= blocks.codes.size())
    return worker::refuted(mismatch.sentence(), std::move(counterexample));
  const std::string scale = worker::exact(scales[*mismatch.index / kNf4Block]);
  const int code = blocks.codes[*mismatch.index];
  counterexample.set("scale", scale);
  counterexample.set("code", std::int64_t{code});
  return worker::refuted(fmt::format("scale {}, code {}: {}", scale, code, mismatch.sentence()),
                         std::move(counterexample));
}

}  // namespace

Verdict nf4_table_exact(Context& context) {
  context.agreement(Agreement::bytewise);
  const auto subject = nf4_subject_of(context);
  const std::vector<float> scales = table_scales(context);
  constexpr std::size_t kBatch = 512;  // blocks in one call, for servers and devices
  auto& compare = context.compare();
  Sha256 digest;
  for (std::size_t begin = 0; begin < scales.size(); begin += kBatch) {
    const auto batch = std::span(scales).subspan(begin, std::min(kBatch, scales.size() - begin));
    const TableBlocks blocks(batch);
    GuardedOutput<float> got("values", blocks.want.size());
    const auto result =
        subject->dequantize(blocks.codes, batch, batch.size(), kNf4Block, got.span());
    context.add_cases(blocks.codes.size());
    if (const auto v = got.violation()) return worker::refuted(v->message, v->buffer);
    // No comparison: in the negated arm it would keep those of the values from being reached.
    if (result.status != Nf4Status::ok) {
      return worker::refuted(
          fmt::format("dequantize refuses it (status {})", static_cast<int>(result.status)),
          Value::Map{{"first scale", worker::exact(batch.front())}});
    }
    if (!compare.bits(got.span(), blocks.want))
      return wrong_value(*compare.mismatch(), blocks, batch);
    digest.bytes(got.span().data(), got.span().size_bytes());
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
  return worker::check_property(context, context.count("cases"), nf4_space_of(context),
                                [&](const TensorCase& c, std::span<const float> w) -> CaseResult {
                                  for (Nf4Decision decision : decisions) {
                                    const std::string name(to_string(decision));
                                    if (auto broken = got.run(*subject, c, w, decision))
                                      return *broken;
                                    const Nf4Reference want = nf4_reference(w, decision);
                                    if (!compare.bits(got.absmax.span(), want.absmax)) {
                                      CaseFailed failure = nf4_failed(compare, name + ", absmax");
                                      failure.offender.reset();  // it counts blocks, not elements
                                      return failure;
                                    }
                                    if (!compare.bytes(got.codes.span(), want.codes))
                                      return nf4_failed(compare, name + ", code");
                                    if (!compare.bits(got.values.span(), want.values))
                                      return nf4_failed(compare, name + ", value");
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
        constexpr std::uint32_t kBad[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0x7f800000,
                                          0xff800000};
        w.assign(tame.begin(), tame.end());
        std::size_t first = w.size();
        for (std::uint64_t n = 0; n <= worker::derive_seed(c.seed, 100) % 3; ++n) {
          const std::size_t at = worker::derive_seed(c.seed, 101 + n) % w.size();
          w[at] =
              std::bit_cast<float>(kBad[worker::derive_seed(c.seed, 110 + n) % std::size(kBad)]);
          first = std::min(first, at);
        }
        for (Nf4Decision decision : decisions) {
          GuardedOutput<std::uint8_t> codes("codes", w.size()), no_codes("codes", w.size());
          GuardedOutput<float> absmax("absmax", w.size() / kNf4Block),
              no_absmax("absmax", w.size() / kNf4Block);
          const auto result =
              subject->quantize(w, c.rows, c.cols, decision, codes.span(), absmax.span());
          if (const auto v = worker::first_violation(codes, absmax)) return nf4_failed(v->message);
          const bool ok =
              compare.equal(static_cast<std::uint64_t>(result.status),
                            static_cast<std::uint64_t>(Nf4Status::non_finite),
                            "refused as non-finite") &&
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
