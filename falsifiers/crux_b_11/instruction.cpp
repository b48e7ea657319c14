// The codec against the device's own conversion instruction, over all 2^32 f32 values.

#include <bit>
#include <vector>

#include <fmt/format.h>

#include "falsifiers/crux_b_11/checks.hpp"
#include "falsifiers/crux_b_11/support.hpp"
#include "falsifiers/subjects/cuda/device_gate.hpp"
#include "falsifiers/subjects/fp8_subjects.hpp"
#include "harness/worker/domains.hpp"
#include "harness/worker/guarded_buffer.hpp"
#include "kernels/cuda/fp8_cuda.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using worker::Context;

constexpr std::uint64_t kPatterns = std::uint64_t{1} << 32;
constexpr std::size_t kChunk = std::size_t{1} << 24;

/// The instruction has no other mode.
constexpr Fp8Mode mode_of(Fp8Format format) {
  return {format, Fp8Rounding::ties_even, Fp8Overflow::satfinite};
}

/// One chunk's codes by the subject, in memory that is used again for the next.
class Encoder {
 public:
  explicit Encoder(worker::Fp8Subject& subject) : subject_(subject) {}

  std::optional<worker::GuardViolation> run(std::uint32_t first, Fp8Format format) {
    worker::fill_patterns(first, in_);
    codes_.reset(kChunk);
    subject_.encode_range(first, in_, codes_.span(), mode_of(format));
    return codes_.violation();
  }
  std::span<const std::uint8_t> codes() const { return codes_.span(); }

 private:
  worker::Fp8Subject& subject_;
  std::vector<float> in_ = std::vector<float>(kChunk);
  worker::GuardedOutput<std::uint8_t> codes_{"codes", kChunk};
};

Verdict refutation(std::uint32_t pattern, std::uint8_t got, Fp8Format format) {
  Value element;
  element.set("index", std::uint64_t{pattern});
  element.set("input", worker::exact(std::bit_cast<float>(pattern)));
  element.set("got", worker::hex_bits(got));
  Value counterexample = to_value(mode_of(format));
  counterexample.set("element", std::move(element));
  return worker::refuted(
      fmt::format("{}: {} encodes as {}, and otherwise by the instruction",
                  describe(mode_of(format)), worker::exact(std::bit_cast<float>(pattern)),
                  worker::hex_bits(got)),
      std::move(counterexample));
}

}  // namespace

Verdict fp8_encode_as_instruction(Context& context) {
  require_cuda_device(context);  // a mutant on the host needs the instruction just as well
  context.domain(Domain::exhaustive);
  context.agreement(Agreement::bytewise);
  const auto subject = fp8_subject_of(context);
  const auto only = replayed_index(context);
  const std::uint64_t begin = only ? *only / kChunk * kChunk : 0;
  const std::uint64_t end = only ? begin + kChunk : kPatterns;
  Encoder encoder(*subject);
  for (Fp8Format format : formats_of(context)) {
    for (std::uint64_t at = begin; at < end; at += kChunk) {
      const auto first = static_cast<std::uint32_t>(at);
      context.add_cases(kChunk);
      if (const auto v = encoder.run(first, format)) return refuted_by(*v, "encode", Value::Map{});
      const auto found = cuda::fp8_differs_from_instruction(first, encoder.codes(), format,
                                                            context.compare().negated());
      demand(found.cuda);
      context.compare().add_equal(kChunk);
      if (found.value) {
        return refutation(*found.value, encoder.codes()[*found.value - first], format);
      }
    }
  }
  return worker::survived();
}

}  // namespace refute::falsifiers
