// The codec in calls of every length, at every place: a code hangs on its value alone. The sweeps
// over all values ask in whole vectors and in order, so a tail, or a kernel that counts instead of
// reading, does not show there.

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "falsifiers/crux_b_11/checks.hpp"
#include "falsifiers/crux_b_11/support.hpp"
#include "falsifiers/subjects/fp8_subjects.hpp"
#include "fixtures/oracles/fp8_oracle.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/worker/expand.hpp"
#include "harness/worker/guarded_buffer.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using worker::Context;
using worker::GuardedOutput;
using worker::WatchedInput;

/// Input and output begin `offset` elements behind an aligned address.
struct Call {
  std::size_t length = 0, offset = 0;
};

std::optional<std::size_t> replayed(const Context& context, const char* member) {
  const Value* v = context.replay() ? context.replay()->find(member) : nullptr;
  return v ? worker::unsigned_from(*v) : std::nullopt;
}

std::vector<Call> calls_of(Context& context) {
  std::vector<std::uint64_t> lengths = context.counts("long_calls");
  const std::uint64_t longest = context.count("longest"), offsets = context.count("offsets");
  for (std::uint64_t n = 0; n <= longest; ++n) lengths.push_back(n);
  std::ranges::sort(lengths);
  const auto only_length = replayed(context, "length"), only_offset = replayed(context, "offset");
  std::vector<Call> calls;
  for (const std::uint64_t length : lengths) {
    for (std::uint64_t offset = 0; offset < offsets; ++offset) {
      if (length != only_length.value_or(length) || offset != only_offset.value_or(offset))
        continue;
      calls.push_back({length, offset});
    }
  }
  return calls;
}

/// A quarter anything; the rest inside FP8's range and a little beyond, where codes differ, a third
/// of it with so few mantissa bits that many lie halfway between two codes.
std::uint32_t draw_f32(std::uint64_t seed, std::uint32_t i) {
  const std::uint32_t bits = worker::word_at(seed, 0, i), choice = worker::word_at(seed, 1, i);
  if (choice % 4 == 0) return bits;
  const std::uint32_t exponent = 127 - 20 + (choice >> 8) % 40;
  const std::uint32_t kept = choice % 4 == 1 ? 0x8078'0000u : 0x807f'ffffu;
  return (bits & kept) | exponent << 23;
}

/// One operation: its input and output types, how an input is drawn, and what is right.
struct EncodeF32 {
  using In = float;
  using Out = std::uint8_t;
  static In draw(std::uint64_t seed, std::uint32_t i) {
    return std::bit_cast<float>(draw_f32(seed, i));
  }
  static void run(worker::Fp8Subject& s, std::span<const In> in, std::span<Out> out, Fp8Mode mode) {
    s.encode(in, out, mode);
  }
  static Out want(In x, Fp8Mode mode) { return oracle_code(std::bit_cast<std::uint32_t>(x), mode); }
  static std::string words(In x) { return worker::exact(x); }
};

struct EncodeF16 {
  using In = std::uint16_t;
  using Out = std::uint8_t;
  static In draw(std::uint64_t seed, std::uint32_t i) {
    return static_cast<In>(worker::word_at(seed, 0, i));
  }
  static void run(worker::Fp8Subject& s, std::span<const In> in, std::span<Out> out, Fp8Mode mode) {
    s.encode_f16(in, out, mode);
  }
  static Out want(In x, Fp8Mode mode) { return oracle_code(oracles::f16_to_f32_bits(x), mode); }
  static std::string words(In x) {
    return worker::exact(std::bit_cast<float>(oracles::f16_to_f32_bits(x)));
  }
};

struct EncodeBf16 {
  using In = std::uint16_t;
  using Out = std::uint8_t;
  static In draw(std::uint64_t seed, std::uint32_t i) {
    return static_cast<In>(draw_f32(seed, i) >> 16);
  }
  static void run(worker::Fp8Subject& s, std::span<const In> in, std::span<Out> out, Fp8Mode mode) {
    s.encode_bf16(in, out, mode);
  }
  static Out want(In x, Fp8Mode mode) { return oracle_code(oracles::bf16_to_f32_bits(x), mode); }
  static std::string words(In x) {
    return worker::exact(std::bit_cast<float>(oracles::bf16_to_f32_bits(x)));
  }
};

