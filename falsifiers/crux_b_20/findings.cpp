// What tools for this purpose have passed in silence: each must be a finding with its row present.

#include <bit>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "falsifiers/crux_b_20/checks.hpp"
#include "falsifiers/crux_b_20/diff_tool.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/expand.hpp"

namespace refute::falsifiers {
namespace {

using kernels::GgmlFormat;
using worker::Context;

constexpr std::size_t kRows = 4, kCols = 96, kCount = kRows * kCols;

StoredModelTensor plain(const std::string& name, std::uint64_t seed) {
  return f32_tensor(name, {kRows, kCols}, normal_values(seed, kCount));
}

QuantDiffAnswer diff_models(DiffTool& tool, const StoredModel& a, const StoredModel& b,
                            std::vector<std::string> options = {}) {
  const std::string one = tool.folder() / "a.safetensors", two = tool.folder() / "b.safetensors";
  write_safetensors(one, a);
  write_safetensors(two, b);
  options.insert(options.begin(), {one, two});
  return tool.diff(options);
}

bool exits(Context& context, const QuantDiffAnswer& answer, std::uint64_t status) {
  return context.compare().equal(static_cast<std::uint64_t>(answer.exit_status), status,
                                 "exit status");
}

bool found(Context& context, const QuantDiffAnswer& answer, const std::string& tensor,
           const std::string& kind) {
  return context.compare().holds(has_finding(row_of(answer, tensor), kind),
                                 fmt::format("{} has a row with the finding {}", tensor, kind));
}

float special_named(const std::string& name) {
  if (name == "nan") return std::numeric_limits<float>::quiet_NaN();
  if (name == "inf") return std::numeric_limits<float>::infinity();
  if (name == "-inf") return -std::numeric_limits<float>::infinity();
  throw worker::JobError("`" + name + "` is none of nan, inf, -inf");
}

/// The bits of a special in a type of two or four bytes, at an element.
void place(StoredModelTensor& t, std::size_t element, float special) {
  const auto bits = std::bit_cast<std::uint32_t>(special);
  const bool f16 = t.dtype == "F16";
  const std::uint32_t narrow =
      f16 ? (bits >> 16 & 0x8000u) | 0x7C00u | (std::isnan(special) ? 0x200u : 0) : bits >> 16;
  const std::size_t width = t.dtype == "F32" ? 4 : 2;
  const std::uint32_t value = width == 4 ? bits : narrow;
  for (std::size_t i = 0; i < width; ++i)
    t.bytes[element * width + i] = static_cast<char>(value >> (8 * i));
}

StoredModelTensor typed(const std::string& dtype, std::uint64_t seed) {
  const auto values = normal_values(seed, kCount);
  if (dtype == "F32") return f32_tensor("w", {kRows, kCols}, values);
  const auto format = kernels::ggml_format_named(dtype);
  if (!format) throw worker::JobError("`" + dtype + "` is none of F32, F16, BF16");
  return narrow_tensor("w", {kRows, kCols}, values, *format);
}

}  // namespace

Verdict diff_nan(Context& context) {
  const auto specials = context.words("specials"), dtypes = context.words("dtypes");
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    const std::size_t element = seed % kCount;
    for (const std::string& dtype : dtypes) {
      for (const std::string& special : specials) {
        for (const int sides : {1, 2, 3}) {  // the reference, the other, both
          StoredModelTensor a = typed(dtype, seed), b = a;
          if (sides & 1) place(a, element, special_named(special));
          if (sides & 2) place(b, element, special_named(special));
          const auto answer = diff_models(tool, {a}, {b}, {"--no-threshold"});
          const std::string where = fmt::format("[{}, {}]", element / kCols, element % kCols);
          auto& compare = context.compare();
          if (!exits(context, answer, 1) || !found(context, answer, "w", "non_finite") ||
              !compare.holds(finding_says(row_of(answer, "w"), where), "it says where: " + where) ||
              !compare.holds(std::isnan(number_of(row_of(answer, "w"), "cosine")), "no cosine"))
            return false;
        }
      }
    }
    return true;
  });
}

