#include <cstring>
#include <vector>

#include "falsifiers/subjects/nf4_subjects.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/external_subject.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using worker::RefusedInput;
using worker::SubjectFailure;

Value request(const char* op, std::size_t rows, std::size_t cols) {
  Value r;
  r.set("op", op);
  r.set("rows", static_cast<std::uint64_t>(rows));
  r.set("cols", static_cast<std::uint64_t>(cols));
  return r;
}

class Nf4External : public worker::Nf4Subject {
 public:
  Nf4External(const std::string& path, double time_limit_s) : server_(path, time_limit_s) {}

  Nf4Result quantize(std::span<const float> w, std::size_t rows, std::size_t cols,
                     Nf4Decision decision, std::span<std::uint8_t> codes,
                     std::span<float> absmax) override {
    Value r = request("nf4.quantize", rows, cols);
    r.set("decision", decision == Nf4Decision::thresholds ? "thresholds" : "nearest");
    const auto answer =
        server_.ask(std::move(r), std::as_bytes(w), codes.size_bytes() + absmax.size_bytes());
    if (const auto* refused = std::get_if<RefusedInput>(&answer))
      return {Nf4Status::non_finite, refused->index};
    const auto& bytes = std::get<0>(answer);
    if (!codes.empty()) std::memcpy(codes.data(), bytes.data(), codes.size_bytes());
    if (!absmax.empty())
      std::memcpy(absmax.data(), bytes.data() + codes.size_bytes(), absmax.size_bytes());
    return {};
  }

  Nf4Result dequantize(std::span<const std::uint8_t> codes, std::span<const float> absmax,
                       std::size_t rows, std::size_t cols, std::span<float> out) override {
    std::vector<std::byte> bytes(codes.size_bytes() + absmax.size_bytes());
    if (!codes.empty()) std::memcpy(bytes.data(), codes.data(), codes.size_bytes());
    if (!absmax.empty())
      std::memcpy(bytes.data() + codes.size_bytes(), absmax.data(), absmax.size_bytes());
    const auto answer = server_.ask(request("nf4.dequantize", rows, cols), bytes, out.size_bytes());
    if (std::holds_alternative<RefusedInput>(answer))
      throw SubjectFailure("it refused codes that are all valid");
    if (!out.empty()) std::memcpy(out.data(), std::get<0>(answer).data(), out.size_bytes());
    return {};
  }

  // The protocol has no operations for these, so no row that needs them is ever bound to a server.
  Nf4Result pack(std::span<const std::uint8_t>, std::span<const float>, std::size_t, std::size_t,
                 Nf4Layout, std::span<std::uint8_t>) override {
    throw SubjectFailure("packing is not served");
  }
  Nf4Result unpack(std::span<const std::uint8_t>, std::size_t, std::size_t, Nf4Layout,
                   std::span<std::uint8_t>, std::span<float>) override {
    throw SubjectFailure("unpacking is not served");
  }
  Nf4Result gemm(std::span<const float>, std::span<const std::uint8_t>, std::size_t, std::size_t,
                 std::size_t, Nf4Layout, std::span<float>) override {
    throw SubjectFailure("the GEMM is not served");
  }

 private:
  worker::ExternalSubject server_;
};

}  // namespace

std::unique_ptr<worker::Nf4Subject> make_nf4_external(const std::string& path,
                                                      double time_limit_s) {
  return std::make_unique<Nf4External>(path, time_limit_s);
}

}  // namespace refute::falsifiers
