// The cosine gate, and how errors go with the number of bits.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "falsifiers/crux_b_20/checks.hpp"
#include "falsifiers/crux_b_20/diff_tool.hpp"
#include "harness/worker/domains.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

using kernels::GgmlFormat;
using worker::Context;

constexpr std::size_t kRows = 8, kCols = 1024;
constexpr const char* kName = "blk.0.ffn_up.weight";

/// The model, and its Q2_K form; every `broken`-th block of that has the sign of its scale turned
/// round, none for 0.
struct Q2kModel {
  StoredModel reference, other;
};

Q2kModel q2k_model(std::uint64_t seed, std::size_t broken) {
  constexpr std::size_t kDAt = 80;  // the two half-precision scales end a block
  const std::vector<float> values = normal_values(seed, kRows * kCols);
  Q2kModel m;
  m.reference.push_back(f32_tensor(kName, {kRows, kCols}, values));
  m.other.push_back(block_tensor(kName, {kRows, kCols}, values, GgmlFormat::q2_k));
  const std::size_t bytes = kernels::ggml_info(GgmlFormat::q2_k).block_bytes;
  std::string& blocks = m.other[0].bytes;
  for (std::size_t b = 0; broken != 0 && b * bytes < blocks.size(); b += broken) {
    blocks[b * bytes + kDAt + 1] = static_cast<char>(blocks[b * bytes + kDAt + 1] ^ 0x80);
  }
  return m;
}

QuantDiffAnswer diff_q2k(DiffTool& tool, const Q2kModel& m, std::vector<std::string> options) {
  const std::string a = tool.folder() / "a.safetensors", b = tool.folder() / "b.gguf";
  write_safetensors(a, m.reference);
  write_gguf(b, m.other);
  options.insert(options.begin(), {a, b});
  return tool.diff(options);
}

}  // namespace

Verdict diff_gate_published(Context& context) {
  const double threshold = context.real("threshold");
  // The control is the same model with a real fault, which the gate has to catch.
  const bool control = context.job().arm == Arm::control;
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    const auto answer = diff_q2k(tool, q2k_model(seed, control ? 4 : 0), {});
    const double cosine = number_of(row_of(answer, kName), "cosine");
    context.measure("cosine of Q2_K on N(0, 1)", cosine);
    auto& compare = context.compare();
    return compare.holds(answer.exit_status != 0,
                         fmt::format("Q2_K of N(0, 1), with a cosine of {:.4f}, makes the exit "
                                     "status other than 0",
                                     cosine)) &&
           compare.holds(cosine < threshold,
                         fmt::format("the cosine {:.4f} is below {}", cosine, threshold));
  });
}

Verdict diff_gate(Context& context) {
  const double threshold = context.real("threshold");
  const std::uint64_t broken = context.count("broken_every");
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    auto& compare = context.compare();
    const auto status = [](const QuantDiffAnswer& a) {
      return static_cast<std::uint64_t>(a.exit_status);
    };
    const auto healthy = diff_q2k(tool, q2k_model(seed, 0), {});
    const auto faulty = diff_q2k(tool, q2k_model(seed, broken), {});
    const auto above = diff_q2k(tool, q2k_model(seed, 0), {"--threshold", "0.99"});
    const auto lifted =
        diff_q2k(tool, q2k_model(seed, 0), {"--threshold", "0.99", "--no-threshold"});
    const double cosine = number_of(row_of(faulty, kName), "cosine");
    return compare.equal(status(healthy), 0, "exit status of a healthy Q2_K") &&
           compare.holds(cosine < threshold, "the fault takes the cosine below the gate") &&
           compare.equal(status(faulty), 1, "exit status below the gate") &&
           compare.holds(has_finding(row_of(faulty, kName), "threshold"), "threshold is found") &&
           compare.equal(status(above), 1, "exit status with --threshold 0.99") &&
           compare.equal(status(lifted), 0, "exit status with --no-threshold");
  });
}

Verdict diff_more_bits(Context& context) {
  const auto ladder = context.words("ladder");
  const auto least = context.real("least_ratio");
  const auto families = context.words("families");
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    for (const std::string& name : families) {
      const auto family = worker::family_from(name);
      if (!family) throw worker::JobError("`" + name + "` is no family of generated tensors");
      std::vector<float> values(kRows * kCols);
      worker::fill(*family, seed, values);
      const std::string a = tool.folder() / "a.safetensors";
      write_safetensors(a, {f32_tensor(kName, {kRows, kCols}, values)});
      double before = 0;
      for (const std::string& format : ladder) {
        const auto answer = tool.diff({a, "--as", format, "--no-threshold"});
        const double rmse = number_of(row_of(answer, kName), "rmse");
        if (before != 0 &&
            !context.compare().at_least(
                before / rmse, least,
                fmt::format("{}: rmse of the format before {} over its", name, format)))
          return false;
        before = rmse;
      }
    }
    return true;
  });
}

}  // namespace refute::falsifiers
