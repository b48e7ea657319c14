// `refute diff` of stage files and of captures.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>

#include <fmt/format.h>

#include "falsifiers/trace_save_tensor/checks.hpp"
#include "falsifiers/trace_save_tensor/session.hpp"
#include "falsifiers/trace_save_tensor/stage_files.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/json/json.hpp"
#include "harness/worker/domains.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

namespace fs = std::filesystem;
using worker::Context;
using Floats = std::vector<float>;

Floats normal(std::uint64_t seed, std::size_t count) {
  Floats values(count);
  worker::fill(worker::Family::normal, seed, values);
  return values;
}

std::string stage_bytes(std::uint32_t layer, const Floats& values) {
  std::string bytes = "APRT";
  for (const std::uint32_t word : {layer, static_cast<std::uint32_t>(values.size())}) {
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(word >> (8 * i));
  }
  return bytes.append(reinterpret_cast<const char*>(values.data()), 4 * values.size());
}

std::string stage_file(Session& s, const std::string& name, const Floats& values,
                       std::uint32_t layer = 3) {
  write_file(s / name, stage_bytes(layer, values));
  return s / name;
}

struct Diff {
  CommandRun run;
  Value record;

  double number(std::string_view key) const {
    const Value* v = record.find(key);
    if (v && v->as_double()) return *v->as_double();
    return v && v->as_int() ? static_cast<double>(*v->as_int()) : std::nan("");
  }
};

Diff diff(Session& s, Words arguments) {
  arguments.insert(arguments.begin(), "diff");
  arguments.emplace_back("--json");
  Diff d{s.run(std::move(arguments)), {}};
  auto parsed = json::parse(d.run.out);
  if (parsed) d.record = *std::move(parsed);
  return d;
}

/// Kinds of the findings of one stage's row, or of the folders for an empty path.
std::set<std::string> kinds_at(const Diff& d, const std::string& path) {
  std::set<std::string> kinds;
  const auto collect = [&](const Value& record) {
    const Value* findings = record.find("findings");
    for (const Value& f : findings && findings->as_list() ? *findings->as_list() : Value::List())
      kinds.insert(text_at(f, {"kind"}));
  };
  if (path.empty()) collect(d.record);
  const Value* stages = d.record.find("stages");
  for (const Value& row : stages && stages->as_list() ? *stages->as_list() : Value::List()) {
    if (text_at(row, {"file"}) == path) collect(row);
  }
  return kinds;
}

bool finds(Session& s, const Diff& d, const std::string& path, const std::string& kind) {
  return s.exits(d.run, 1) &&
         s.holds(kinds_at(d, path).contains(kind), fmt::format("{} is found in {}", kind, path));
}

bool is_close(Session& s, double got, double want, double tolerance, const char* what) {
  const double off = std::fabs(got - want) / std::max(std::fabs(want), 1e-300);
  return s.context().compare().at_most(off, tolerance,
                                       fmt::format("{}: distance from its definition", what));
}

/// Every number against plain sums in extended precision.
bool numbers_are_right(Session& s, const Floats& a, const Floats& b, double tolerance) {
  const Diff d =
      diff(s, {stage_file(s, "a.bin", a), stage_file(s, "b.bin", b), "--values", "--top", "5"});
  long double d2 = 0, a2 = 0, b2 = 0, ab = 0;
  std::vector<std::pair<double, std::size_t>> off;  // furthest first, then by index
  for (std::size_t i = 0; i < a.size(); ++i) {
    const long double x = a[i], y = b[i];
    d2 += (y - x) * (y - x);
    a2 += x * x;
    b2 += y * y;
    ab += x * y;
    off.emplace_back(-std::fabs(double{b[i]} - double{a[i]}), i);
  }
  std::ranges::sort(off);
  const auto n = static_cast<long double>(a.size());
  const auto root = [](long double x) { return static_cast<double>(std::sqrt(x)); };
  if (!s.exits(d.run, 0) || !is_close(s, d.number("rmse"), root(d2 / n), tolerance, "rmse") ||
      !is_close(s, d.number("relative_error"), root(d2 / a2), tolerance, "relative error") ||
      !is_close(s, d.number("norm_ratio"), root(b2 / a2), tolerance, "norm ratio") ||
      !is_close(s, d.number("cosine"), static_cast<double>(ab / std::sqrt(a2 * b2)), tolerance,
                "cosine") ||
      !is_close(s, d.number("max_abs"), -off[0].first, 0, "largest difference") ||
      !s.context().compare().equal(static_cast<std::uint64_t>(d.number("max_abs_index")),
                                   off[0].second, "index of the largest difference"))
    return false;
  const Value* top = d.record.find("top");
  const Value::List* list = top ? top->as_list() : nullptr;
  if (!s.holds(list && list->size() == 5, "five places are told")) return false;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const Value* index = (*list)[i].find("index");
    if (!s.holds(index && *index == Value(std::uint64_t{off[i].second}),
                 fmt::format("place {} of the furthest is value {}", i, off[i].second)))
      return false;
  }
  return true;
}

