#include "harness/instruments/dequantize.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/core.h>

#include "harness/tensor/crc32.hpp"
#include "harness/tensor/narrow.hpp"
#include "harness/tensor/text.hpp"

namespace refute::instruments {
namespace {

using tensor::ModelFile;
using tensor::ModelTensor;
using tensor::NewFile;

constexpr std::size_t kStep = 16384;  // 64 KiB of f32: what a core's own cache holds
constexpr std::size_t kBatchSteps = 16;

std::optional<Failure> world(std::optional<Error> error) {
  if (!error) return std::nullopt;
  return Failure{Failure::Kind::world, *std::move(error)};
}

/// About kStep values, whole blocks.
std::size_t step_of(const ModelTensor& tensor) {
  const std::size_t block = values_per_block(tensor.type);
  return std::max<std::size_t>(1, kStep / block) * block;
}

class Dequantizer {
 public:
  Dequantizer(const ModelFile& model, const DequantizePlan& plan, const BatchOptions& options,
              NewFile& file)
      : model_(model), plan_(plan), batches_(options, plan.source_values), file_(file) {}

  std::optional<Failure> run() {
    if (auto failure = world(file_.reserve(plan_.size))) return failure;
    if (auto failure = write(0, std::as_bytes(std::span(plan_.head)))) return failure;
    for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
      auto failure = convert(plan_.steps[i], plan_.offsets[i]);
      // What was read of a file that changed means nothing; that comes first.
      if (auto damage = model_.damaged()) return world(std::move(damage));
      if (failure) return failure;
    }
    return plan_.zip ? write_frame() : std::nullopt;
  }

 private:
  std::optional<Failure> write(std::size_t offset, std::span<const std::byte> bytes) {
    return world(file_.write(offset, bytes));
  }

  std::optional<Failure> convert(const DequantizeStep& step, std::size_t offset) {
    const std::size_t batch = step_of(*step.tensor) * kBatchSteps;
    std::vector<std::uint32_t> crcs(step.tensor->count / batch + 1);  // of nothing: 0
    auto failure = batches_.run(
        step.tensor->count, batch,
        [&](std::size_t first, std::size_t n, Scratch& scratch) -> std::optional<Failure> {
          const auto out = scratch.bytes(n * step.element);
          if (auto failed = fill(step, first, n, out, scratch)) return failed;
          batches_.advance(n);
          if (plan_.zip) crcs[first / batch] = tensor::crc32(out);
          return write(offset + first * step.element, out);
        });
    if (plan_.zip) crcs_.push_back(joined(crcs, batch * step.element, step));
    return failure;
  }

  std::uint32_t joined(const std::vector<std::uint32_t>& crcs, std::size_t batch_bytes,
                       const DequantizeStep& step) const {
    const std::size_t total = step.tensor->count * step.element;
    std::uint32_t crc = 0;
    for (std::size_t i = 0; i < crcs.size(); ++i) {
      const std::size_t bytes = std::min(batch_bytes, total - std::min(total, i * batch_bytes));
      crc = tensor::crc32_joined(crc, crcs[i], bytes);
    }
    return crc;
  }

  std::optional<Failure> fill(const DequantizeStep& step, std::size_t first, std::size_t count,
                              std::span<std::byte> out, Scratch& scratch) {
    if (step.copied) {
      std::ranges::copy(step.tensor->bytes.subspan(first * step.element, out.size()), out.begin());
      return std::nullopt;
    }
    const std::size_t piece = step_of(*step.tensor);
    for (std::size_t at = 0; at < count; at += piece) {
      const std::size_t n = std::min(piece, count - at);
      const auto floats = scratch.floats(n);
      if (auto error = tensor::dequantize(*step.tensor, first + at, floats))
        return Failure{Failure::Kind::input, *std::move(error)};
      const auto place = out.subspan(at * step.element, n * step.element);
      if (const auto index = tensor::beyond_f32(*step.tensor, first + at, floats))
        return too_large(step, first + at + *index, exact_value(*step.tensor, first + at + *index));
      if (const auto index = tensor::narrow(floats, step.type, place))
        return too_large(step, first + at + *index, floats[*index]);
    }
    return std::nullopt;
  }

  /// `value` is a float or a double, so that as many digits are shown as it has.
  template <class T>
  Failure too_large(const DequantizeStep& step, std::size_t index, T value) const {
    const char* hint = "choose --dtype f32 or bf16";
    if (step.type == tensor::DType::bf16) hint = "choose --dtype f32";
    if (std::isinf(static_cast<float>(value))) hint = "nothing that can be written here holds it";
    return {Failure::Kind::input,
            {fmt::format("{}: tensor '{}': value {} is {}, too large for {}", model_.path(),
                         tensor::printable(step.tensor->name), index, value, to_string(step.type)),
             hint}};
  }

  std::optional<Failure> write_frame() {
    for (const auto& [offset, bytes] : npz_frame(*plan_.zip, crcs_)) {
      if (auto failure = write(offset, std::as_bytes(std::span(bytes)))) return failure;
    }
    return std::nullopt;
  }

  const ModelFile& model_;
  const DequantizePlan& plan_;
  Batches batches_;
  NewFile& file_;
  std::vector<std::uint32_t> crcs_;
};

}  // namespace

std::optional<Failure> dequantize(const ModelFile& model, const DequantizePlan& plan,
                                  const BatchOptions& batches, NewFile& file) {
  return Dequantizer(model, plan, batches, file).run();
}

}  // namespace refute::instruments
