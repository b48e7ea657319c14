// How a ParityReport reads: as text, and as the record that lint-observation understands.

#include <cmath>

#include <fmt/format.h>

#include "harness/instruments/parity.hpp"

namespace refute::instruments {
namespace {

using metrics::Acceptance;
using metrics::Metric;

std::string_view word(Acceptance a) {
  switch (a) {
    case Acceptance::accepted:
      return "accepted";
    case Acceptance::refused:
      return "refused";
    case Acceptance::declined:
      return "declined";
  }
  return "";
}

Value number(double x) {
  return std::isfinite(x) ? Value(x) : Value();
}

Value number(const Metric& m) {
  return m.defined() ? number(m.value()) : Value();
}

Value shape_value(const kernels::AttentionShape& s) {
  Value v;
  v.set("batch", std::uint64_t{s.batch});
  v.set("heads", std::uint64_t{s.heads_q});
  v.set("kv_heads", std::uint64_t{s.heads_kv});
  v.set("seq_q", std::uint64_t{s.seq_q});
  v.set("seq_kv", std::uint64_t{s.seq_kv});
  v.set("head_dim", std::uint64_t{s.head_dim});
  return v;
}

Value requested_value(const ParityRequest& r) {
  Value v;
  v.set("impl", to_string(r.kernel));
  v.set("ref", to_string(r.reference));
  v.set("device", to_string(r.device));
  v.set("subject", r.subject ? to_string(*r.subject) : "auto");
  v.set("allow_fallback", r.allow_fallback);
  return v;
}

Value census_value(const metrics::Census& c) {
  Value v;
  v.set("nan", c.nan);
  v.set("positive_infinity", c.positive_infinity);
  v.set("negative_infinity", c.negative_infinity);
  return v;
}

Value place_value(const ParityPlace& p) {
  Value v;
  v.set("batch", std::uint64_t{p.batch});
  v.set("head", std::uint64_t{p.head});
  v.set("row", std::uint64_t{p.row});
  v.set("column", std::uint64_t{p.column});
  return v;
}

ParityPlace place_of(const kernels::AttentionShape& s, std::size_t index) {
  const std::size_t row = index / s.head_dim;
  return {row / s.seq_q / s.heads_q, row / s.seq_q % s.heads_q, row % s.seq_q, index % s.head_dim};
}

/// max_abs_diff and cosine_sim, null where there is none, and then why.
void set_difference(Value& v, const metrics::ErrorReport& e, const kernels::AttentionShape& s) {
  v.set("max_abs_diff", number(e.max_abs));
  v.set("cosine_sim", number(e.cosine));
  if (e.max_abs.defined()) v.set("max_abs_diff_at", place_value(place_of(s, e.max_abs_index)));
  for (const auto& [name, m] :
       {std::pair{"max_abs_diff_undefined", e.max_abs}, {"cosine_sim_undefined", e.cosine}}) {
    if (!m.defined()) v.set(name, metrics::to_string(m.reason()));
  }
  if (!e.got.all_finite()) v.set("kernel_non_finite", census_value(e.got));
  if (!e.reference.all_finite()) v.set("reference_non_finite", census_value(e.reference));
  if (e.mask_mismatch) v.set("mask_mismatch_at", place_value(place_of(s, *e.mask_mismatch)));
}

void set_provenance(Value& v, const ParityPlan& p) {
  v.set("attn_impl", to_string(p.kernel));
  v.set("subject", to_string(p.subject));
  v.set("device", to_string(Device::cpu));
  if (p.kernel == AttentionKernel::flash2) v.set("kernel_source", flash2_source());
  if (p.fallback == Fallback::none) return;
  v.set("fallback", to_string(p.fallback));
  v.set("fallback_reason", p.fallback_reason);
}

void set_inputs(Value& v, const ParityReport& r) {
  v.set("shape", shape_value(r.plan.call.shape));
  v.set("dtype", metrics::to_string(r.plan.storage));
  v.set("causal", r.plan.request.causal);
  v.set("scale", static_cast<double>(r.plan.call.scale));
  if (r.inputs.seed) v.set("seed", *r.inputs.seed);
  if (r.inputs.fixture.empty()) return;
  Value fixture;
  fixture.set("path", r.inputs.fixture);
  fixture.set("sha256", r.inputs.fixture_digest.text);
  v.set("fixture", fixture);
}

const char* phase(const ParityReport& r) {
  return r.plan.call.shape.seq_q == 1 ? "decode" : "prefill";
}

Value regime_value(const ParityReport& r) {
  Value v;
  v.set("phase", phase(r));
  v.set("mask", r.plan.request.causal ? "causal" : "full");
  v.set("key_tiles", std::uint64_t{r.regime.key_tiles});
  v.set("crosses_tile", r.regime.key_tiles > 1);
  v.set("reference_rms", number(r.regime.reference_rms));
  v.set("correct_spread", number(r.regime.correct_spread));
  Value gate;
  if (r.regime.gate_has_power()) {
    gate.set("from", number(r.regime.correct_spread));
    gate.set("to", number(r.regime.reference_rms / 10));
  }
  v.set("absolute_gate", gate);
  return v;
}

/// An element's place, or a row's, which has no column.
Value deciding_value(const kernels::AttentionShape& s, const metrics::Judgement& j) {
  const auto place = deciding_place(s, j);
  if (!place) return {};
  Value v = place_value(*place);
  if (j.part == std::string_view("C1")) {
    std::erase_if(*v.as_map(), [](const auto& member) { return member.first == "column"; });
  }
  return v;
}

Value part_value(const kernels::AttentionShape& s, const metrics::Judgement& j) {
  Value v;
  v.set("verdict", word(j.acceptance));
  v.set("ratio", number(j.ratio));
  v.set("powerless", j.powerless);
  if (deciding_place(s, j)) v.set("at", deciding_value(s, j));
  return v;
}

Value calibrated_value(const kernels::AttentionShape& s, const Calibrated& c) {
  Value v;
  if (!c.declined.empty()) {
    v.set("verdict", word(Acceptance::declined));
    v.set("because", c.declined);
    return v;
  }
  v.set("verdict", word(c.verdict.acceptance));
  v.set("decided_by", c.verdict.part);
  v.set("ratio", number(c.verdict.ratio));
  v.set("headroom", number(1 - c.verdict.ratio));
  v.set("decided_at", deciding_value(s, c.verdict));
  v.set("C3", part_value(s, c.c3));
  v.set("C1", part_value(s, c.c1));
  v.set("C9", part_value(s, c.c9));
  return v;
}

Value worst_row_value(const WorstRow& w) {
  Value v = place_value(w.place);
  v.set("ratio", number(w.ratio));
  v.set("got", number(w.got));
  v.set("exact", number(w.exact));
  v.set("key_tile", w.key_tile ? Value(std::uint64_t{*w.key_tile}) : Value());
  v.set("key_tile_share", w.key_tile ? number(w.key_tile_share) : Value());
  return v;
}

std::string figure(const Metric& m) {
  return m.defined() ? fmt::format("{:.6g}", m.value())
                     : fmt::format("none ({})", metrics::to_string(m.reason()));
}

/// " at batch 0, head 1, row 3, column 5"; empty where there is no place.
std::string place_text(const kernels::AttentionShape& s, const metrics::Judgement& j) {
  const auto p = deciding_place(s, j);
  if (!p) return "";
  const std::string row = fmt::format(" at batch {}, head {}, row {}", p->batch, p->head, p->row);
  return j.part == std::string_view("C1") ? row : fmt::format("{}, column {}", row, p->column);
}

std::string calibrated_text(const kernels::AttentionShape& s, const Calibrated& c) {
  if (!c.declined.empty()) return fmt::format("calibrated     declined: {}\n", c.declined);
  std::string text =
      fmt::format("calibrated     {} by {}: {:.3g} of the limit taken{}, headroom {:.3g}\n",
                  word(c.verdict.acceptance), c.verdict.part, c.verdict.ratio,
                  place_text(s, c.verdict), 1 - c.verdict.ratio);
  const WorstRow& w = *c.worst_row;
  text += fmt::format(
      "worst row      batch {}, head {}, row {}, column {}: {:.9g}, exactly {:.9g}; {:.3g} of the "
      "bound\n",
      w.place.batch, w.place.head, w.place.row, w.place.column, w.got, w.exact, w.ratio);
  if (w.key_tile) {
    text += fmt::format("               key tile {} explains {:.0f} % of its error\n", *w.key_tile,
                        100 * w.key_tile_share);
  }
  return text;
}

/// The fixture's own output: how far away, and what the calibrated rule says of it.
std::string expected_text(const ParityReport& r) {
  const ExpectedOutput& e = *r.expected;
  return fmt::format("expected out   {}; max_abs_diff {}, cosine_sim {}\n",
                     word(e.verdict.acceptance), figure(e.difference.max_abs),
                     figure(e.difference.cosine));
}

/// Why and where the fixture's own output is refused: what everything else is read after.
std::string refused_text(const ParityReport& r) {
  const ExpectedOutput& e = *r.expected;
  std::string text = fmt::format("REFUSED        the fixture's out, by {}{}", e.verdict.part,
                                 place_text(r.plan.call.shape, e.verdict));
  if (e.verdict.part == std::string_view("C3")) {
    text += fmt::format(": {:.9g}, exactly {:.9g}", e.got, e.exact);
  }
  if (e.first_non_finite) {
    const ParityPlace p = place_of(r.plan.call.shape, *e.first_non_finite);
    text += fmt::format(
        "; the first that is not finite is element {} (batch {}, head {}, row {}, "
        "column {})",
        *e.first_non_finite, p.batch, p.head, p.row, p.column);
  }
  return text + "\n";
}

std::string regime_text(const ParityReport& r) {
  return fmt::format(
      "regime         {}, {} key tile{}; rms {:.3g}; correct kernels may differ by {:.3g}, so an "
      "absolute gate has power {}\n",
      phase(r), r.regime.key_tiles, r.regime.key_tiles == 1 ? "" : "s", r.regime.reference_rms,
      r.regime.correct_spread,
      r.regime.gate_has_power() ? fmt::format("from there to {:.3g}", r.regime.reference_rms / 10)
                                : "nowhere");
}

std::string heading(const ParityReport& r) {
  const kernels::AttentionShape& s = r.plan.call.shape;
  const std::string from =
      r.inputs.seed ? fmt::format("seed {}", *r.inputs.seed) : r.inputs.fixture;
  return fmt::format("{} ({}) against {} (cpu_scalar) · {} B{} H{}/{} S{}x{} D{} {} · {}\n",
                     to_string(r.plan.kernel), to_string(r.plan.subject),
                     to_string(r.plan.request.reference), metrics::to_string(r.plan.storage),
                     s.batch, s.heads_q, s.heads_kv, s.seq_q, s.seq_kv, s.head_dim,
                     r.plan.request.causal ? "causal" : "full", from);
}

}  // namespace

bool expected_refused(const ParityReport& r) {
  return r.expected && r.expected->verdict.acceptance == Acceptance::refused;
}

std::string render_parity(const ParityReport& r) {
  std::string text = (expected_refused(r) ? refused_text(r) : "") + heading(r);
  text += fmt::format("max_abs_diff   {}\ncosine_sim     {}\n", figure(r.difference.max_abs),
                      figure(r.difference.cosine));
  if (r.expected) text += expected_text(r);
  text += calibrated_text(r.plan.call.shape, r.calibrated) + regime_text(r);
  text += r.plan.kernel == AttentionKernel::flash2
              ? fmt::format("kernel source  {}\n", flash2_source())
              : "";
  if (r.plan.fallback != Fallback::none) {
    text +=
        fmt::format("fallback       {}: {}\n", to_string(r.plan.fallback), r.plan.fallback_reason);
  }
  return text;
}

Value parity_value(const ParityReport& r) {
  Value v;
  v.set("schema", "refute-parity-1");
  v.set("requested", requested_value(r.plan.request));
  v.set("kernel", to_string(r.plan.kernel));
  v.set("reference", to_string(r.plan.request.reference));
  v.set("reference_subject", to_string(CpuSubject::cpu_scalar));
  set_provenance(v, r.plan);
  set_inputs(v, r);
  v.set("regime", regime_value(r));
  set_difference(v, r.difference, r.plan.call.shape);
  v.set("same_code", r.plan.same_code());
  v.set("calibrated", calibrated_value(r.plan.call.shape, r.calibrated));
  if (r.calibrated.worst_row) v.set("worst_row", worst_row_value(*r.calibrated.worst_row));
  if (r.expected) {
    Value expected;
    set_difference(expected, r.expected->difference, r.plan.call.shape);
    expected.set("verdict", word(r.expected->verdict.acceptance));
    if (r.expected->verdict.acceptance != Acceptance::declined) {
      expected.set("decided_by", r.expected->verdict.part);
      expected.set("ratio", number(r.expected->verdict.ratio));
      expected.set("decided_at", deciding_value(r.plan.call.shape, r.expected->verdict));
    }
    if (r.expected->first_non_finite) {
      expected.set("first_non_finite", std::uint64_t{*r.expected->first_non_finite});
    }
    v.set("expected", expected);
  }
  return v;
}

Value parity_error_value(const ParityError& error, const std::optional<ParityRequest>& request) {
  Value v;
  v.set("schema", "refute-parity-1");
  if (request) v.set("requested", requested_value(*request));
  if (error.shape) v.set("shape", shape_value(*error.shape));
  v.set("error", error.code);
  v.set("message", error.message);
  v.set("exit_code", static_cast<int>(error.exit));
  return v;
}

}  // namespace refute::instruments