/// A non-finite value anywhere is an exit of 1, a count, and no number.
bool counts_non_finite(Session& s, const Floats& healthy) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const float odd : {std::numeric_limits<float>::quiet_NaN(), kInf, -kInf}) {
    for (const int sides : {1, 2, 3}) {
      Floats a = healthy, b = healthy;
      const std::size_t at = s.seed() % a.size();
      if (sides & 1) a[at] = odd;
      if (sides & 2) b[at] = odd;
      const Diff d = diff(s, {stage_file(s, "a.bin", a), stage_file(s, "b.bin", b), "--values",
                              "--tolerance", "1e30"});
      const Value* found = d.record.find("non_finite");
      const Value* side = found ? found->find((sides & 1) != 0 ? "a" : "b") : nullptr;
      const Value* first = side ? side->find("first") : nullptr;
      if (!s.exits(d.run, 1) ||
          !s.holds(first && *first == Value(std::uint64_t{at}), "it says where the first one is") ||
          !s.holds(std::isnan(d.number("cosine")) && std::isnan(d.number("max_abs")),
                   "there is no number") ||
          !s.holds(text_at(d.record, {"verdict"}) == "non-finite", "the verdict says so"))
        return false;
    }
  }
  return true;
}

bool judges(Session& s) {
  const std::string a = stage_file(s, "a.bin", {3, 0, -4, 0}),
                    b = stage_file(s, "b.bin", {3, 0, -4, 0.5});
  const auto ends = [&](const char* option, const char* limit, int status) {
    return s.exits(diff(s, {a, b, "--values", option, limit}).run, status);
  };
  return ends("--tolerance", "0.5", 0) && ends("--tolerance", "0.4999", 1) &&
         ends("--tolerance", "4", 5) && ends("--relative-tolerance", "0.1", 0) &&
         ends("--relative-tolerance", "0.0999", 1) && ends("--relative-tolerance", "1", 5) &&
         ends("--tolerance", "nan", 2);
}

/// A capture of a model and a second one of the same run.
struct Captures {
  std::string a, b;
  fixtures::TinyDecoder shape;
};

Captures two_captures(Session& s) {
  const auto shape = tiny("qwen2", s.seed());
  const std::string model = written(s, "m", shape);
  fs::remove_all(s / "a");
  fs::remove_all(s / "b");
  for (const char* name : {"a", "b"}) s.capture(model, s / name, {"--save-tensor", "all"});
  return {s / "a", s / "b", shape};
}

/// One file of B with its values changed and its manifest made to vouch for them, as an engine with
/// that fault would write it.
void rewrite(const Captures& c, const std::string& path,
             const std::function<void(Floats&)>& change) {
  StageBytes stage = read_stage_bytes(c.b + "/" + path);
  if (stage.values.empty()) throw worker::JobError("the capture has no values in " + path);
  const std::string before = sha256_of(stage.bytes).text;
  change(stage.values);
  const std::string bytes = stage_bytes(stage.layer, stage.values);
  write_file(c.b + "/" + path, bytes);
  std::string manifest = read_file(c.b + "/manifest.json");
  const std::size_t at = manifest.find(before);
  if (at == std::string::npos) throw worker::JobError("the manifest does not list " + path);
  manifest.replace(at, before.size(), sha256_of(bytes).text);
  write_file(c.b + "/manifest.json", manifest);
}

}  // namespace

