// `refute trace --save-tensor`: which files it writes, and what is in their bytes.

#include <algorithm>
#include <bit>
#include <cctype>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "falsifiers/trace_save_tensor/checks.hpp"
#include "falsifiers/trace_save_tensor/session.hpp"
#include "falsifiers/trace_save_tensor/stage_files.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

using worker::Context;

bool writes_exactly(Session& s, const std::string& folder, const std::set<std::string>& wanted) {
  const std::set<std::string> found = stages_below(folder);
  for (const std::string& path : wanted) {
    if (!s.holds(found.contains(path), path + " is written")) return false;
  }
  for (const std::string& path : found) {
    if (!s.holds(wanted.contains(path), path + " was asked for")) return false;
  }
  return s.holds(!wanted.empty(), "something was asked for");
}

bool has_header(Session& s, const std::string& path, const StageBytes& stage, std::uint32_t layer,
                std::size_t count) {
  auto& compare = s.context().compare();
  return s.holds(stage.bytes.starts_with("APRT"), path + " begins with APRT") &&
         s.holds(stage.well_formed, path + " is 12 bytes and 4 for each value that it counts") &&
         compare.equal(stage.layer, layer, path + ": the layer") &&
         compare.equal(stage.values.size(), count, path + ": the number of values");
}

std::size_t product(const std::vector<std::size_t>& extents) {
  std::size_t n = 1;
  for (const std::size_t extent : extents) n *= extent;
  return n;
}

}  // namespace

Verdict trace_option(Context& context) {
  return check_live(context, [](Session& s) {
    const std::string model = written(s, "m", tiny("llama", s.seed()));
    const CommandRun help = s.run({"trace", "--help"});
    const CommandRun without = s.run({"trace", model, "--tokens", "1", "-o", s / "none"});
    const CommandRun with = s.trace(model, s / "out", {"--save-tensor", "embedding"});
    return s.exits(help, 0) && s.says(help, {"--save-tensor"}) && s.exits(without, 2) &&
           s.says(without, {"--save-tensor"}) && s.exits(with, 0);
  });
}

Verdict trace_repeats(Context& context) {
  const auto families = context.words("families"), paths = context.words("paths");
  return check_live(context, [&](Session& s) {
    for (const std::string& family : families) {
      const std::string model = written(s, family, tiny(family, s.seed()));
      for (const std::string& path : paths) {
        const auto run = [&](const std::string& name, const char* threads) {
          const std::string out = s / fmt::format("{}-{}-{}", family, path, name);
          return s.trace(model, out, {"--save-tensor", "all", "--path", path, "-j", threads});
        };
        // The references promise the same bytes on any number of threads, fast on the same one.
        const CommandRun first = run("first", "1"),
                         second = run("second", path == "fast" ? "1" : "3");
        if (path == "fast" && first.status == 2 && first.err.find("OpenBLAS") != std::string::npos)
          continue;
        const auto a = files_below(first.folder), b = files_below(second.folder);
        if (!s.exits(first, 0) || !s.exits(second, 0) ||
            !s.context().compare().equal(a.size(), b.size(), "number of files") ||
            !s.holds(a.size() > 60, "a capture of everything has more than 60 files"))
          return false;
        for (std::size_t i = 0; i < a.size(); ++i) {
          if (!s.holds(a[i] == b[i], fmt::format("{} of {} on {} has the same bytes twice",
                                                 a[i].first, family, path)))
            return false;
        }
      }
    }
    return true;
  });
}

Verdict trace_header(Context& context) {
  const std::uint64_t vocab = context.count("vector_vocab");
  return check_live(context, [&](Session& s) {
    const auto shape = tiny("qwen3", s.seed());
    const std::string model = written(s, "m", shape);
    if (!s.exits(s.trace(model, s / "out", {"--save-tensor", "all"}), 0)) return false;
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
      for (const std::string& stage : layer_stages(shape)) {
        const std::string path = stage_path(stage, layer);
        const auto count = product(stage_extents(stage, shape, s.tokens().size()));
        if (!has_header(s, path, read_stage_bytes(s / ("out/" + path)), layer, count)) return false;
      }
    }
    // The published vector: logits of 152064 words, 608268 bytes.
    auto wide = tiny("llama", s.seed());
    wide.vocab = vocab;
    wide.hidden = wide.head_dim = 8;
    wide.heads = wide.kv_heads = wide.layers = 1;
    if (!s.exits(s.trace(written(s, "w", wide), s / "wide", {"--save-tensor", "lm_head"}), 0))
      return false;
    const StageBytes head = read_stage_bytes(s / "wide/lm_head.bin");
    constexpr std::string_view kVector("APRT\xff\xff\xff\xff\x00\x52\x02\x00", 12);
    return has_header(s, "lm_head.bin", head, kNoLayer, vocab) &&
           s.holds(head.bytes.starts_with(kVector), "the header is the published vector") &&
           s.context().compare().equal(head.bytes.size(), 12 + 4 * vocab, "bytes of the vector");
  });
}

