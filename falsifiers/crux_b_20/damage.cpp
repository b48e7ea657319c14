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

/// The bits of a byte that stand for one value: a nibble; two bits where codes have no more of them
/// in one byte.
char code_mask(const std::string& format, std::uint64_t draw) {
  if (format == "Q2_K" || format == "Q3_K") return static_cast<char>(0x03 << 2 * (draw & 3));
  return static_cast<char>((draw & 1) != 0 ? 0xF0 : 0x0F);
}

/// Flips such bits until exactly one value changes by it; which one that is.
std::size_t flip_one(StoredModelTensor& t, std::uint64_t seed) {
  const std::vector<float> before = values_of(t);
  for (std::uint64_t k = 0; k < 4096; ++k) {
    const std::uint64_t draw = worker::derive_seed(seed, k);
    char& byte = t.bytes[draw % t.bytes.size()];
    const char mask = code_mask(t.dtype, draw >> 32);
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

/// Where the blocks of a format keep the scales of their groups (ggml-common.h, block_q*).
struct ScaleBytes {
  std::size_t begin, size;
};

ScaleBytes scale_bytes(GgmlFormat format) {
  switch (format) {
    case GgmlFormat::q2_k:
      return {0, 16};
    case GgmlFormat::q3_k:
      return {96, 12};
    case GgmlFormat::q4_k:
    case GgmlFormat::q5_k:
      return {4, 12};
    case GgmlFormat::q6_k:
      return {192, 16};
    case GgmlFormat::f16:
    case GgmlFormat::bf16:
    case GgmlFormat::q4_0:
    case GgmlFormat::q4_1:
    case GgmlFormat::q5_0:
    case GgmlFormat::q5_1:
    case GgmlFormat::q8_0:
    case GgmlFormat::iq4_nl:
    case GgmlFormat::mxfp4:
      break;
  }
  throw worker::JobError("the format has no scales of groups");
}

/// Flips a nibble of a scale until a value changes by it; which block that is.
std::size_t flip_scale(StoredModelTensor& t, GgmlFormat format, std::uint64_t seed) {
  const std::vector<float> before = values_of(t);
  const ScaleBytes scales = scale_bytes(format);
  const std::size_t block_bytes = kernels::ggml_info(format).block_bytes;
  for (std::uint64_t k = 0; k < 256; ++k) {
    const std::uint64_t draw = worker::derive_seed(seed, k);
    const std::size_t block = draw % (t.bytes.size() / block_bytes);
    char& byte = t.bytes[block * block_bytes + scales.begin + (draw >> 16) % scales.size];
    const char mask = static_cast<char>((draw >> 32 & 1) != 0 ? 0xF0 : 0x0F);
    byte = static_cast<char>(byte ^ mask);
    if (values_of(t) != before) return block;
    byte = static_cast<char>(byte ^ mask);
  }
  throw worker::JobError("no nibble of a scale of " + t.dtype + " changes a value");
}

GgmlFormat block_format(const std::string& name) {
  const auto format = kernels::ggml_format_named(name);
  if (!format) throw worker::JobError("`" + name + "` is no block format");
  return *format;
}

/// Three layers of N(0, 1), and the same as blocks.
struct Layers {
  StoredModel reference, other;
  Layers(GgmlFormat format, std::uint64_t seed) {
    for (std::size_t layer = 0; layer < 3; ++layer) {
      const auto values = normal_values(worker::derive_seed(seed, layer), kCount);
      reference.push_back(tensor_of(layer, values, std::nullopt));
      other.push_back(tensor_of(layer, values, format));
    }
  }
};

/// Whether the second layer, and no other, is said to have its fault there.
bool told_of_the_second(DiffTool& tool, const QuantDiffAnswer& answer, const Layers& layers,
                        const std::string& where) {
  auto& compare = tool.context().compare();
  const std::string& second = layers.other[1].name;
  return compare.equal(static_cast<std::uint64_t>(answer.exit_status), 1, "exit status") &&
         compare.holds(
             finding_says(row_of(answer, second), where),
             fmt::format("{} of {}: {} is named", second, layers.other[1].dtype, where)) &&
         compare.holds(!finding_says(row_of(answer, layers.other[0].name), "block") &&
                           !finding_says(row_of(answer, layers.other[2].name), "block"),
                       "no other tensor is blamed");
}

}  // namespace

Verdict diff_flipped_nibble(Context& context) {
  const auto formats = context.words("formats");
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    const std::string a = tool.folder() / "a.safetensors", b = tool.folder() / "b.gguf";
    for (const std::string& name : formats) {
      const GgmlFormat format = block_format(name);
      Layers layers(format, seed);
      const std::size_t place = flip_one(layers.other[1], seed);
      write_safetensors(a, layers.reference);
      write_gguf(b, layers.other);
      const auto answer = tool.diff({a, b, "--no-threshold"});
      const std::size_t size = kernels::ggml_info(format).block_size;
      const std::string where =
          fmt::format("block {}, element {} of it (element [{}, {}])", place / size, place % size,
                      place / kCols, place % kCols);
      if (!told_of_the_second(tool, answer, layers, where)) return false;
    }
    return true;
  });
}

Verdict diff_flipped_scale(Context& context) {
  const auto formats = context.words("formats");
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    const std::string a = tool.folder() / "a.safetensors", b = tool.folder() / "b.gguf";
    for (const std::string& name : formats) {
      const GgmlFormat format = block_format(name);
      Layers layers(format, seed);
      const std::size_t block = flip_scale(layers.other[1], format, seed);
      write_safetensors(a, layers.reference);
      write_gguf(b, layers.other);
      const auto answer = tool.diff({a, b, "--no-threshold", "--thorough"});
      if (!told_of_the_second(tool, answer, layers, fmt::format("block {}, element ", block)))
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
