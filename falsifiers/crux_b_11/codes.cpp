// The codec, code by code: decode of all 256 codes, encode of every half-precision value.

#include <bit>
#include <numeric>
#include <vector>

#include <fmt/format.h>

#include "falsifiers/crux_b_11/checks.hpp"
#include "falsifiers/crux_b_11/support.hpp"
#include "falsifiers/subjects/fp8_subjects.hpp"
#include "fixtures/oracles/fp8_oracle.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/worker/guarded_buffer.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using worker::Context;
using worker::GuardedOutput;
using worker::WatchedInput;

using EncodeHalf = void (worker::Fp8Subject::*)(std::span<const std::uint16_t>,
                                                std::span<std::uint8_t>, Fp8Mode);

std::vector<std::uint16_t> all_half_patterns() {
  std::vector<std::uint16_t> all(1u << 16);
  std::iota(all.begin(), all.end(), std::uint16_t{0});
  return all;
}

/// Both half precisions differ in the encoder and in how a pattern widens to f32, and in nothing
/// else.
template <class Widen>
Verdict encode_half_all(Context& context, EncodeHalf encode, Widen widen) {
  context.domain(Domain::exhaustive);
  context.agreement(Agreement::bytewise);
  const auto subject = fp8_subject_of(context);
  const std::vector<std::uint16_t> in = all_half_patterns();
  std::vector<std::uint8_t> want(in.size());
  const WatchedInput<std::uint16_t> watched("in", in);
  GuardedOutput<std::uint8_t> got("codes", in.size());
  Sha256 digest;
  for (Fp8Mode mode : modes_of(context)) {
    got.reset(in.size());
    (subject.get()->*encode)(in, got.span(), mode);
    context.add_cases(in.size());
    if (const auto v = worker::first_violation(got, watched))
      return refuted_by(*v, describe(mode), to_value(mode));
    for (std::size_t i = 0; i < in.size(); ++i) want[i] = oracle_code(widen(in[i]), mode);
    if (!context.compare().bytes(got.span(), want)) {
      return refuted_by(context.compare(), describe(mode), to_value(mode), [&](std::size_t i) {
        return worker::exact(std::bit_cast<float>(widen(in[i])));
      });
    }
    digest.bytes(got.span().data(), got.span().size());
  }
  context.result(digest.finish());
  return worker::survived();
}

}  // namespace

Verdict fp8_decode_all(Context& context) {
  context.domain(Domain::exhaustive);
  context.agreement(Agreement::bytewise);
  const auto subject = fp8_subject_of(context);
  std::vector<std::uint8_t> codes(256);
  std::iota(codes.begin(), codes.end(), std::uint8_t{0});
  const WatchedInput<std::uint8_t> watched("codes", codes);
  std::vector<float> want(codes.size());
  Sha256 digest;
  for (Fp8Format format : formats_of(context)) {
    GuardedOutput<float> got("values", codes.size());
    subject->decode(codes, got.span(), format);
    context.add_cases(codes.size());
    Value where;
    where.set("format", to_string(format));
    const std::string name(to_string(format));
    if (const auto v = worker::first_violation(got, watched)) return refuted_by(*v, name, where);
    for (std::size_t i = 0; i < codes.size(); ++i) want[i] = oracle_value(codes[i], format);
    // Which quiet NaN a NaN code becomes is not part of the claim; that it is one, and its sign,
    // is.
    if (!context.compare().bits_nan_by_class(got.span(), want))
      return refuted_by(context.compare(), name, where);
    digest.bytes(want.data(), want.size() * sizeof(float));
  }
  context.result(digest.finish());
  return worker::survived();
}

Verdict fp8_encode_f16_all(Context& context) {
  return encode_half_all(context, &worker::Fp8Subject::encode_f16, oracles::f16_to_f32_bits);
}

Verdict fp8_encode_bf16_all(Context& context) {
  return encode_half_all(context, &worker::Fp8Subject::encode_bf16, oracles::bf16_to_f32_bits);
}

}  // namespace refute::falsifiers