Verdict trace_several_stages(Context& context) {
  const auto lists = context.words("lists");
  return check_live(context, [&](Session& s) {
    const auto shape = tiny("llama", s.seed());
    const std::string model = written(s, "m", shape);
    if (!s.exits(s.trace(model, s / "all", {"--save-tensor", "ALL"}), 0) ||
        !writes_exactly(s, s / "all", all_stages(shape)))
      return false;
    for (const std::string& list : lists) {
      std::set<std::string> wanted;
      for (std::size_t begin = 0; begin < list.size();) {
        const std::size_t end = std::min(list.find('+', begin), list.size());
        std::string stage = list.substr(begin, end - begin);
        std::ranges::transform(stage, stage.begin(), [](char c) { return std::tolower(c); });
        if (stage == "layer_output") stage = "post_ffn_residual";
        for (const std::string& path : all_stages(shape)) {
          if (path.ends_with("/" + stage + ".bin") || path == stage + ".bin") wanted.insert(path);
        }
        begin = end + 1;
      }
      std::string commas = list;
      std::ranges::replace(commas, '+', ',');
      const CommandRun run = s.trace(model, s / list, {"--save-tensor", commas});
      if (!s.exits(run, 0) || !writes_exactly(s, s / list, wanted)) return false;
      for (const std::string& path : wanted) {
        if (!s.holds(read_file(s / (list + "/" + path)) == read_file(s / ("all/" + path)),
                     path + " is the same alone and with all others"))
          return false;
      }
    }
    return true;
  });
}

Verdict trace_keeps_bits(Context& context) {
  return check_live(context, [](Session& s) {
    const auto shape = tiny("llama", s.seed());
    auto weights = fixtures::tiny_weights(shape);
    // Rows of the embedding table are copied and not computed: a stage of known bits.
    constexpr std::uint32_t kBits[] = {0x7FC12345, 0xFFC00001, 0x7F800001, 0xFFBFFFFF, 0x7F800000,
                                       0xFF800000, 0x80000000, 0x00000001, 0x807FFFFF};
    auto& table = weights["model.embed_tokens.weight"].values;
    const std::uint32_t token = s.tokens()[1];
    for (std::size_t i = 0; i < std::size(kBits); ++i)
      table[token * shape.hidden + i] = std::bit_cast<float>(kBits[i]);
    fixtures::write_tiny(s / "m", fixtures::tiny_config(shape), weights);
    if (!s.exits(s.trace(s / "m", s / "out", {"--save-tensor", "embedding"}), 0)) return false;
    const StageBytes stage = read_stage_bytes(s / "out/layer-0/embedding.bin");
    std::vector<float> wanted;
    for (const std::uint32_t t : s.tokens()) {
      const auto row = table.begin() + static_cast<std::ptrdiff_t>(t * shape.hidden);
      wanted.insert(wanted.end(), row, row + static_cast<std::ptrdiff_t>(shape.hidden));
    }
    return s.context().compare().bits(stage.values, wanted);
  });
}

