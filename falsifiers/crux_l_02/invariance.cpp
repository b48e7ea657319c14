// What must not change a row's bits: keys it does not see, other heads, other entries of the batch,
// where it stands, and whether its keys are shared.

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "falsifiers/crux_l_02/checks.hpp"
#include "falsifiers/crux_l_02/run_cases.hpp"
#include "falsifiers/crux_l_02/slices.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

using mutants::KernelInputs;
using mutants::KernelShape;
using worker::Context;

std::size_t seen_by(const KernelShape& s, std::size_t i) {
  if (!s.causal) return s.seq_kv;
  const std::size_t end = i + 1 + s.seq_kv;
  return end > s.seq_q ? std::min(end - s.seq_q, s.seq_kv) : 0;
}

/// What stands where nobody may look.
float foreign(const std::string& content, mutants::Storage storage, float before) {
  if (content == "redrawn") return mutants::stored(storage, 1.5f - before);
  if (content == "nan") return std::numeric_limits<float>::quiet_NaN();
  if (content == "infinity") return std::numeric_limits<float>::infinity();
  if (content == "largest") return storage == mutants::Storage::f16 ? 65504.0f : 0x1.FEp127f;
  throw worker::JobError("masked content is redrawn, nan, infinity or largest, not `" + content +
                         "`");
}

KernelInputs changed_from(const KernelShape& s, KernelInputs in, std::size_t first_key,
                          const std::string& content) {
  for (std::vector<float>* x : {&in.b, &in.c}) {
    for (std::size_t i = 0; i < x->size(); ++i) {
      if (i / s.head_dim % s.seq_kv >= first_key) (*x)[i] = foreign(content, s.storage, (*x)[i]);
    }
  }
  return in;
}

/// The rows of all heads that see at most the first `keys` keys.
std::vector<float> rows_up_to(const KernelShape& s, const std::vector<float>& out,
                              std::size_t keys) {
  std::vector<float> kept;
  for (std::size_t r = 0; r < s.rows(); ++r) {
    if (seen_by(s, r % s.seq_q) > keys) continue;
    kept.insert(kept.end(), &out[r * s.head_dim], &out[r * s.head_dim] + s.head_dim);
  }
  return kept;
}

/// Where the future starts: after the first key, in the middle, at a tile's edge, before the last.
std::vector<std::size_t> cuts_of(const KernelShape& s) {
  std::vector<std::size_t> cuts;
  for (const std::size_t cut : {std::size_t{1}, s.seq_kv / 2, std::size_t{64}, s.seq_kv - 1}) {
    if (cut >= 1 && cut < s.seq_kv && std::ranges::find(cuts, cut) == cuts.end())
      cuts.push_back(cut);
  }
  return cuts;
}

/// A mask gives every row its own keys.
bool rows_alike(const AttentionCase& c) {
  return !c.shape.causal;
}

/// Runs on a part of the inputs, as a case of its own shape.
RunResult run_on(Context& context, AttentionSubject& subject, const AttentionCase& c,
                 const KernelShape& shape, const KernelInputs& in,
                 const AttentionVariant& variant) {
  AttentionCase part = c;
  part.shape = shape;
  return run_subject(context, subject, part, in, variant);
}

}  // namespace

Verdict attention_future(Context& context) {
  const auto contents = context.words("contents");
  const auto subject = attention_subject_of(context);
  return check_variants(
      context, *subject,
      [&](const AttentionCase& c, const KernelInputs& in,
          const AttentionVariant& variant) -> std::optional<CaseFailure> {
        const RunResult before = run_subject(context, *subject, c, in, variant);
        if (before.failure) return before.failure;
        for (const std::size_t cut : cuts_of(c.shape)) {
          const auto want = rows_up_to(c.shape, before.out, cut);
          if (want.empty()) continue;
          for (const std::string& content : contents) {
            const RunResult after =
                run_subject(context, *subject, c, changed_from(c.shape, in, cut, content), variant);
            if (after.failure) return after.failure;
            auto why = differ(
                context, rows_up_to(c.shape, after.out, cut), want,
                fmt::format("rows that see {} keys at most, with what follows {}", cut, content),
                variant);
            if (why) return why;
          }
        }
        return std::nullopt;
      });
}

