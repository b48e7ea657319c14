// What `refute diff` writes: order, keys, numbers, types; and that neither shards nor threads nor
// quantising in memory change any of it.

#include <cmath>

#include <fmt/format.h>

#include "falsifiers/crux_b_20/checks.hpp"
#include "falsifiers/crux_b_20/diff_tool.hpp"
#include "fixtures/oracles/ggml_oracle.hpp"
#include "fixtures/oracles/quant_diff_oracle.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/expand.hpp"

namespace refute::falsifiers {
namespace {

using kernels::GgmlFormat;
using worker::Context;

GgmlFormat format_of(const std::string& name) {
  if (const auto format = kernels::ggml_format_named(name)) return *format;
  throw worker::JobError("`" + name + "` is no block format");
}

/// A reference and the same values in several formats, one tensor each, of different spread.
struct Quantised {
  StoredModel reference, other;
  std::vector<std::vector<float>> values;
};

constexpr std::size_t kRows = 4, kCols = 512;

Quantised quantised(const std::vector<std::string>& formats, std::uint64_t seed) {
  Quantised q;
  for (std::size_t i = 0; i < formats.size(); ++i) {
    const std::string name = fmt::format("blk.{}.ffn_up.weight", i);
    const float spread = std::ldexp(1.0f, static_cast<int>(i % 5) - 2);
    q.values.push_back(normal_values(worker::derive_seed(seed, i), kRows * kCols, spread));
    q.reference.push_back(f32_tensor(name, {kRows, kCols}, q.values.back()));
    q.other.push_back(block_tensor(name, {kRows, kCols}, q.values.back(), format_of(formats[i])));
  }
  return q;
}

std::vector<std::string> write_both(const DiffTool& tool, const Quantised& q) {
  const std::string a = tool.folder() / "a.safetensors", b = tool.folder() / "b.gguf";
  write_safetensors(a, q.reference);
  write_gguf(b, q.other);
  return {a, b, "--quant-roundtrip", "--no-threshold"};
}

QuantDiffAnswer diff_of(DiffTool& tool, const Quantised& q) {
  return tool.diff(write_both(tool, q));
}

oracles::QuantDiffNumbers numbers_of(const Quantised& q, std::size_t tensor) {
  const std::string& bytes = q.other[tensor].bytes;
  const auto values = oracles::ggml_values(
      q.other[tensor].dtype, {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  return oracles::quant_diff_numbers(q.values[tensor], values);
}

/// A row's numbers as text, every digit of them.
std::string digits_of(const QuantDiffAnswer& answer, const std::string& tensor) {
  const Value* row = row_of(answer, tensor);
  std::string text;
  for (const char* key : {"rmse", "cosine", "max_abs", "relative_error", "norm_ratio"})
    text += fmt::format("{} {:a}, ", key, number_of(row, key));
  return text;
}

bool same_rows(Context& context, const QuantDiffAnswer& got, const QuantDiffAnswer& want,
               const StoredModel& model, std::string_view what) {
  auto& compare = context.compare();
  if (!compare.equal(row_count(got), model.size(), fmt::format("rows of {}", what))) return false;
  for (const StoredModelTensor& t : model) {
    const std::string a = digits_of(got, t.name), b = digits_of(want, t.name);
    if (!compare.holds(a == b, fmt::format("{} gives {}{} and not {}", what, t.name, a, b)))
      return false;
  }
  return true;
}

bool has_number(const Value& row, const char* key) {
  const Value* v = row.find(key);
  return v && (v->as_double() || v->as_int());
}

/// The published keys, of their types.
bool keys_are_right(Context& context, const Value& row) {
  auto& compare = context.compare();
  const auto is_text = [&](const char* key) { return !text_of(&row, key).empty(); };
  bool ok = true;
  for (const char* key : {"tensor", "qtype", "verdict"})
    ok = ok && compare.holds(is_text(key), fmt::format("{} is text", key));
  for (const char* key : {"numel", "rmse", "cosine", "max_abs"})
    ok = ok && compare.holds(has_number(row, key), fmt::format("{} is a number", key));
  return ok;
}

bool bucket_is_right(Context& context, const Value& row, double green, double yellow) {
  const double cosine = number_of(&row, "cosine");
  const std::string want = cosine >= green ? "green" : cosine >= yellow ? "yellow" : "red";
  return context.compare().holds(text_of(&row, "verdict") == want,
                                 fmt::format("a cosine of {} is {}", cosine, want));
}

/// Largest rmse first, equal ones by name.
bool in_order(Context& context, const Value& before, const Value& after) {
  const double a = number_of(&before, "rmse"), b = number_of(&after, "rmse");
  const bool by_name = text_of(&before, "tensor") < text_of(&after, "tensor");
  return context.compare().holds(a > b || (a == b && by_name),
                                 fmt::format("{} stands in front of {}", a, b));
}

}  // namespace

Verdict diff_order_and_schema(Context& context) {
  const auto formats = context.words("formats");
  const double green = context.real("green_from"), yellow = context.real("yellow_from");
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    Quantised q = quantised(formats, seed);
    StoredModelTensor twin = q.reference[0], twin_other = q.other[0];
    twin.name = twin_other.name = "a.twin.of.the.first";
    q.reference.push_back(twin);
    q.other.push_back(twin_other);
    const QuantDiffAnswer answer = diff_of(tool, q);
    auto& compare = context.compare();
    if (!compare.equal(static_cast<std::uint64_t>(answer.exit_status), 0, "exit status") ||
        !compare.equal(row_count(answer), q.reference.size(), "rows"))
      return false;
    const Value::List& rows = *answer.rows.as_list();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!keys_are_right(context, rows[i]) || !bucket_is_right(context, rows[i], green, yellow) ||
          (i > 0 && !in_order(context, rows[i - 1], rows[i])))
        return false;
    }
    return true;
  });
}