Verdict diff_missing(Context& context) {
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    const StoredModelTensor x = plain("x", seed), y = plain("y", seed + 1),
                            z = plain("z", seed + 2);
    const auto missing = diff_models(tool, {x, y}, {x}, {"--no-threshold"});
    const auto extra = diff_models(tool, {x}, {x, z}, {"--no-threshold"});
    return exits(context, missing, 1) && found(context, missing, "y", "missing") &&
           exits(context, extra, 1) && found(context, extra, "z", "extra") &&
           context.compare().equal(row_count(missing) + row_count(extra), 4, "rows");
  });
}

Verdict diff_nothing_in_common(Context& context) {
  const std::uint64_t status = context.count("exit_status");
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    const StoredModelTensor x = plain("x", seed), y = plain("y", seed);
    return exits(context, diff_models(tool, {x}, {y}), status) &&
           exits(context, diff_models(tool, {x}, {x}, {"--match", "y*"}), status) &&
           exits(context, diff_models(tool, {}, {}), status);
  });
}

Verdict diff_shape(Context& context) {
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    const auto values = normal_values(seed, 16);
    for (const auto& shape :
         std::vector<std::vector<std::size_t>>{{8, 2}, {16}, {2, 8, 1}, {4, 4}}) {
      const auto answer = diff_models(tool, {f32_tensor("w", {2, 8}, values)},
                                      {f32_tensor("w", shape, values)}, {"--no-threshold"});
      if (!exits(context, answer, 1) || !found(context, answer, "w", "shape_mismatch"))
        return false;
    }
    const auto same =
        diff_models(tool, {f32_tensor("w", {2, 8}, values)}, {f32_tensor("w", {2, 8}, values)});
    return exits(context, same, 0);
  });
}

Verdict diff_zeros(Context& context) {
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    const StoredModelTensor zeros = f32_tensor("w", {kRows, kCols}, std::vector<float>(kCount));
    const auto same = diff_models(tool, {zeros}, {zeros});
    const auto gone = diff_models(tool, {plain("w", seed)}, {zeros});
    const Value* row = row_of(same, "w");
    auto& compare = context.compare();
    return exits(context, same, 0) &&
           compare.holds(text_of(row, "verdict") == "green", "identical zeros are green") &&
           compare.holds(number_of(row, "cosine") == 1, "their cosine is 1") &&
           compare.holds(number_of(row, "rmse") == 0, "their rmse is 0") &&
           exits(context, gone, 1) && found(context, gone, "w", "threshold");
  });
}

Verdict diff_scale(Context& context) {
  const auto factors = context.reals("factors");
  const auto formats = context.words("formats");
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    constexpr std::size_t kWide = 1024;
    const std::string a = tool.folder() / "a.safetensors", b = tool.folder() / "b.gguf";
    write_safetensors(a, {f32_tensor("w", {4, kWide}, normal_values(seed, 4 * kWide))});
    for (const std::string& name : formats) {
      const auto format = kernels::ggml_format_named(name);
      if (!format) throw worker::JobError("`" + name + "` is no block format");
      for (const double factor : factors) {
        const auto scaled = normal_values(seed, 4 * kWide, static_cast<float>(factor));
        write_gguf(b, {block_tensor("w", {4, kWide}, scaled, *format)});
        const auto answer = tool.diff({a, b, "--no-threshold"});
        const Value* row = row_of(answer, "w");
        auto& compare = context.compare();
        const double ratio = number_of(row, "norm_ratio");
        if (!exits(context, answer, 1) || !found(context, answer, "w", "scale") ||
            !compare.at_most(std::fabs(ratio / factor - 1), context.real("norm_tolerance"),
                             fmt::format("|norm ratio / {} - 1| of {}", factor, name)))
          return false;
      }
    }
    return true;
  });
}

}  // namespace refute::falsifiers
