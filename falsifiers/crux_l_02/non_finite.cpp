// NaN and infinity among what a query sees reach its row and no other; a row of scores that are all
// -infinity gives zeros.

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "falsifiers/crux_l_02/checks.hpp"
#include "falsifiers/crux_l_02/run_cases.hpp"

namespace refute::falsifiers {
namespace {

using mutants::KernelInputs;
using mutants::KernelShape;
using worker::Context;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool sees(const KernelShape& s, std::size_t row, std::size_t key) {
  if (!s.causal) return key < s.seq_kv;
  return key + s.seq_q < row % s.seq_q + 1 + s.seq_kv;
}

/// The rows that key `key` of key head 0 of the first entry reaches.
bool reached(const KernelShape& s, std::size_t row, std::size_t key) {
  return row / s.seq_q < s.heads_q / s.heads_kv && sees(s, row, key);
}

/// Queries whose first element is positive, so that a key's infinity there is a score's.
KernelInputs positive(const KernelShape& s, KernelInputs in) {
  for (std::size_t i = 0; i < in.a.size(); i += s.head_dim) in.a[i] = 1;
  return in;
}

/// One thing put into the inputs, and what it makes of an output element. `plain` is what comes out
/// without it.
struct Planted {
  std::string name;
  KernelInputs in;
  std::vector<float> want;
};

Planted planted_score(const KernelShape& s, const KernelInputs& in, const std::vector<float>& plain,
                      std::size_t key, float what) {
  Planted p{fmt::format("key {} of {}", key, what), in, plain};
  p.in.b[key * s.head_dim] = what;
  for (std::size_t i = 0; i < p.want.size(); ++i) {
    if (reached(s, i / s.head_dim, key)) p.want[i] = kNan;
  }
  return p;
}

Planted planted_value(const KernelShape& s, const KernelInputs& in, const std::vector<float>& plain,
                      std::size_t key) {
  Planted p{fmt::format("value {} of NaN", key), in, plain};
  p.in.c[key * s.head_dim + 1] = kNan;
  for (std::size_t i = 0; i < p.want.size(); ++i) {
    if (i % s.head_dim == 1 && reached(s, i / s.head_dim, key)) p.want[i] = kNan;
  }
  return p;
}

Planted planted_query(const KernelShape& s, const KernelInputs& in,
                      const std::vector<float>& plain) {
  const std::size_t row = s.seq_q - 1;
  Planted p{fmt::format("query {} of NaN", row), in, plain};
  p.in.a[row * s.head_dim + 3] = kNan;
  for (std::size_t x = 0; x < s.head_dim && sees(s, row, 0); ++x)
    p.want[row * s.head_dim + x] = kNan;
  return p;
}

/// Every key of key head 0 scores -infinity: nothing is left to attend to.
Planted nothing_left(const KernelShape& s, const KernelInputs& in,
                     const std::vector<float>& plain) {
  Planted p{"every key of -inf", in, plain};
  for (std::size_t j = 0; j < s.seq_kv; ++j) p.in.b[j * s.head_dim] = -kInfinity;
  for (std::size_t i = 0; i < p.want.size(); ++i) {
    if (i / s.head_dim / s.seq_q < s.heads_q / s.heads_kv) p.want[i] = 0;
  }
  return p;
}

/// Four elements of a head have a part each in what is planted.
bool has_room(const AttentionCase& c) {
  return c.shape.head_dim >= 4;
}

std::vector<Planted> all_planted(const KernelShape& s, const KernelInputs& in,
                                 const std::vector<float>& plain) {
  std::vector<Planted> all;
  for (const std::size_t key : {std::size_t{0}, s.seq_kv / 2, s.seq_kv - 1}) {
    all.push_back(planted_score(s, in, plain, key, kNan));
    all.push_back(planted_score(s, in, plain, key, kInfinity));
    all.push_back(planted_value(s, in, plain, key));
  }
  all.push_back(planted_query(s, in, plain));
  all.push_back(nothing_left(s, in, plain));
  return all;
}

}  // namespace

Verdict attention_non_finite(Context& context) {
  const auto subject = attention_subject_of(context);
  return check_variants(context, *subject,
                        [&](const AttentionCase& c, const KernelInputs& drawn,
                            const AttentionVariant& variant) -> std::optional<CaseFailure> {
                          const KernelInputs in = positive(c.shape, drawn);
                          const RunResult plain = run_subject(context, *subject, c, in, variant);
                          if (plain.failure) return plain.failure;
                          for (const Planted& p : all_planted(c.shape, in, plain.out)) {
                            const RunResult result =
                                run_subject(context, *subject, c, p.in, variant);
                            if (result.failure) return result.failure;
                            if (auto why = differ(context, result.out, p.want, p.name, variant))
                              return why;
                          }
                          return std::nullopt;
                        },
                        {has_room, "NaN and infinity are planted in a head_dim of 4 or more"});
}

}  // namespace refute::falsifiers
