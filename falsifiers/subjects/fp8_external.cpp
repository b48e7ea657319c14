#include "falsifiers/subjects/fp8_external.hpp"

#include <cstring>
#include <vector>

#include "harness/worker/errors.hpp"
#include "harness/worker/external_subject.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using worker::RefusedInput;

const char* word(Fp8Format f) {
  return f == Fp8Format::e4m3 ? "e4m3" : "e5m2";
}
const char* word(Fp8Rounding r) {
  return r == Fp8Rounding::ties_even ? "ties_even" : "ties_lower";
}
const char* word(Fp8Overflow o) {
  return o == Fp8Overflow::satfinite ? "satfinite" : "nonsat";
}
const char* word(Fp8Granularity g) {
  switch (g) {
    case Fp8Granularity::tensor:
      return "tensor";
    case Fp8Granularity::channel:
      return "channel";
    case Fp8Granularity::block:
      return "block";
  }
  return "";
}

Value request(const char* op, Fp8Mode mode) {
  Value r;
  r.set("op", op);
  r.set("format", word(mode.format));
  r.set("rounding", word(mode.rounding));
  r.set("overflow", word(mode.overflow));
  return r;
}

void add_layout(Value& request, const Fp8Layout& layout) {
  request.set("rows", static_cast<std::uint64_t>(layout.rows));
  request.set("cols", static_cast<std::uint64_t>(layout.cols));
  request.set("granularity", word(layout.granularity));
  request.set("block", static_cast<std::uint64_t>(layout.block));
}

template <class T>
void copy_out(std::span<const std::byte> bytes, std::span<T> out) {
  if (!out.empty()) std::memcpy(out.data(), bytes.data(), out.size_bytes());
}

class External : public worker::Fp8Subject {
 public:
  External(const std::string& path, double time_limit_s) : server_(path, time_limit_s) {}

  void encode(std::span<const float> in, std::span<std::uint8_t> out, Fp8Mode mode) override {
    codes("fp8.encode", in, out, mode);
  }
  void encode_f16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out,
                  Fp8Mode mode) override {
    codes("fp8.encode_f16", in, out, mode);
  }
  void encode_bf16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out,
                   Fp8Mode mode) override {
    codes("fp8.encode_bf16", in, out, mode);
  }

  void encode_range(std::uint32_t first, std::span<const float>, std::span<std::uint8_t> out,
                    Fp8Mode mode) override {
    Value r = request("fp8.encode_range", mode);
    r.set("first", static_cast<std::uint64_t>(first));
    r.set("count", static_cast<std::uint64_t>(out.size()));
    copy_out(require(server_.ask(std::move(r), {}, out.size_bytes())), out);
  }

  void decode(std::span<const std::uint8_t> in, std::span<float> out, Fp8Format format) override {
    Value r;
    r.set("op", "fp8.decode");
    r.set("format", word(format));
    r.set("count", static_cast<std::uint64_t>(in.size()));
    copy_out(require(server_.ask(std::move(r), std::as_bytes(in), out.size_bytes())), out);
  }

  Fp8QuantizeResult quantize(std::span<const float> w, Fp8Layout layout, Fp8Mode mode,
                             std::span<std::uint8_t> codes, std::span<float> scales) override {
    Value r = request("fp8.quantize", mode);
    add_layout(r, layout);
    const auto answer =
        server_.ask(std::move(r), std::as_bytes(w), codes.size_bytes() + scales.size_bytes());
    if (const auto* refused = std::get_if<RefusedInput>(&answer))
      return {Fp8Status::non_finite, refused->index};
    const std::span bytes(std::get<0>(answer));
    copy_out(bytes.first(codes.size_bytes()), codes);
    copy_out(bytes.subspan(codes.size_bytes()), scales);
    return {};
  }

  Fp8QuantizeResult dequantize(std::span<const std::uint8_t> codes, std::span<const float> scales,
                               Fp8Layout layout, Fp8Format format, std::span<float> out) override {
    Value r;
    r.set("op", "fp8.dequantize");
    r.set("format", word(format));
    add_layout(r, layout);
    r.set("scales", static_cast<std::uint64_t>(scales.size()));
    std::vector<std::byte> bytes(codes.size_bytes() + scales.size_bytes());
    std::memcpy(bytes.data(), codes.data(), codes.size_bytes());
    std::memcpy(bytes.data() + codes.size_bytes(), scales.data(), scales.size_bytes());
    copy_out(require(server_.ask(std::move(r), bytes, out.size_bytes())), out);
    return {};
  }

 private:
  using Answer = std::variant<std::vector<std::byte>, RefusedInput>;

  template <class T>
  void codes(const char* op, std::span<const T> in, std::span<std::uint8_t> out, Fp8Mode mode) {
    Value r = request(op, mode);
    r.set("count", static_cast<std::uint64_t>(in.size()));
    copy_out(require(server_.ask(std::move(r), std::as_bytes(in), out.size_bytes())), out);
  }

  /// Encoding and decoding have an answer for every input, so a refusal is a failure.
  static std::vector<std::byte> require(Answer answer) {
    if (const auto* refused = std::get_if<RefusedInput>(&answer)) {
      throw worker::SubjectFailure("it refused an input that this operation has an answer for: " +
                                   refused->error);
    }
    return std::get<0>(std::move(answer));
  }

  worker::ExternalSubject server_;
};

}  // namespace

std::unique_ptr<worker::Fp8Subject> make_fp8_external(const std::string& path,
                                                      double time_limit_s) {
  return std::make_unique<External>(path, time_limit_s);
}

}  // namespace refute::falsifiers
