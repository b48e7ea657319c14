// What the traced numbers are: those of the stage that the file is named after, of the run that the
// manifest describes, and of the very pass that decodes.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

#include "falsifiers/trace_save_tensor/checks.hpp"
#include "falsifiers/trace_save_tensor/session.hpp"
#include "falsifiers/trace_save_tensor/stage_files.hpp"
#include "fixtures/oracles/decoder_oracle.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/json/json.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

using fixtures::TinyDecoder;
using worker::Context;

bool lacks_openblas(const CommandRun& run) {
  return run.status == 2 && run.err.find("OpenBLAS") != std::string::npos;
}

/// "fast+flash2" as options.
Words path_options(const std::string& path) {
  const std::size_t plus = path.find('+');
  if (plus == std::string::npos) throw worker::JobError("`" + path + "` is no PATH+ATTENTION");
  return {"--path", path.substr(0, plus), "--attn", path.substr(plus + 1)};
}

TinyDecoder for_flash2(std::uint64_t seed) {
  TinyDecoder shape = tiny("llama", seed);
  shape.head_dim = 64;
  shape.layers = 2;
  return shape;
}

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// Every stage against the oracle's, to a share of the stage's largest value.
bool follows(Session& s, const std::string& folder, const oracles::DecoderStages& wanted,
             double tolerance, bool naive) {
  for (const auto& [path, values] : wanted) {
    const bool inner = path.ends_with("attn_scores.bin") || path.ends_with("attn_softmax.bin");
    if (inner && !naive) continue;
    const StageBytes stage = read_stage_bytes(folder + "/" + path);
    const double size = std::ranges::max(values, {}, [](double v) { return std::fabs(v); });
    const std::vector<double> bound(values.size(), tolerance * std::fabs(size));
    if (!s.context().compare().within(stage.values, values, bound)) return false;
  }
  return true;
}

bool is_described(Session& s, const std::string& folder, const TinyDecoder& shape,
                  const Value& manifest) {
  const Value* files = manifest.find("files");
  const Value::List* list = files ? files->as_list() : nullptr;
  std::set<std::string> listed;
  for (const Value& entry : list ? *list : Value::List()) {
    const std::string path = text_at(entry, {"file"}), stage = text_at(entry, {"stage"});
    listed.insert(path);
    Value extents = Value::List{};
    for (const std::size_t n : stage_extents(stage, shape, s.tokens().size()))
      extents.push(std::uint64_t{n});
    const Value* layer = entry.find("layer");
    const std::uint32_t number =
        layer && layer->as_int() ? static_cast<std::uint32_t>(*layer->as_int()) : kNoLayer;
    const Value* shown = entry.find("shape");
    if (!s.holds(path == stage_path(stage, number),
                 path + " is the place of its stage and layer") ||
        !s.holds(shown && *shown == extents, path + " has the shape that the model gives it") ||
        !s.holds(text_at(entry, {"sha256"}) == sha256_of(read_file(folder + "/" + path)).text,
                 path + " has the digest of its file"))
      return false;
  }
  return s.holds(listed == stages_below(folder), "every file is listed, and nothing else");
}

bool names_its_run(Session& s, const Value& manifest, const std::string& model) {
  // As `sha256sum config.json model.safetensors | sha256sum` says it.
  std::string listing;
  for (const char* name : {"config.json", "model.safetensors"})
    listing += fmt::format("{}  {}\n", sha256_of(read_file(model + "/" + name)).text, name);
  Value tokens = Value::List{};
  for (const std::uint32_t token : s.tokens()) tokens.push(std::int64_t{token});
  const Value* path = manifest.find("path");
  const Value* kernels = path ? path->find("kernels") : nullptr;
  return s.holds(text_at(manifest, {"model", "sha256"}) == sha256_of(listing).text,
                 "the model's digest is that of its files") &&
         s.holds(manifest.find("tokens") && *manifest.find("tokens") == tokens,
                 "the tokens are those that ran") &&
         s.holds(kernels && kernels->as_list() && !kernels->as_list()->empty(),
                 "the kernels are named");
}

}  // namespace

