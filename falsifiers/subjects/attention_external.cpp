#include "falsifiers/subjects/attention_external.hpp"

#include <cstring>

#include <fmt/format.h>

#include "harness/worker/compare.hpp"
#include "harness/worker/external_subject.hpp"
#include "kernels/attention_half.hpp"

namespace refute::falsifiers {
namespace {

using mutants::KernelInputs;
using mutants::KernelShape;
using mutants::Storage;
using worker::RefusedInput;

constexpr const char* kStorages[] = {"f32", "f16", "bf16"};

template <class T>
void append_as(std::vector<std::byte>& to, const std::vector<float>& x) {
  for (const float value : x) {
    const T element = kernels::from_float<T>(value);
    const auto* bytes = reinterpret_cast<const std::byte*>(&element);
    to.insert(to.end(), bytes, bytes + sizeof element);
  }
}

template <class T>
std::vector<float> floats_of(const std::vector<std::byte>& bytes) {
  std::vector<float> x(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < x.size(); ++i) {
    T element;
    std::memcpy(&element, &bytes[i * sizeof(T)], sizeof element);
    x[i] = kernels::to_float(element);
  }
  return x;
}

class AttentionExternal : public AttentionSubject {
 public:
  AttentionExternal(const std::string& path, double time_limit_s) : server_(path, time_limit_s) {}

  bool has(const AttentionVariant& v) const override { return v.kernel == AttentionKernel::flash2; }

  AttentionAnswer run(const KernelShape& s, const KernelInputs& in,
                      const AttentionVariant& variant) override {
    switch (s.storage) {
      case Storage::f32:
        return ask<float>(s, in, variant);
      case Storage::f16:
        return ask<kernels::F16>(s, in, variant);
      case Storage::bf16:
        return ask<kernels::Bf16>(s, in, variant);
    }
    return {};
  }

 private:
  static Value request(const KernelShape& s, const AttentionVariant& variant) {
    Value r;
    r.set("op", "attention.forward");
    r.set("dtype", kStorages[static_cast<int>(s.storage)]);
    r.set("batch", static_cast<std::uint64_t>(s.batch));
    r.set("heads_q", static_cast<std::uint64_t>(s.heads_q));
    r.set("heads_kv", static_cast<std::uint64_t>(s.heads_kv));
    r.set("seq_q", static_cast<std::uint64_t>(s.seq_q));
    r.set("seq_kv", static_cast<std::uint64_t>(s.seq_kv));
    r.set("head_dim", static_cast<std::uint64_t>(s.head_dim));
    r.set("causal", s.causal);
    r.set("scale", worker::hex_float(s.scale()));
    r.set("probabilities", variant.rounds_probabilities ? "round_to_storage" : "keep_f32");
    return r;
  }

  template <class T>
  AttentionAnswer ask(const KernelShape& s, const KernelInputs& in,
                      const AttentionVariant& variant) {
    std::vector<std::byte> bytes;
    for (const std::vector<float>* x : {&in.a, &in.b, &in.c}) append_as<T>(bytes, *x);
    const auto answer = server_.ask(request(s, variant), bytes, in.a.size() * sizeof(T));
    if (const auto* refused = std::get_if<RefusedInput>(&answer)) {
      return {{}, fmt::format("refused its input at element {}", refused->index)};
    }
    return {floats_of<T>(std::get<0>(answer)), ""};
  }

  worker::ExternalSubject server_;
};

}  // namespace

std::unique_ptr<AttentionSubject> make_attention_external(const std::string& path,
                                                          double time_limit_s) {
  return std::make_unique<AttentionExternal>(path, time_limit_s);
}

}  // namespace refute::falsifiers