Verdict trace_layer_subset(Context& context) {
  return check_live(context, [](Session& s) {
    const auto shape = tiny("qwen2", s.seed());
    const std::string model = written(s, "m", shape);
    s.capture(model, s / "all", {"--save-tensor", "all"});
    for (std::uint32_t begin = 0; begin < shape.layers; ++begin) {
      for (std::uint32_t end = begin + 1; end <= shape.layers; ++end) {
        const std::string out = s / fmt::format("{}-{}", begin, end);
        const CommandRun run = s.trace(model, out,
                                       {"--save-tensor", "qkv_bias,layer_output", "--layers",
                                        fmt::format("{}..{}", begin, end)});
        std::set<std::string> wanted;
        for (std::uint32_t layer = begin; layer < end; ++layer) {
          wanted.insert(stage_path("qkv_bias", layer));
          wanted.insert(stage_path("post_ffn_residual", layer));
        }
        if (!s.exits(run, 0) || !writes_exactly(s, out, wanted)) return false;
        for (const std::string& path : wanted) {
          if (!s.holds(read_file(out + "/" + path) == read_file(s / ("all/" + path)),
                       path + " is the one of a capture of all layers"))
            return false;
        }
      }
    }
    return true;
  });
}

Verdict trace_logits(Context& context) {
  const double tolerance = context.real("relative_tolerance");
  return check_live(context, [&](Session& s) {
    const auto shape = tiny("llama", s.seed());
    const auto weights = fixtures::tiny_weights(shape);
    fixtures::write_tiny(s / "m", fixtures::tiny_config(shape), weights);
    const CommandRun run = s.trace(s / "m", s / "out", {"--save-tensor", "final_norm,lm_head"});
    const CommandRun other = s.trace(s / "m", s / "other", {"--save-tensor", "ffn_up"});
    if (!s.exits(run, 0) || !writes_exactly(s, s / "out", {"final_norm.bin", "lm_head.bin"}) ||
        !s.exits(other, 0) ||
        !s.holds(!std::filesystem::exists(s / "other/lm_head.bin"),
                 "lm_head.bin is not written where it is not selected"))
      return false;
    const StageBytes norm = read_stage_bytes(s / "out/final_norm.bin"),
                     head = read_stage_bytes(s / "out/lm_head.bin");
    const std::size_t tokens = s.tokens().size();
    if (!has_header(s, "final_norm.bin", norm, kNoLayer, tokens * shape.hidden) ||
        !has_header(s, "lm_head.bin", head, kNoLayer, shape.vocab))
      return false;
    // The logits are those of the last token, from the other file and the weights.
    const auto& matrix = weights.at("lm_head.weight").values;
    std::vector<double> wanted(shape.vocab), bound(shape.vocab);
    constexpr double kSumRounding = 0x1p-48;  // two sums of f64, in whatever order
    for (std::size_t v = 0; v < shape.vocab; ++v) {
      double sum = 0, size = 0;
      for (std::size_t i = 0; i < shape.hidden; ++i) {
        const double term = double{norm.values[(tokens - 1) * shape.hidden + i]} *
                            double{matrix[v * shape.hidden + i]};
        sum += term;
        size += term * term;
      }
      wanted[v] = sum;
      bound[v] = tolerance * std::fabs(sum) + kSumRounding * std::sqrt(size);
    }
    return s.context().compare().within(head.values, wanted, bound);
  });
}

Verdict trace_end_to_end(Context& context) {
  return check_live(context, [](Session& s) {
    const auto shape = tiny("qwen3", s.seed());
    written(s, "little", shape);
    const CommandRun run =
        s.run({"trace", "little", "--tokens", joined(s.tokens()), "--save-tensor", "all"});
    const std::string folder = s / "little-trace";
    if (!s.exits(run, 0) || !writes_exactly(s, folder, all_stages(shape))) return false;
    std::size_t total = 0;
    for (const std::string& path : all_stages(shape)) {
      const std::size_t bytes = read_file(folder + "/" + path).size();
      total += bytes;
      const std::size_t at = run.out.find("  " + path + " ");
      if (!s.holds(at != std::string::npos, path + " is listed")) return false;
      const std::string line = run.out.substr(at, run.out.find('\n', at) - at);
      if (!s.holds(line.find(fmt::format(" {} ", bytes)) != std::string::npos,
                   fmt::format("{} is listed with its {} bytes", path, bytes)))
        return false;
    }
    const auto listed = static_cast<std::size_t>(std::ranges::count(run.out, '\n'));
    return s.says(run, {fmt::format("{} files, {} bytes", all_stages(shape).size(), total)}) &&
           s.holds(run.out.find("layer-9/") == std::string::npos &&
                       listed < all_stages(shape).size() + 10,
                   "nothing else is listed");
  });
}

}  // namespace refute::falsifiers
