// Files that something happened to: one nibble flipped, or cut short.

#include <algorithm>

#include <fmt/format.h>

#include "falsifiers/crux_b_20/checks.hpp"
#include "falsifiers/crux_b_20/diff_tool.hpp"
#include "fixtures/oracles/ggml_oracle.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/expand.hpp"

namespace refute::falsifiers {
namespace {

using kernels::GgmlFormat;
using worker::Context;

constexpr std::size_t kRows = 8, kCols = 2048, kCount = kRows * kCols;

StoredModelTensor tensor_of(std::size_t layer, const std::vector<float>& values,
                            const std::optional<GgmlFormat>& format) {
  const std::string name = fmt::format("blk.{}.ffn_down.weight", layer);
  return format ? block_tensor(name, {kRows, kCols}, values, *format)
                : f32_tensor(name, {kRows, kCols}, values);
}

std::vector<float> values_of(const StoredModelTensor& t) {
  return oracles::ggml_values(
      t.dtype, {reinterpret_cast<const std::uint8_t*>(t.bytes.data()), t.bytes.size()});
}

/// Flips a nibble of codes until exactly one value changes by it; which one that is.
std::size_t flip_one(StoredModelTensor& t, std::uint64_t seed) {
  const std::vector<float> before = values_of(t);
  for (std::uint64_t k = 0; k < 4096; ++k) {
    const std::uint64_t draw = worker::derive_seed(seed, k);
    char& byte = t.bytes[draw % t.bytes.size()];
    const char mask = static_cast<char>((draw >> 32 & 1) != 0 ? 0xF0 : 0x0F);
    byte = static_cast<char>(byte ^ mask);
    const std::vector<float> after = values_of(t);
    std::size_t changed = 0, place = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (before[i] != after[i]) ++changed, place = i;
    }
    if (changed == 1) return place;
    byte = static_cast<char>(byte ^ mask);
  }
  throw worker::JobError("no nibble of " + t.dtype + " stands for one value");
}

}  // namespace

Verdict diff_flipped_nibble(Context& context) {
  const auto formats = context.words("formats");
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    const std::string a = tool.folder() / "a.safetensors", b = tool.folder() / "b.gguf";
    for (const std::string& name : formats) {
      const auto format = kernels::ggml_format_named(name);
      if (!format) throw worker::JobError("`" + name + "` is no block format");
      StoredModel reference, other;
      for (std::size_t layer = 0; layer < 3; ++layer) {
        const auto values = normal_values(worker::derive_seed(seed, layer), kCount);
        reference.push_back(tensor_of(layer, values, std::nullopt));
        other.push_back(tensor_of(layer, values, *format));
      }
      const std::size_t place = flip_one(other[1], seed);
      write_safetensors(a, reference);
      write_gguf(b, other);
      const auto answer = tool.diff({a, b, "--no-threshold"});
      const std::size_t size = kernels::ggml_info(*format).block_size;
      const std::string where =
          fmt::format("block {}, element {} of it (element [{}, {}])", place / size, place % size,
                      place / kCols, place % kCols);
      const Value* row = row_of(answer, other[1].name);
      auto& compare = context.compare();
      if (!compare.equal(static_cast<std::uint64_t>(answer.exit_status), 1, "exit status") ||
          !compare.holds(finding_says(row, where),
                         fmt::format("{} of {}: {} is named", other[1].name, name, where)) ||
          !compare.holds(!finding_says(row_of(answer, other[0].name), "block") &&
                             !finding_says(row_of(answer, other[2].name), "block"),
                         "no other tensor is blamed"))
        return false;
    }
    return true;
  });
}

Verdict diff_truncation(Context& context) {
  const std::uint64_t cuts = context.count("cuts");
  const std::uint64_t status = context.count("exit_status");
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    const auto values = normal_values(seed, kCount);
    const std::string a = tool.folder() / "whole.safetensors", b = tool.folder() / "whole.gguf";
    write_safetensors(a, {tensor_of(0, values, std::nullopt)});
    write_gguf(b, {tensor_of(0, values, GgmlFormat::q4_0)});
    for (const std::string& source : {a, b}) {
      const std::string whole = read_bytes(source);
      const std::string cut = tool.folder() / ("cut-of-" + source.substr(source.rfind('/') + 1));
      for (std::uint64_t k = 0; k < cuts; ++k) {
        // Both ends are looked at first: nothing at all, and all but one byte.
        const std::size_t length = k == 0   ? 0
                                   : k == 1 ? whole.size() - 1
                                            : worker::derive_seed(seed, k) % whole.size();
        write_bytes(cut, whole.substr(0, length));
        const auto answer = tool.diff({source == a ? cut : a, source == a ? b : cut});
        auto& compare = context.compare();
        if (!compare.equal(static_cast<std::uint64_t>(answer.exit_status), status,
                           fmt::format("exit status after {} of {} bytes", length, whole.size())) ||
            !compare.holds(answer.said.find("cut-of-whole") != std::string::npos,
                           "the message names the file"))
          return false;
      }
    }
    return true;
  });
}

}  // namespace refute::falsifiers