struct Decode {
  using In = std::uint8_t;
  using Out = float;
  static In draw(std::uint64_t seed, std::uint32_t i) {
    return static_cast<In>(worker::word_at(seed, 0, i));
  }
  static void run(worker::Fp8Subject& s, std::span<const In> in, std::span<Out> out, Fp8Mode mode) {
    s.decode(in, out, mode.format);
  }
  static Out want(In code, Fp8Mode mode) { return oracle_value(code, mode.format); }
  static std::string words(In x) { return worker::hex_bits(x); }
};

template <class Op>
std::string mode_words(Fp8Mode mode) {
  if constexpr (std::is_same_v<Op, Decode>) return std::string(to_string(mode.format));
  return describe(mode);
}

bool equal(worker::Comparator& compare, std::span<const std::uint8_t> got,
           std::span<const std::uint8_t> want) {
  return compare.bytes(got, want);
}
bool equal(worker::Comparator& compare, std::span<const float> got, std::span<const float> want) {
  return compare.bits_nan_by_class(got, want);
}

/// Memory for calls of any length, reused.
template <class Op>
class Bench {
 public:
  using In = typename Op::In;
  using Out = typename Op::Out;

  /// A refutation, or nothing.
  std::optional<Verdict> run(Context& context, worker::Fp8Subject& subject, Fp8Mode mode,
                             const Call& call, std::uint64_t seed) {
    in_.resize(call.offset + call.length);
    for (std::size_t i = 0; i < in_.size(); ++i) {
      in_[i] = Op::draw(seed, static_cast<std::uint32_t>(i));
    }
    want_.resize(call.length);
    for (std::size_t i = 0; i < call.length; ++i) {
      want_[i] = Op::want(in_[call.offset + i], mode);
    }
    watched_.reset(in_);
    got_.reset(call.offset + call.length);
    const std::vector<Out> before(got_.span().begin(), got_.span().begin() + offset_of(call));
    const std::span<Out> out = got_.span().subspan(call.offset);
    Op::run(subject, std::span<const In>(in_).subspan(call.offset), out, mode);
    context.add_cases(std::max<std::size_t>(call.length, 1));
    Value where = to_value(mode);
    where.set("length", static_cast<std::uint64_t>(call.length));
    where.set("offset", static_cast<std::uint64_t>(call.offset));
    const std::string words = fmt::format("{}, a call of {} at offset {}", mode_words<Op>(mode),
                                          call.length, call.offset);
    if (const auto v = worker::first_violation(got_, watched_)) return refuted_by(*v, words, where);
    if (std::memcmp(before.data(), got_.span().data(), before.size() * sizeof(Out)) != 0) {
      return worker::refuted(words + ": writes before the output's first element",
                             std::move(where));
    }
    // Nothing to compare is nothing to negate either.
    if (call.length == 0 || equal(context.compare(), out, want_)) return std::nullopt;
    return refuted_by(context.compare(), words, std::move(where),
                      [&](std::size_t i) { return Op::words(in_[call.offset + i]); });
  }

  std::span<const Out> want() const { return want_; }

 private:
  static std::ptrdiff_t offset_of(const Call& call) {
    return static_cast<std::ptrdiff_t>(call.offset);
  }

  std::vector<In> in_;
  std::vector<Out> want_;
  GuardedOutput<Out> got_{"output", 0};
  WatchedInput<In> watched_{"input", {}};
};

template <class Op>
Verdict any_length(Context& context, const std::vector<Fp8Mode>& modes) {
  context.agreement(Agreement::bytewise);
  const auto subject = fp8_subject_of(context);
  const std::vector<Call> calls = calls_of(context);
  Bench<Op> bench;
  Sha256 digest;
  for (const Fp8Mode mode : modes) {
    for (const Call& call : calls) {
      const std::uint64_t seed =
          worker::derive_seed(context.seed(), call.length * 64 + call.offset);
      if (auto refuted = bench.run(context, *subject, mode, call, seed)) return *refuted;
      digest.bytes(bench.want().data(), bench.want().size_bytes());
    }
  }
  context.result(digest.finish());
  return worker::survived();
}

}  // namespace

Verdict fp8_encode_any_length(Context& context) {
  return any_length<EncodeF32>(context, modes_of(context));
}

Verdict fp8_encode_f16_any_length(Context& context) {
  return any_length<EncodeF16>(context, modes_of(context));
}

Verdict fp8_encode_bf16_any_length(Context& context) {
  return any_length<EncodeBf16>(context, modes_of(context));
}

Verdict fp8_decode_any_length(Context& context) {
  std::vector<Fp8Mode> modes;
  for (const Fp8Format format : formats_of(context)) modes.push_back({format});
  return any_length<Decode>(context, modes);
}

}  // namespace refute::falsifiers
