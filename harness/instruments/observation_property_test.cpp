// A body that violates its claim is never green. Bodies are drawn member by member; whether one is
// sound is decided from what was drawn, by other code than the classifiers'.

#include <cmath>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "harness/catch.hpp"
#include "harness/instruments/observation.hpp"
#include "harness/json/json.hpp"

namespace refute::instruments {
namespace {

constexpr int kBodies = 20'000;
const std::string kHex = "0123456789abcdef0123456789abcdef01234567";

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : engine_(seed) {}

  std::size_t below(std::size_t n) { return engine_() % n; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  double unit() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }

  /// Something that is no number: null, text, list, map, bool.
  Value junk() {
    const std::vector<Value> all = {nullptr, "",    "nan",         "0.001",      "flash2",
                                    true,    false, Value::List{}, Value::Map{}, Value::List{0}};
    return all[below(all.size())];
  }

 private:
  std::mt19937_64 engine_;
};

/// A drawn member: absent, junk, or a number; with what its soundness rests on.
struct Number {
  std::optional<Value> member;
  std::optional<double> value;
};

Number number(Draw& draw, const std::vector<double>& corners, double spread) {
  if (draw.one_in(12)) return {};
  if (draw.one_in(8)) return {draw.junk(), std::nullopt};
  const double corner = corners[draw.below(corners.size())];
  double x = corner;
  if (draw.one_in(4)) x = std::nextafter(corner, -1e300);
  if (draw.one_in(4)) x = std::nextafter(corner, 1e300);
  if (draw.one_in(4)) x = corner + spread * (draw.unit() - 0.5);
  return {Value(x), x};
}

/// Fields by which a body may try to be its own judge: none of them may help.
void plead(Draw& draw, Value& body) {
  constexpr std::string_view kPleas[] = {"tolerance",  "tol_abs", "threshold", "max_abs_diff_limit",
                                         "min_cosine", "floor",   "required",  "limits",
                                         "verdict",    "ok",      "passed",    "standing"};
  for (const std::string_view key : kPleas) {
    if (draw.one_in(6)) body.set(key, draw.one_in(2) ? Value(1e9) : Value(true));
  }
}

struct Body {
  Value value{Value::Map{}};
  bool sound = false;