Verdict trace_stages_follow(Context& context) {
  const auto families = context.words("families"), paths = context.words("paths");
  const double reference = context.real("reference_tolerance"),
               fast = context.real("fast_tolerance");
  return check_live(context, [&](Session& s) {
    for (const std::string& family : families) {
      const auto shape = tiny(family, s.seed());
      const auto weights = fixtures::tiny_weights(shape);
      fixtures::write_tiny(s / family, fixtures::tiny_config(shape), weights);
      const auto wanted = oracles::decoder_stages(shape, weights, s.tokens());
      for (const std::string& path : paths) {
        const std::string out = s / fmt::format("{}-{}", family, path);
        const CommandRun run = s.trace(s / family, out, {"--save-tensor", "all", "--path", path});
        if (path == "fast" && lacks_openblas(run)) continue;
        if (!s.exits(run, 0) || !follows(s, out, wanted, path == "fast" ? fast : reference, true))
          return false;
      }
    }
    const auto shape = for_flash2(s.seed());
    const auto weights = fixtures::tiny_weights(shape);
    fixtures::write_tiny(s / "flash", fixtures::tiny_config(shape), weights);
    const CommandRun run =
        s.trace(s / "flash", s / "f", {"--save-tensor", "all", "--attn", "flash2"});
    return s.exits(run, 0) &&
           follows(s, s / "f", oracles::decoder_stages(shape, weights, s.tokens()), fast, false);
  });
}

Verdict trace_manifest(Context& context) {
  return check_live(context, [](Session& s) {
    const auto shape = for_flash2(s.seed());
    const std::string model = written(s, "m", shape);
    const auto traced = [&](const char* name, const Words& more) {
      const CommandRun run = s.trace(model, s / name, with({"--save-tensor", "all"}, more));
      return run.status == 0 ? manifest_of(s / name) : Value();
    };
    const Value first = traced("first", {}), again = traced("again", {}),
                flash = traced("flash", {"--attn", "flash2"});
    const auto tokens = s.tokens();
    s.use_tokens({tokens.begin(), tokens.end() - 1});
    const Value fewer = traced("fewer", {});
    s.use_tokens(tokens);
    const auto id = [](const Value& m) { return text_at(m, {"run_id"}); };
    const auto print = [](const Value& m) { return text_at(m, {"path", "fingerprint"}); };
    return is_described(s, s / "first", shape, first) && names_its_run(s, first, model) &&
           s.holds(!id(first).empty() && id(first) == id(again), "equal runs have one id") &&
           s.holds(id(first) != id(flash), "another path gives another id") &&
           s.holds(id(first) != id(fewer), "other tokens give another id") &&
           s.holds(!print(first).empty() && print(first) != print(flash),
                   "another path has another fingerprint") &&
           s.holds(print(first) == print(fewer), "the path's fingerprint is the path's alone");
  });
}

Verdict trace_is_what_decodes(Context& context) {
  const auto paths = context.words("paths");
  return check_live(context, [&](Session& s) {
    const std::string model = written(s, "m", for_flash2(s.seed()));
    std::set<std::string> prints;
    std::size_t ran = 0;
    for (const std::string& path : paths) {
      const Words options = with(path_options(path), {"-j", "1"});
      const std::string out = s / path;
      const CommandRun trace = s.trace(model, out, with({"--save-tensor", "lm_head"}, options));
      if (path.starts_with("fast") && lacks_openblas(trace)) continue;
      const CommandRun decode = s.run(
          with({"decode", model, "--tokens", joined(s.tokens()), "--max-tokens", "1", "--json"},
               options));
      if (!s.exits(trace, 0) || !s.exits(decode, 0)) return false;
      const auto record = json::parse(decode.out);
      const Value* steps = record ? record->find("steps") : nullptr;
      const Value::List* list = steps ? steps->as_list() : nullptr;
      if (!s.holds(list && list->size() == 1, "one token is decoded")) return false;
      const auto logits = read_stage_bytes(out + "/lm_head.bin").values;
      std::vector<float> got, wanted;
      const Value* top = (*list)[0].find("top");
      for (const Value& candidate : top && top->as_list() ? *top->as_list() : Value::List()) {
        const Value *token = candidate.find("token"), *logit = candidate.find("logit");
        const auto at = static_cast<std::size_t>(*token->as_int());
        got.push_back(at < logits.size() ? logits[at] : NAN);
        wanted.push_back(static_cast<float>(*logit->as_double()));
      }
      const auto largest = std::ranges::max_element(logits);
      if (!s.holds(got.size() == 5, "five candidates are told") ||
          !s.context().compare().bits(got, wanted) ||
          !s.holds(largest != logits.end() && *largest == wanted[0],
                   "the traced logits decide as decoding does"))
        return false;
      const std::string print = text_at(*record, {"path_fingerprint"});
      if (!s.holds(print == text_at(manifest_of(out), {"path", "fingerprint"}),
                   "both name one and the same path"))
        return false;
      prints.insert(print);
      ++ran;
    }
    return s.context().compare().equal(prints.size(), ran, "fingerprints of so many paths");
  });
}

}  // namespace refute::falsifiers
