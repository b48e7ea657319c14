// Index logic alone, without rounding: keys so far apart that a row's weights are exactly 0 and 1,
// so that the output is one key's value, bit for bit.

#include <cmath>

#include <fmt/format.h>

#include "falsifiers/crux_l_02/checks.hpp"
#include "falsifiers/crux_l_02/run_cases.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

using mutants::KernelInputs;
using mutants::KernelShape;
using worker::Context;

constexpr std::size_t kCodeBits = 32;

/// Element x of the code of key j: its bits as ±1, repeated along the head. Two codes differ in an
/// element or more of each 32, so with queries of 512 their scores lie 2·512·2·scale >= 128 apart
/// from D = 64 on, and exp(-128) is 0 in f32 beside 1.
float code(std::size_t key, std::size_t x) {
  return (key >> (x % kCodeBits) & 1u) != 0 ? 1.0f : -1.0f;
}
constexpr float kSharpness = 512;

bool codes_apart(const AttentionCase& c) {
  const auto repeats = static_cast<float>(c.shape.head_dim / kCodeBits);
  return c.shape.seq_kv <= (std::size_t{1} << kCodeBits) && c.shape.head_dim >= 64 &&
         2 * kSharpness * repeats * c.shape.scale() >= 128;
}

/// How many keys query i sees, from the definition: the sequences end together.
std::size_t sees(const KernelShape& s, std::size_t i) {
  if (!s.causal) return s.seq_kv;
  const auto end =
      static_cast<std::ptrdiff_t>(i + 1 + s.seq_kv) - static_cast<std::ptrdiff_t>(s.seq_q);
  return end > 0 ? static_cast<std::size_t>(end) : 0;
}

/// Query i of a head selects key (i + turn) of those that it sees: over all turns, each of them.
std::size_t selected(const KernelShape& s, std::size_t i, std::size_t head, std::size_t turn) {
  return (i + head + turn) % sees(s, i);
}

struct Posed {
  KernelInputs in;
  std::vector<float> want;
};

Posed pose(const AttentionCase& c, std::size_t turn) {
  const KernelShape& s = c.shape;
  const std::size_t d = s.head_dim, group = s.heads_q / s.heads_kv;
  Posed p{inputs_of(c), std::vector<float>(s.rows() * d, 0.0f)};
  for (std::size_t i = 0; i < p.in.b.size(); ++i) p.in.b[i] = code(i / d % s.seq_kv, i % d);
  for (std::size_t r = 0; r < s.rows(); ++r) {
    const std::size_t i = r % s.seq_q, head = r / s.seq_q,
                      shared = head / s.heads_q * s.heads_kv + head % s.heads_q / group;
    if (sees(s, i) == 0) continue;  // zeros
    const std::size_t key = selected(s, i, head, turn);
    for (std::size_t x = 0; x < d; ++x) {
      p.in.a[r * d + x] = kSharpness * code(key, x);
      p.want[r * d + x] = p.in.c[(shared * s.seq_kv + key) * d + x] + 0.0f;
    }
  }
  return p;
}

}  // namespace

Verdict attention_selection(Context& context) {
  context.domain(Domain::exhaustive);
  context.agreement(Agreement::bytewise);
  const auto subject = attention_subject_of(context);
  Sha256 digest;
  Verdict verdict = check_variants(
      context, *subject,
      [&](const AttentionCase& c, const KernelInputs&,
          const AttentionVariant& variant) -> std::optional<CaseFailure> {
        for (std::size_t turn = 0; turn < c.shape.seq_kv; ++turn) {
          const Posed p = pose(c, turn);
          RunResult result = run_subject(context, *subject, c, p.in, variant);
          if (result.failure) return result.failure;
          for (float& x : result.out) x += 0.0f;  // a sum with zeros may carry either sign of zero
          if (!context.compare().bits(result.out, p.want)) {
            return failure_of(context.compare(),
                              fmt::format("query i selects key i + head + {}", turn), variant);
          }
          digest.bytes(result.out.data(), result.out.size() * sizeof(float));
        }
        return std::nullopt;
      },
      {codes_apart,
       "selecting a key takes a head_dim of 64 or more, and scores that the scale leaves apart"});
  context.result(digest.finish());
  return verdict;
}

}  // namespace refute::falsifiers