Verdict diff_recognises(Context& context) {
  return check_live(context, [](Session& s) {
    const Floats values = normal(s.seed(), 300);
    const std::string a = stage_file(s, "a.bin", values), b = stage_file(s, "b.bin", values);
    const Diff same = diff(s, {a, b, "--values"});
    if (!s.exits(same.run, 0) ||
        !s.holds(text_at(same.record, {"verdict"}) == "identical",
                 "identical files are so called") ||
        !s.context().compare().equal(static_cast<std::uint64_t>(same.number("numel")), 300,
                                     "values"))
      return false;
    const Floats fewer(values.begin(), values.end() - 1);
    const Diff count = diff(s, {a, stage_file(s, "fewer.bin", fewer), "--values"});
    const Diff layer = diff(s, {a, stage_file(s, "layer.bin", values, 4), "--values"});
    const Diff whole = diff(s, {a, stage_file(s, "whole.bin", values, kNoLayer), "--values"});
    if (!s.exits(count.run, 2) || !s.says(count.run, {"300", "299"}) || !s.exits(layer.run, 2) ||
        !s.says(layer.run, {"layer 3", "layer 4"}) || !s.exits(whole.run, 2) ||
        !s.says(whole.run, {"whole model"}))
      return false;
    const std::string model = written(s, "m", tiny("llama", s.seed())) + "/model.safetensors";
    const CommandRun mixed = s.run({"diff", a, model, "--values"});
    const CommandRun models = s.run({"diff", model, model, "--values"});
    return s.exits(mixed, 2) && s.says(mixed, {"a.bin", "safetensors"}) && s.exits(models, 0) &&
           s.says(models, {"model.layers.3.mlp.up_proj.weight"});
  });
}

Verdict diff_stage_numbers(Context& context) {
  const double tolerance = context.real("relative_tolerance");
  const auto sizes = context.counts("sizes");
  return check_live(context, [&](Session& s) {
    for (const std::uint64_t size : sizes) {
      const Floats a = normal(s.seed(), size), noise = normal(s.seed() + 1, size);
      Floats b = a;
      for (std::size_t i = 0; i < size; ++i) b[i] += 0.01f * noise[i];
      b[size / 2] = a[size / 2] - 7;
      b[size / 3] = a[size / 3] - 7;  // nearly a tie
      if (!numbers_are_right(s, a, b, tolerance)) return false;
    }
    return counts_non_finite(s, normal(s.seed(), 500)) && judges(s);
  });
}

Verdict diff_comparable(Context& context) {
  return check_live(context, [](Session& s) {
    auto shape = tiny("llama", s.seed());
    shape.head_dim = 64;
    const std::string model = written(s, "m", shape);
    s.capture(model, s / "a", {"--save-tensor", "all"});
    s.capture(model, s / "flash", {"--save-tensor", "all", "--attn", "flash2"});
    shape.seed += 1;
    s.capture(written(s, "o", shape), s / "other", {"--save-tensor", "all"});
    auto tokens = s.tokens();
    tokens[2] = (tokens[2] + 1) % static_cast<std::uint32_t>(shape.vocab);
    s.use_tokens(tokens);
    s.capture(model, s / "tokens", {"--save-tensor", "all"});
    const Diff other = diff(s, {s / "a", s / "other"}), moved = diff(s, {s / "a", s / "tokens"}),
               lifted = diff(s, {s / "a", s / "other", "--across-models"}),
               flash = diff(s, {s / "a", s / "flash", "--relative-tolerance", "1e-4"}),
               same = diff(s, {s / "a", s / "a"});
    const Value *same_path = same.record.find("same_path"),
                *flash_path = flash.record.find("same_path");
    const Value* labels = flash.record.find("differences");
    std::string told;
    for (const Value& label : labels && labels->as_list() ? *labels->as_list() : Value::List())
      told += label.as_string() ? *label.as_string() + "\n" : "";
    return s.exits(other.run, 2) && s.says(other.run, {"model"}) && s.exits(moved.run, 2) &&
           s.says(moved.run, {"tokens", "token 2"}) && s.exits(lifted.run, 0) &&
           s.exits(flash.run, 0) && s.exits(same.run, 0) &&
           s.holds(same_path && *same_path == Value(true), "one path is told to be one") &&
           s.holds(flash_path && *flash_path == Value(false), "two paths are told apart") &&
           s.holds(told.find("attention: naive in A, flash2 in B") != std::string::npos,
                   "what differs in the path is told");
  });
}

