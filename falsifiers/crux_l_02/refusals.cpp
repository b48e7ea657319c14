// Which calls are refused, over a grid of sizes: exactly those that cannot be served, with a reason
// that holds, and with nothing written.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "falsifiers/crux_l_02/checks.hpp"
#include "fixtures/mutants/attention_call_mutants.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/guarded_buffer.hpp"

namespace refute::falsifiers {
namespace {

using kernels::AttentionCall;
using kernels::AttentionShape;
using kernels::AttentionStatus;
using mutants::AttentionEntry;
using worker::Context;

constexpr std::size_t kHuge = std::size_t{1} << 40;
constexpr float kUntouched = -7;

/// An entry point, and whether it takes every head_dim.
struct Entry {
  const char* name;
  AttentionEntry run;
  bool any_head_dim;
};

std::vector<Entry> entries_of(const Context& context) {
  const Job& job = context.job();
  if (job.arm == Arm::mutant) {
    const auto all = mutants::attention_call_mutants();
    const auto at = std::ranges::find(all, job.mutant.text, &mutants::AttentionCallMutant::name);
    if (at == all.end())
      throw worker::JobError("no entry point is called `" + job.mutant.text + "`");
    return {{"flash2", at->flash2, false}};
  }
  if (job.subject.text == "cpu_scalar") {
    return {{"naive", kernels::cpu_scalar::attention_naive, true},
            {"flash2", kernels::cpu_scalar::attention_flash2, false}};
  }
  if (job.subject.text == "cpu_simd") {
    return {{"naive", kernels::cpu_simd::attention_naive, true},
            {"flash2", kernels::cpu_simd::attention_flash2, false}};
  }
  throw worker::JobError("there is no attention called `" + job.subject.text + "`");
}

/// One call: lengths of Q, K, V and the output as the caller gives them.
struct Call {
  AttentionShape s;
  float scale = 0.125f;
  std::size_t q = 0, k = 0, v = 0, out = 0;
};

long double product(std::initializer_list<std::size_t> sizes) {
  long double p = 1;
  for (const std::size_t n : sizes) p *= static_cast<long double>(n);
  return p;
}

/// The reasons for which a call cannot be served, from their definitions. Sizes are taken as real
/// numbers, which do not wrap.
std::vector<AttentionStatus> reasons(const Call& c, bool any_head_dim) {
  const AttentionShape& s = c.s;
  const long double queries = product({s.batch, s.heads_q, s.seq_q, s.head_dim}),
                    keys = product({s.batch, s.heads_kv, s.seq_kv, s.head_dim}),
                    scores = product({s.batch, s.heads_q, s.seq_q, s.seq_kv});
  std::vector<AttentionStatus> all;
  const bool zero = queries == 0 || keys == 0;
  if (zero) all.push_back(AttentionStatus::zero_size);
  if (s.heads_kv == 0 || s.heads_q % s.heads_kv != 0) {
    all.push_back(AttentionStatus::heads_not_divisible);
  }
  if (std::max({queries, keys, scores}) > 0x1p60L) all.push_back(AttentionStatus::size_overflow);
  const auto is = [](std::size_t length, long double size) {
    return static_cast<long double>(length) == size;
  };
  if (!is(c.q, queries) || !is(c.out, queries) || !is(c.k, keys) || !is(c.v, keys)) {
    all.push_back(AttentionStatus::size_mismatch);
  }
  if (!std::isfinite(c.scale)) all.push_back(AttentionStatus::scale_not_finite);
  if (!any_head_dim && s.head_dim != 64 && s.head_dim != 128) {
    all.push_back(AttentionStatus::unsupported_head_dim);
  }
  return all;
}

/// As long as the shape says, also where its element count wraps around; never long.
Call fitting(const AttentionShape& s) {
  constexpr std::size_t kLongest = 1u << 14;
  const std::size_t queries = s.batch * s.heads_q * s.seq_q * s.head_dim;
  const std::size_t keys = s.batch * s.heads_kv * s.seq_kv * s.head_dim;
  Call c{s, 0.125f, queries <= kLongest ? queries : 8, keys <= kLongest ? keys : 8, 0, 0};
  c.v = c.k;
  c.out = c.q;
  return c;
}

/// The stated space: all combinations of these sizes, every head_dim up to the limit, and around
/// one shape every wrong length and scale.
std::vector<Call> all_calls(std::size_t highest_head_dim) {
  std::vector<std::size_t> head_dims = {192, 256, kHuge};
  for (std::size_t d = 0; d <= highest_head_dim; ++d) head_dims.push_back(d);
  std::vector<Call> all;
  for (const std::size_t batch : {std::size_t{0}, std::size_t{1}, std::size_t{2}, kHuge}) {
    for (const std::size_t heads_q : {0, 1, 2, 3, 4}) {
      for (const std::size_t heads_kv : {0, 1, 2, 3}) {
        for (const std::size_t seq_q : {std::size_t{0}, std::size_t{1}, std::size_t{3}, kHuge}) {
          for (const std::size_t seq_kv : {std::size_t{0}, std::size_t{2}, kHuge}) {
            for (const std::size_t d : head_dims) {
              all.push_back(fitting({batch, heads_q, heads_kv, seq_q, seq_kv, d}));
            }
          }
        }
      }
    }
  }
  const Call sound = fitting({1, 2, 1, 3, 2, 64});
  for (std::size_t Call::*length : {&Call::q, &Call::k, &Call::v, &Call::out}) {
    for (const std::size_t by : {std::size_t{1}, ~std::size_t{0}}) {
      all.push_back(sound);
      all.back().*length += by;
    }
  }
  for (const float scale : {NAN, INFINITY, -INFINITY, 0.0f, -1.0f}) {
    all.push_back(sound);
    all.back().scale = scale;
  }
  return all;
}

std::string words_of(const Call& c) {
  return fmt::format("B{} H{}/{} S{}x{} D{}, scale {}, lengths {} {} {} {}", c.s.batch, c.s.heads_q,
                     c.s.heads_kv, c.s.seq_q, c.s.seq_kv, c.s.head_dim, c.scale, c.q, c.k, c.v,
                     c.out);
}

/// Empty when the entry answers as it should.
std::string wrong(Context& context, const Entry& entry, const Call& c) {
  AttentionCall call;
  call.shape = c.s;
  call.scale = c.scale;
  const std::vector<float> q(c.q, 0.5f), k(c.k, 0.25f), v(c.v, 2.0f);
  worker::GuardedOutput<float> out("output", c.out);
  std::ranges::fill(out.span(), kUntouched);
  const AttentionStatus status = entry.run(call, q, k, v, out.span());
  context.add_cases(1);
  if (const auto violation = out.violation()) return violation->message;
  const auto why = reasons(c, entry.any_head_dim);
  auto& compare = context.compare();
  if (!compare.equal(status != AttentionStatus::ok, !why.empty(), "refused")) {
    return fmt::format("answers {}", kernels::to_string(status));
  }
  if (why.empty()) {
    // All values are 2, so whatever the weights, so is the result.
    const std::vector<float> two(c.out, 2.0f);
    return compare.bits(out.span(), two) ? "" : compare.mismatch()->sentence();
  }
  if (!compare.holds(std::ranges::find(why, status) != why.end(), "a reason that holds")) {
    return fmt::format("answers {}, which does not hold", kernels::to_string(status));
  }
  const std::vector<float> untouched(c.out, kUntouched);
  if (compare.bits(out.span(), untouched)) return "";
  return "refuses, and has written: " + compare.mismatch()->sentence();
}

}  // namespace

Verdict attention_refusals(Context& context) {
  context.domain(Domain::exhaustive);
  context.agreement(Agreement::bytewise);
  const auto entries = entries_of(context);
  const std::vector<Call> calls = all_calls(context.count("highest_head_dim"));
  const Value* replayed = context.replay() ? context.replay()->find("call") : nullptr;
  const auto only = replayed ? worker::unsigned_from(*replayed) : std::nullopt;
  for (std::size_t i = only ? *only : 0; i < calls.size(); ++i) {
    for (const Entry& entry : entries) {
      const std::string why = wrong(context, entry, calls[i]);
      if (why.empty()) continue;
      Value v;
      v.set("call", static_cast<std::uint64_t>(i));
      v.set("kernel", entry.name);
      v.set("arguments", words_of(calls[i]));
      return worker::refuted(fmt::format("{} of {}: {}", entry.name, words_of(calls[i]), why),
                             std::move(v));
    }
    if (only) break;
  }
  return worker::survived();
}

}  // namespace refute::falsifiers