Verdict attention_heads(Context& context) {
  const auto subject = attention_subject_of(context);
  return check_variants(context, *subject,
                        [&](const AttentionCase& c, const KernelInputs& in,
                            const AttentionVariant& variant) -> std::optional<CaseFailure> {
                          const HeadOrder order = rotated_heads(c.shape);
                          const RunResult plain = run_subject(context, *subject, c, in, variant);
                          if (plain.failure) return plain.failure;
                          const RunResult moved = run_subject(
                              context, *subject, c, with_heads(c.shape, in, order), variant);
                          if (moved.failure) return moved.failure;
                          return differ(context, moved.out, heads_moved(c.shape, plain.out, order),
                                        "heads in another order", variant);
                        });
}

Verdict attention_batch(Context& context) {
  const auto subject = attention_subject_of(context);
  return check_variants(
      context, *subject,
      [&](const AttentionCase& c, const KernelInputs& in,
          const AttentionVariant& variant) -> std::optional<CaseFailure> {
        const RunResult all = run_subject(context, *subject, c, in, variant);
        if (all.failure) return all.failure;
        for (std::size_t b = 0; b < c.shape.batch; ++b) {
          for (std::size_t h = 0; h < c.shape.heads_kv; ++h) {
            const Part part = one_shared_head(c.shape, in, all.out, b, h);
            const RunResult alone = run_on(context, *subject, c, part.shape, part.inputs, variant);
            if (alone.failure) return alone.failure;
            auto why = differ(context, alone.out, part.out,
                              fmt::format("entry {}, key head {} alone", b, h), variant);
            if (why) return why;
          }
        }
        return std::nullopt;
      });
}

Verdict attention_position(Context& context) {
  const auto subject = attention_subject_of(context);
  return check_variants(context, *subject,
                        [&](const AttentionCase& c, const KernelInputs& in,
                            const AttentionVariant& variant) -> std::optional<CaseFailure> {
                          const RunResult plain = run_subject(context, *subject, c, in, variant);
                          if (plain.failure) return plain.failure;
                          KernelInputs turned = in;
                          turned.a = rows_rotated(c.shape, in.a);
                          const RunResult moved =
                              run_subject(context, *subject, c, turned, variant);
                          if (moved.failure) return moved.failure;
                          return differ(context, moved.out, rows_rotated(c.shape, plain.out),
                                        "queries in other rows", variant);
                        },
                        {rows_alike, "queries can change rows only without a causal mask"});
}

Verdict attention_decode(Context& context) {
  const auto subject = attention_subject_of(context);
  return check_variants(
      context, *subject,
      [&](const AttentionCase& c, const KernelInputs& in,
          const AttentionVariant& variant) -> std::optional<CaseFailure> {
        const RunResult prefill = run_subject(context, *subject, c, in, variant);
        if (prefill.failure) return prefill.failure;
        for (const std::size_t row : {c.shape.seq_q - 1, c.shape.seq_q / 2}) {
          const std::size_t seen = seen_by(c.shape, row);
          if (seen == 0) continue;
          const Part step = one_query(c.shape, in, prefill.out, row, seen);
          const RunResult alone = run_on(context, *subject, c, step.shape, step.inputs, variant);
          if (alone.failure) return alone.failure;
          auto why = differ(context, alone.out, step.out,
                            fmt::format("row {} decoded alone over {} keys", row, seen), variant);
          if (why) return why;
        }
        return std::nullopt;
      });
}

Verdict attention_shared_keys(Context& context) {
  const auto subject = attention_subject_of(context);
  return check_variants(context, *subject,
                        [&](const AttentionCase& c, const KernelInputs& in,
                            const AttentionVariant& variant) -> std::optional<CaseFailure> {
                          const RunResult grouped = run_subject(context, *subject, c, in, variant);
                          if (grouped.failure) return grouped.failure;
                          const Part repeated = with_keys_repeated(c.shape, in);
                          const RunResult plain = run_on(context, *subject, c, repeated.shape,
                                                         repeated.inputs, variant);
                          if (plain.failure) return plain.failure;
                          return differ(context, grouped.out, plain.out,
                                        "grouped heads against repeated keys", variant);
                        });
}

}  // namespace refute::falsifiers