Verdict diff_damaged(Context& context) {
  return check_live(context, [](Session& s) {
    const Captures c = two_captures(s);
    const std::string one = "layer-1/ffn_gate.bin", two = "layer-1/ffn_up.bin";
    const std::string kept = read_file(c.b + "/" + one), other = read_file(c.b + "/" + two);
    // The command is the one on trial: it may have written nothing.
    constexpr std::size_t kHeader = 16;
    if (!s.holds(kept.size() > kHeader && other.size() > kHeader, "a capture has its stages"))
      return false;
    const auto damaged = [&](const std::string& bytes) {
      write_file(c.b + "/" + one, bytes);
      const bool found = finds(s, diff(s, {c.a, c.b}), one, "not-as-written");
      write_file(c.b + "/" + one, kept);
      return found;
    };
    std::string longer = kept + std::string(4, '\0'), lying = kept, layer = kept, edited = kept,
                turned = kept;
    lying[8] = static_cast<char>(lying[8] + 1);
    layer[4] = 2;
    edited[edited.size() - 4] ^= 1;
    std::reverse(turned.begin() + 8, turned.begin() + 12);  // a count in the other byte order
    if (!s.exits(diff(s, {c.a, c.b}).run, 0)) return false;
    for (const std::string& bytes : {kept.substr(0, kept.size() - 4), longer, lying, layer, edited,
                                     turned, other, std::string("APR"), std::string()}) {
      if (!damaged(bytes)) return false;
    }
    // Two files that changed places, one that is gone, and one that an earlier run left.
    write_file(c.b + "/" + one, other);
    write_file(c.b + "/" + two, kept);
    const Diff swapped = diff(s, {c.a, c.b});
    write_file(c.b + "/" + one, kept);
    fs::remove(c.b + "/" + two);
    const Diff gone = diff(s, {c.a, c.b});
    write_file(c.b + "/" + two, other);
    write_file(c.b + "/layer-9/ffn_up.bin", other);
    const Diff stale = diff(s, {c.a, c.b});
    fs::remove_all(c.b + "/layer-9");
    fs::remove(c.b + "/manifest.json");
    const Diff orphan = diff(s, {c.a, c.b});
    if (!finds(s, swapped, one, "not-as-written") || !finds(s, swapped, two, "not-as-written") ||
        !finds(s, gone, two, "not-as-written") || !finds(s, stale, "", "stale") ||
        !s.exits(orphan.run, 2) || !s.says(orphan.run, {"manifest.json"}))
      return false;
    // A stage that only one of two captures has.
    s.capture(s / "m", s / "few", {"--save-tensor", "ffn_up,lm_head"});
    return finds(s, diff(s, {c.a, s / "few"}), one, "missing") &&
           finds(s, diff(s, {s / "few", c.a}), one, "extra");
  });
}

Verdict diff_liveness(Context& context) {
  return check_live(context, [](Session& s) {
    const std::string path = "layer-2/ffn_out.bin";
    const auto seen = [&](const char* kind, const std::function<void(Floats&)>& change) {
      const Captures c = two_captures(s);
      rewrite(c, path, change);
      return finds(s, diff(s, {c.a, c.b, "--tolerance", "1e30"}), path, kind);
    };
    const Captures healthy = two_captures(s);
    const Floats before = read_stage_bytes(healthy.a + "/layer-1/ffn_out.bin").values;
    if (!s.exits(diff(s, {healthy.a, healthy.b}).run, 0) ||
        !seen("all-zero", [](Floats& v) { std::ranges::fill(v, 0.0f); }) ||
        !seen("all-zero", [](Floats& v) { std::ranges::fill(v, -0.0f); }) ||
        !seen("constant", [](Floats& v) { std::ranges::fill(v, 0.25f); }) ||
        !seen("same-as-another", [&](Floats& v) { v = before; }))
      return false;
    // One token alone makes probabilities of 1 and rotations by 0: that is how it should be.
    s.use_tokens({s.tokens()[0]});
    const std::string model = written(s, "lone", tiny("qwen3", s.seed()));
    s.capture(model, s / "lone-a", {"--save-tensor", "all"});
    s.capture(model, s / "lone-b", {"--save-tensor", "all"});
    return s.exits(diff(s, {s / "lone-a", s / "lone-b"}).run, 0);
  });
}

}  // namespace refute::falsifiers
