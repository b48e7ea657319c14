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

  Quantized run() {
    Quantized done;
    done.failure = work();
    done.flushed = std::move(flushed_);
    return done;
  }

 private:
  std::optional<Failure> work() {
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

  std::optional<Failure> write(std::size_t offset, std::span<const std::byte> bytes) {
    return world(file_.write(offset, bytes));
  }
  std::size_t offset_of(std::size_t stored) const { return plan_.layout.offsets[stored]; }

  Failure about(const ModelTensor& tensor, std::string_view what, std::string_view hint) const {
    return {
        Failure::Kind::input,
        {fmt::format("{}: tensor '{}': {}", model_.path(), tensor::printable(tensor.name), what),
         std::string(hint)}};
  }

  Failure non_finite(const ModelTensor& tensor, std::size_t index) const {
    const double value = exact_value(tensor, index);
    if (std::isfinite(value)) {
      return about(tensor, fmt::format("value {} is {}, too large for f32", index, value),
                   "quantisers work in f32; leave the tensor alone with --keep");
    }
    return about(
        tensor, fmt::format("value {} is {}", index, std::isnan(value) ? "NaN" : "infinite"),
        "weights that are not finite cannot be quantised; leave the tensor alone with --keep");
  }

  Failure too_large(const QuantizeStep& step, const LossGroup& group) const {
    const std::string format = to_string(step.target);
    const std::string what =
        group.length == 1
            ? fmt::format("value {} is {} in size, too large for {}", group.first, group.largest,
                          format)
            : fmt::format(
                  "block {}, values {} to {}, goes up to {} in size, too large for the "
                  "scales of {}",
                  group.first / group.length, group.first, group.first + group.length - 1,
                  group.largest, format);
    return about(
        *step.tensor, what,
        "infinities would be stored; leave the tensor alone with --keep, or choose fp8-e4m3 "
        "or nf4, whose scales are F32");
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
    if (const auto* fp8 = std::get_if<Fp8Format>(&step.target);
        fp8 != nullptr && plan_.options.granularity == Fp8Granularity::tensor) {
      float absmax = 0;
      if (auto failure = find_absmax(*step.tensor, absmax)) return failure;
      scale = fp8_tensor_scale(*fp8, absmax);
      const auto bytes = std::as_bytes(std::span(&scale, 1));
      if (auto failure = write(offset_of(step.stored + 1), bytes)) return failure;
    }
    if (std::holds_alternative<Nf4Target>(step.target)) {
      if (auto failure = write_nf4_parts(step)) return failure;
    }
    Losses losses;
    QuantizeOptions options = plan_.options;
    options.target = step.target;
    auto failure = encode(step, make_encoder(*step.tensor, options, scale), losses);
    if (worth_telling(step.target, losses)) flushed_.push_back({step.tensor, step.target, losses});
    return failure;
  }

  /// A few values that become zeros are rounding; a block of them is a loss, and so is most of a
  /// tensor.
  static bool worth_telling(const QuantizeTarget& target, const Losses& losses) {
    const auto* ggml = std::get_if<kernels::GgmlFormat>(&target);
    const bool blocks = ggml != nullptr && kernels::ggml_info(*ggml).block_size != 1;
    return losses.flushed > (blocks ? 0 : losses.alive);
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

  std::optional<Failure> encode(const QuantizeStep& step, const Encoder& encoder, Losses& losses) {
    const std::size_t batch = std::max<std::size_t>(1, kBatch / encoder.step) * encoder.step;
    std::mutex mutex;
    return batches_.run(step.tensor->count, batch,
                        [&](std::size_t first, std::size_t n, Scratch& scratch) {
                          Losses found;
                          auto failure = encode_batch(step, encoder, first, n, scratch, found);
                          const std::lock_guard lock(mutex);
                          losses.add(found);
                          return failure;
                        });
  }

  std::optional<Failure> encode_batch(const QuantizeStep& step, const Encoder& encoder,
                                      std::size_t first, std::size_t count, Scratch& scratch,
                                      Losses& losses) {
    const auto codes = scratch.bytes(encoder.code_bytes(count));
    const auto scales = scratch.more_bytes(encoder.scale_bytes(count));
    for (std::size_t at = 0; at < count; at += encoder.step) {
      const std::size_t n = std::min(encoder.step, count - at);
      const auto in = values_of(*step.tensor, first + at, n, scratch);
      const auto made = codes.subspan(encoder.code_bytes(at), encoder.code_bytes(n));
      const auto bad = encoder.encode(
          in, made, scales.subspan(encoder.scale_bytes(at), encoder.scale_bytes(n)), scratch);
      if (bad) return non_finite(*step.tensor, first + at + *bad);
      losses.add(find_losses(step.target, first + at, in, made));
      if (losses.too_large) return too_large(step, *losses.too_large);
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
  std::vector<FlushedTensor> flushed_;
};

}  // namespace

Quantized quantize(const ModelFile& model, const QuantizePlan& plan, const BatchOptions& batches,
                   NewFile& file) {
  return Quantizer(model, plan, batches, file).run();
}

}  // namespace refute::instruments