  void set(std::string_view key, const std::optional<Value>& member) {
    if (member) value.set(key, *member);
  }
};

Body parity_body(Draw& draw) {
  Body b;
  const Number difference = number(draw, {0, 0.002, 0.005, 0.006, -0.001, 1e300, -0.0}, 0.01);
  const Number cosine = number(draw, {1, 0.99995, 0.9999, 0.99, -1, 0, 1.5, -1.5}, 1e-3);
  b.set("max_abs_diff", difference.member);
  b.set("cosine_sim", cosine.member);
  const bool weak = draw.one_in(5);
  if (weak) {
    const std::vector<std::pair<const char*, Value>> admissions = {
        {"error", "broke"}, {"same_code", true}, {"attn_impl", "naive"}, {"fallback", "no-gpu"}};
    const auto& [key, value] = admissions[draw.below(admissions.size())];
    b.value.set(key, value);
  }
  b.sound = !weak && difference.value && cosine.value && *difference.value >= 0 &&
            *difference.value <= 0.005 && *cosine.value >= 0.9999 && *cosine.value <= 1;
  return b;
}

std::optional<Value> word(Draw& draw, const std::vector<std::string>& words) {
  if (draw.one_in(12)) return std::nullopt;
  if (draw.one_in(8)) return draw.junk();
  return Value(words[draw.below(words.size())]);
}

std::string text_of(const std::optional<Value>& member) {
  return member && member->is_string() ? *member->as_string() : "";
}

bool there(const std::optional<Value>& member) {
  return member && !member->is_null();
}

Body provenance_body(Draw& draw) {
  const std::string good = "refute:flash2@" + kHex;
  Body b;
  const auto impl = word(draw, {"flash2", "flash2", "naive", "naive", "fallback", "flash3", ""});
  const auto source = draw.one_in(2)
                          ? std::nullopt
                          : word(draw, {good, good, "refute:flash2@" + std::string(40, '0'),
                                        "refute:flash2@" + kHex.substr(1), "flash2@" + kHex,
                                        good + " ", "refute:flash2@" + std::string(40, 'G')});
  const auto fallback =
      draw.one_in(2) ? std::nullopt : word(draw, {"no-gpu", "abi", "arch", "other", "NO-GPU"});
  b.set("attn_impl", impl);
  b.set("kernel_source", source);
  b.set("fallback", fallback);
  // Flash2 was not asked for then, and a fallback beside it would have to give its reason.
  const bool asked = draw.one_in(8);
  if (asked) b.value.set("requested", Value(Value::Map{{"impl", Value("naive")}}));
  const std::string reason = text_of(fallback);
  const bool flash2 = text_of(impl) == "flash2" && text_of(source) == good && !there(fallback);
  const bool naive = text_of(impl) == "naive" && !there(source) &&
                     (reason == "no-gpu" || reason == "abi" || reason == "arch");
  b.sound = !asked && (flash2 || naive);
  return b;
}

Body head_dim_body(Draw& draw) {
  const std::string reason = "unsupported-head-dim";
  Body b;
  const auto error = word(draw, {reason, reason + ": 96", "E: " + reason, "x" + reason,
                                 reason + "s", "head_dim", "out of memory", " "});
  const Number status = draw.one_in(2) ? Number{} : number(draw, {1, 0, 2, -1}, 4);
  const bool result = draw.one_in(8);
  b.set("error", error);
  b.set("exit_code", status.member);
  if (result) b.value.set("attn_impl", "naive");
  const std::string text = text_of(error);
  const bool named = text == reason || text == reason + ": 96" || text == "E: " + reason;
  b.sound = named && !result && (!there(status.member) || (status.value && *status.value == 1));
  return b;
}

Body frobenius_body(Draw& draw) {
  Body b;
  const double least = 0.125 / std::sqrt(12.0) / 2, most = 0.125 / std::sqrt(12.0);
  const Number error = number(draw, {0.02646, 0.0190, 0.0350, 0, 0.01, 0.05, -0.02, 1e300}, 0.02);
  b.set("relative_frobenius_error", error.member);
  b.sound = error.value && *error.value >= least && *error.value <= most;
  return b;
}

Body capability_body(Draw& draw) {
  Body b;
  const Number sm = number(draw, {90, 100, 120, 89, 75, 0, -1, 1e6, 90.5}, 60);
  const Number status = draw.one_in(3) ? Number{} : number(draw, {2, 2, 2, 0, 1}, 4);
  const auto message = draw.one_in(3) ? std::nullopt : word(draw, {"Hopper", "sm_90+", "no", ""});
  b.set("sm", sm.member);
  b.set("exit_code", status.member);
  b.set("message", message);
  if (!sm.value || *sm.value != std::floor(*sm.value) || *sm.value < 1 || *sm.value > 999) return b;
  const bool says_two = status.value && *status.value == 2;
  const bool says_well = !there(status.member) || (status.value && *status.value == 0);
  const std::string text = text_of(message);
  b.sound = *sm.value >= 90 ? says_well && !there(message)
                            : says_two && (text == "Hopper" || text == "sm_90+");
  return b;
}

void check_kind(ObservationKind kind, const std::function<Body(Draw&)>& draw_body) {
  Draw draw(20261121 + static_cast<std::uint64_t>(kind));
  int sound = 0;
  for (int i = 0; i < kBodies; ++i) {
    Body b = draw_body(draw);
    plead(draw, b.value);
    // Through text, as it would come.
    const auto body = json::parse(json::dump(b.value));
    REQUIRE(body);
    const auto findings = lint_observation(*body, std::vector{kind}, {});
    REQUIRE(findings);
    const bool green = exit_codes(*findings).front() == ExitCode::ok;
    if (green != b.sound) {
      INFO(json::dump(b.value));
      INFO(row_of(findings->front().outcome).name);
      REQUIRE(green == b.sound);
    }
    sound += b.sound;
  }
  // Both ends were drawn, or nothing was shown.
  CHECK(sound > kBodies / 100);
  CHECK(sound < kBodies / 2);
}

}  // namespace

TEST_CASE("a violating observation is never green: parity") {
  check_kind(ObservationKind::parity, parity_body);
}

TEST_CASE("a violating observation is never green: provenance") {
  check_kind(ObservationKind::provenance, provenance_body);
}

TEST_CASE("a violating observation is never green: head_dim") {
  check_kind(ObservationKind::head_dim_error, head_dim_body);
}

TEST_CASE("a violating observation is never green: frobenius") {
  check_kind(ObservationKind::frobenius, frobenius_body);
}

TEST_CASE("a violating observation is never green: capability") {
  check_kind(ObservationKind::capability, capability_body);
}

}  // namespace refute::instruments
