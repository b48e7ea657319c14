#include "harness/instruments/quantize.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <mutex>
#include <utility>

#include <fmt/core.h>

#include "harness/instruments/quantize_encoder.hpp"
#include "harness/tensor/nf4_container.hpp"
#include "harness/tensor/text.hpp"
#include "kernels/nf4.hpp"

namespace refute::instruments {
namespace {

using kernels::Fp8Format;
using kernels::Fp8Granularity;
using tensor::ModelFile;
using tensor::ModelTensor;
using tensor::NewFile;

constexpr std::size_t kBatch = 1u << 18;  // values: 1 MiB of f32, a few hundred KiB to write

std::optional<Failure> world(std::optional<Error> error) {
  if (!error) return std::nullopt;
  return Failure{Failure::Kind::world, *std::move(error)};
}

/// The values where they lie, or in the thread's scratch.
std::span<const float> values_of(const ModelTensor& tensor, std::size_t first, std::size_t count,
                                 Scratch& scratch) {
  if (const auto in_place = floats_in_place(tensor)) return in_place->subspan(first, count);
  const auto floats = scratch.floats(count);
  const auto error = dequantize(tensor, first, floats);
  (void)error;  // only types with values are planned
  return floats;
}

class Quantizer {
 public:
  Quantizer(const ModelFile& model, const QuantizePlan& plan, const BatchOptions& options,
            NewFile& file)
      : model_(model), plan_(plan), batches_(options, plan.source_values), file_(file) {}

  std::optional<Failure> run() {
    if (auto failure = world(file_.reserve(plan_.layout.size))) return failure;
    if (auto failure = write(0, std::as_bytes(std::span(plan_.layout.head)))) return failure;
    for (const QuantizeStep& step : plan_.steps) {
      auto failure = step.kept ? copy(step) : quantize(step);
      // What was read of a file that changed means nothing; that comes first.
      if (auto damage = model_.damaged()) return world(std::move(damage));
      if (failure) return failure;
    }
    return std::nullopt;
  }

 private:
  std::optional<Failure> write(std::size_t offset, std::span<const std::byte> bytes) {
    return world(file_.write(offset, bytes));
  }
  std::size_t offset_of(std::size_t stored) const { return plan_.layout.offsets[stored]; }

  Failure non_finite(const ModelTensor& tensor, std::size_t index) {
    float value = 0;
    const std::size_t block = values_per_block(tensor.type);
    if (block == 1) (void)dequantize(tensor, index, {&value, 1});
    return {
        Failure::Kind::input,
        {fmt::format("{}: tensor '{}': value {} is {}", model_.path(),
                     tensor::printable(tensor.name), index, std::isnan(value) ? "NaN" : "infinite"),
         "weights that are not finite cannot be quantised; leave the tensor alone with --keep"}};
  }

  /// By way of a buffer: the kernel would answer a page that was lost under write() with EFAULT.
  std::optional<Failure> copy(const QuantizeStep& step) {
    const auto bytes = step.tensor->bytes;
    auto failure =
        batches_.run(bytes.size(), kBatch, [&](std::size_t first, std::size_t n, Scratch& scratch) {
          const auto buffer = scratch.bytes(n);
          std::ranges::copy(bytes.subspan(first, n), buffer.begin());
          return write(offset_of(step.stored) + first, buffer);
        });
    batches_.advance(step.tensor->count);
    return failure;
  }

  std::optional<Failure> quantize(const QuantizeStep& step) {
    float scale = 1;
    if (const auto* fp8 = std::get_if<Fp8Format>(&plan_.options.target);
        fp8 != nullptr && plan_.options.granularity == Fp8Granularity::tensor) {
      float absmax = 0;
      if (auto failure = find_absmax(*step.tensor, absmax)) return failure;
      scale = fp8_tensor_scale(*fp8, absmax);
      const auto bytes = std::as_bytes(std::span(&scale, 1));
      if (auto failure = write(offset_of(step.stored + 1), bytes)) return failure;
    }
    if (std::holds_alternative<Nf4Target>(plan_.options.target)) {
      if (auto failure = write_nf4_parts(step)) return failure;
    }
    return encode(step, make_encoder(*step.tensor, plan_.options, scale));
  }

  std::optional<Failure> find_absmax(const ModelTensor& tensor, float& absmax) {
    std::mutex mutex;
    return batches_.run(
        tensor.count, kBatch,
        [&](std::size_t first, std::size_t n, Scratch& scratch) -> std::optional<Failure> {
          const AbsMax found = absmax_of(values_of(tensor, first, n, scratch));
          if (found.non_finite) return non_finite(tensor, first + *found.non_finite);
          const std::lock_guard lock(mutex);
          absmax = std::max(absmax, found.value);
          return std::nullopt;
        });
  }

  std::optional<Failure> write_nf4_parts(const QuantizeStep& step) {
    const auto map = std::as_bytes(std::span(kernels::kNf4Codebook));
    if (auto failure = write(offset_of(step.stored + 2), map)) return failure;
    const std::string state = tensor::nf4_state(*step.tensor, kernels::kNf4Block);
    return write(offset_of(step.stored + 3), std::as_bytes(std::span(state)));
  }

  std::optional<Failure> encode(const QuantizeStep& step, const Encoder& encoder) {
    const std::size_t batch = std::max<std::size_t>(1, kBatch / encoder.step) * encoder.step;
    return batches_.run(step.tensor->count, batch,
                        [&](std::size_t first, std::size_t n, Scratch& scratch) {
                          return encode_batch(step, encoder, first, n, scratch);
                        });
  }

  std::optional<Failure> encode_batch(const QuantizeStep& step, const Encoder& encoder,
                                      std::size_t first, std::size_t count, Scratch& scratch) {
    const auto codes = scratch.bytes(encoder.code_bytes(count));
    const auto scales = scratch.more_bytes(encoder.scale_bytes(count));
    for (std::size_t at = 0; at < count; at += encoder.step) {
      const std::size_t n = std::min(encoder.step, count - at);
      const auto in = values_of(*step.tensor, first + at, n, scratch);
      const auto bad =
          encoder.encode(in, codes.subspan(encoder.code_bytes(at), encoder.code_bytes(n)),
                         scales.subspan(encoder.scale_bytes(at), encoder.scale_bytes(n)), scratch);
      if (bad) return non_finite(*step.tensor, first + at + *bad);
    }
    if (auto failure = write(offset_of(step.stored) + encoder.code_bytes(first), codes))
      return failure;
    batches_.advance(count);
    if (scales.empty()) return std::nullopt;
    return write(offset_of(step.stored + 1) + encoder.scale_bytes(first), scales);
  }

  const ModelFile& model_;
  const QuantizePlan& plan_;
  Batches batches_;
  NewFile& file_;
};

}  // namespace

std::optional<Failure> quantize(const ModelFile& model, const QuantizePlan& plan,
                                const BatchOptions& batches, NewFile& file) {
  return Quantizer(model, plan, batches, file).run();
}

}  // namespace refute::instruments
