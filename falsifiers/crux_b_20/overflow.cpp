// Finite weights beyond what the scales of a format reach.

#include <fmt/format.h>

#include "falsifiers/crux_b_20/checks.hpp"
#include "falsifiers/crux_b_20/diff_tool.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/expand.hpp"

namespace refute::falsifiers {
namespace {

using worker::Context;

constexpr std::size_t kRows = 8, kCols = 512, kCount = kRows * kCols;

/// One block of 256 values is that many times as large; which value it begins with.
std::size_t enlarge_a_block(std::vector<float>& values, float factor, std::uint64_t seed) {
  const std::size_t first = seed % (kCount / 256) * 256;
  for (std::size_t i = 0; i < 256; ++i) values[first + i] *= factor;
  return first;
}

}  // namespace

Verdict quantize_overflow(Context& context) {
  const auto formats = context.words("formats");
  const std::uint64_t status = context.count("exit_status");
  const double factor = context.real("factor");
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    const std::string a = tool.folder() / "a.safetensors", b = tool.folder() / "b.gguf";
    auto values = normal_values(seed, kCount);
    const std::size_t first = enlarge_a_block(values, static_cast<float>(factor), seed);
    write_safetensors(a, {f32_tensor("fine", {kRows, kCols}, normal_values(seed + 1, kCount)),
                          f32_tensor("huge", {kRows, kCols}, values)});
    auto& compare = tool.context().compare();
    for (const std::string& name : formats) {
      const auto format = kernels::ggml_format_named(name);
      if (!format) throw worker::JobError("`" + name + "` is no block format");
      const std::size_t size = kernels::ggml_info(*format).block_size;
      const auto answer = tool.quantize({a, "--format", name, "-o", b});
      const std::string place = fmt::format("tensor 'huge': block {}, values {} to {}",
                                            first / size, first, first + size - 1);
      if (!compare.equal(static_cast<std::uint64_t>(answer.exit_status), status,
                         "exit status of " + name) ||
          !compare.holds(answer.said.find(place) != std::string::npos,
                         fmt::format("{}: the message names {}", name, place)) ||
          !compare.holds(!std::filesystem::exists(b), name + ": no file is left"))
        return false;
    }
    return true;
  });
}

}  // namespace refute::falsifiers