Verdict diff_metrics(Context& context) {
  context.agreement(Agreement::tolerance);
  const auto formats = context.words("formats");
  const double tolerance = context.real("relative_tolerance");
  Sha256 digest;
  const Verdict verdict = check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    const Quantised q = quantised(formats, seed);
    const QuantDiffAnswer answer = diff_of(tool, q);
    digest.value(answer.rows);
    auto& compare = context.compare();
    for (std::size_t i = 0; i < formats.size(); ++i) {
      const Value* row = row_of(answer, q.reference[i].name);
      const auto want = numbers_of(q, i);
      const auto near = [&](const char* key, double value) {
        return compare.at_most(std::fabs(number_of(row, key) - value), tolerance * std::fabs(value),
                               fmt::format("{} of {}: |got - {}|", key, formats[i], value));
      };
      const bool ok = near("rmse", want.rmse) && near("cosine", want.cosine) &&
                      near("relative_error", want.relative_error) &&
                      near("norm_ratio", want.norm_ratio) && near("max_abs", want.max_abs) &&
                      compare.equal(static_cast<std::uint64_t>(number_of(row, "max_abs_index")),
                                    want.max_abs_index, "index of the largest error");
      if (!ok) return false;
    }
    return true;
  });
  context.result(digest.finish());
  return verdict;
}

Verdict diff_real_type(Context& context) {
  const auto formats = context.words("formats");
  const auto containers = context.words("containers");
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    auto& compare = context.compare();
    const Quantised q = quantised(formats, seed);
    const QuantDiffAnswer blocks = diff_of(tool, q);
    for (std::size_t i = 0; i < formats.size(); ++i) {
      const std::string got = text_of(row_of(blocks, q.reference[i].name), "qtype");
      const std::string want(kernels::ggml_info(format_of(formats[i])).gguf_name);
      if (!compare.holds(got == want, fmt::format("{} is called {}, not {}", want, want, got)))
        return false;
    }
    // FP8 and NF4 live in tensors of bytes beside their scales; the pair of words says which.
    const std::string source = tool.folder() / "a.safetensors";
    for (const std::string& pair : containers) {
      const std::size_t at = pair.find('=');
      const std::string made = tool.folder() / "made.safetensors";
      tool.run({"quantize", source, "--format", pair.substr(0, at), "-o", made, "--force"});
      const QuantDiffAnswer answer = tool.diff({source, made});
      const std::string got = text_of(row_of(answer, q.reference[0].name), "qtype");
      if (!compare.holds(got == pair.substr(at + 1), fmt::format("{} is called {}", pair, got)) ||
          !compare.equal(row_count(answer), q.reference.size(), "rows, without scales"))
        return false;
    }
    return true;
  });
}

namespace {

/// The model in two files and the index that joins them.
void write_shards(const ModelFolder& folder, const StoredModel& model) {
  const std::size_t half = model.size() / 2;
  std::string map;
  for (std::size_t i = 0; i < model.size(); ++i) {
    map += fmt::format("{}\"{}\":\"{}.safetensors\"", i == 0 ? "" : ",", model[i].name,
                       i < half ? "first" : "second");
  }
  write_safetensors(folder / "first.safetensors",
                    {model.begin(), model.begin() + static_cast<std::ptrdiff_t>(half)});
  write_safetensors(folder / "second.safetensors",
                    {model.begin() + static_cast<std::ptrdiff_t>(half), model.end()});
  write_bytes(folder / "model.safetensors.index.json",
              "{\"metadata\":{},\"weight_map\":{" + map + "}}");
}

}  // namespace

Verdict diff_shards(Context& context) {
  const auto formats = context.words("formats");
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    const Quantised q = quantised(formats, seed);
    const QuantDiffAnswer whole = tool.honest_diff(write_both(tool, q));
    write_shards(tool.folder(), q.reference);
    const QuantDiffAnswer sharded = tool.diff({tool.folder() / "model.safetensors.index.json",
                                               tool.folder() / "b.gguf", "--no-threshold"});
    return same_rows(context, sharded, whole, q.reference, "the sharded model");
  });
}

Verdict diff_threads(Context& context) {
  const auto formats = context.words("formats");
  const auto threads = context.counts("threads");
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    const Quantised q = quantised(formats, seed);
    auto arguments = write_both(tool, q);
    arguments.insert(arguments.end(), {"-j", "1"});
    const QuantDiffAnswer one = tool.honest_diff(arguments);
    for (const std::uint64_t n : threads) {
      arguments.back() = std::to_string(n);
      if (!same_rows(context, tool.diff(arguments), one, q.reference,
                     fmt::format("a diff on {} threads", n)))
        return false;
    }
    return true;
  });
}

Verdict diff_in_memory_agrees(Context& context) {
  const auto formats = context.words("formats");
  return check_command(context, [&](DiffTool& tool, std::uint64_t seed) {
    const Quantised q = quantised({"q8_0", "q8_0", "q8_0"}, seed);
    const std::string source = write_both(tool, q)[0], made = tool.folder() / "made";
    for (const std::string& format : formats) {
      tool.run({"quantize", source, "--format", format, "-o", made, "--force"});
      const QuantDiffAnswer there = tool.honest_diff({source, made, "--no-threshold"});
      const QuantDiffAnswer here = tool.diff({source, "--as", format, "--no-threshold"});
      if (!same_rows(context, here, there, q.reference, "--as " + format)) return false;
    }
    return true;
  });
}

}  // namespace refute::falsifiers
