#include <cmath>

#include "harness/instruments/bisect/report.hpp"

namespace refute::bisect {
namespace {

/// JSON has no infinity.
Value number(double x) {
  if (std::isfinite(x)) return x;
  return std::isnan(x) ? "nan" : x > 0 ? "inf" : "-inf";
}

Value place(StageAt at) {
  Value v = Value::Map{};
  v.set("stage", tensor::to_string(at.stage));
  v.set("layer", at.layer == tensor::kWholeModel ? Value() : Value(std::int64_t{at.layer}));
  return v;
}

Value decision_value(const Decision& d) {
  if (!d.decided()) {
    return Value::Map{{"token", Value()}, {"non_finite_logits", std::uint64_t{d.non_finite}}};
  }
  Value top = Value::List{};
  for (const forward::Candidate& c : d.top) {
    top.push(Value::Map{{"token", std::int64_t{c.token}}, {"logit", static_cast<double>(c.logit)}});
  }
  return Value::Map{{"token", std::int64_t{d.token()}},
                    {"margin", static_cast<double>(d.margin())},
                    {"top", top}};
}

Value own_value(const OwnError& e) {
  return Value::Map{{"of_floor", number(e.ratio)},
                    {"relative", number(e.relative)},
                    {"floor", number(e.floor)},
                    {"worst", Value::Map{{"element", std::uint64_t{e.worst}},
                                         {"row", std::uint64_t{e.worst / e.columns()}},
                                         {"column", std::uint64_t{e.worst % e.columns()}},
                                         {"got", number(e.got)},
                                         {"want", number(e.want)},
                                         {"bound", number(e.bound)}}},
                    {"beyond", std::uint64_t{e.beyond}},
                    {"beyond_rows", std::uint64_t{e.beyond_rows}},
                    {"beyond_columns", std::uint64_t{e.beyond_columns}},
                    {"non_finite", std::uint64_t{e.non_finite}},
                    {"count", std::uint64_t{e.count}}};
}

Value distance_value(const Distance& d) {
  return Value::Map{{"relative", number(d.relative)},
                    {"rms", number(d.rms)},
                    {"norm_ratio", number(d.norm_ratio)},
                    {"cosine", number(d.cosine)},
                    {"worst_row", std::uint64_t{d.worst_row_index}},
                    {"worst_row_relative", number(d.worst_row)},
                    {"non_finite", std::uint64_t{d.non_finite}},
                    {"bitwise", d.bitwise}};
}

Value row_value(const StageRow& row) {
  Value v = place(row.at);
  if (row.alone) v.set("own_on_reference_inputs", own_value(*row.alone));
  if (row.in_place) v.set("own_in_its_run", own_value(*row.in_place));
  if (row.good) v.set("good_own_in_its_run", own_value(*row.good));
  if (row.own() == nullptr) v.set("not_judged", row.unjudged);
  if (row.total) v.set("total", distance_value(*row.total));
  if (row.implementation) v.set("implementation", distance_value(*row.implementation));
  if (row.good_implementation) {
    v.set("good_implementation", distance_value(*row.good_implementation));
  }
  if (row.quantisation) v.set("quantisation", distance_value(*row.quantisation));
  if (row.weights) {
    v.set("weights", Value::Map{{"types", row.weights->types},
                                {"stored", number(row.weights->stored)},
                                {"band", number(row.weights->band)},
                                {"output", number(row.weights->output)}});
  }
  if (row.predicted_rounding > 0) v.set("predicted_rounding", number(row.predicted_rounding));
  if (row.predicted_total > 0) {
    v.set("predicted_total", number(row.predicted_total));
    v.set("predicted_cosine", number(row.predicted_cosine));
  }
  return v;
}

Value end_value(const EndSummary& end, const Decision& d) {
  Value kernels = Value::List{};
  for (const std::string& kernel : end.path.kernels) kernels.push(kernel);
  return Value::Map{{"name", end.name},
                    {"model", end.model},
                    {"path", end.path.name},
                    {"attn_impl", end.path.attention},
                    {"path_fingerprint", path_fingerprint(end.path).text},
                    {"kernels", kernels},
                    {"weight_dtype", end.path.weight_dtype},
                    {"activation_dtype", end.path.activation_dtype},
                    {"accumulate_dtype", end.path.accumulate_dtype},
                    {"decision", decision_value(d)}};
}

Value verdict_value(const Verdict& verdict) {
  Value why = Value::List{}, config = Value::List{};
  for (const std::string& sentence : verdict.why) why.push(sentence);
  Value v = Value::Map{{"kind", to_string(verdict.kind)}, {"headline", verdict.headline}};
  if (verdict.at) {
    v.set("stage", tensor::to_string(verdict.at->stage));
    v.set("layer", *place(*verdict.at).find("layer"));
    v.set("only_in_its_run", verdict.only_in_place);
  }
  for (const forward::ConfigDifference& d : verdict.config) {
    config.push(Value::Map{{"field", d.field}, {"good", d.first}, {"bad", d.second}});
  }
  if (!verdict.config.empty()) v.set("config", config);
  v.set("why", why);
  return v;
}

Value symptom_value(const Symptom& s) {
  Value common = Value::List{};
  for (const std::uint32_t token : s.common) common.push(std::int64_t{token});
  Value v = Value::Map{{"known", s.known}, {"differs", s.differs()}, {"decoded", common}};
  if (s.reported) {
    v.set("reported", std::int64_t{*s.reported});
    v.set("reproduced", s.reproduced());
  }
  return v;
}

}  // namespace

Value report_value(const Report& r) {
  Value tokens = Value::List{}, toggles = Value::List{}, notes = Value::List{},
        stages = Value::List{};
  for (const std::uint32_t token : r.prompt) tokens.push(std::int64_t{token});
  for (const Toggle& t : r.toggles) {
    toggles.push(Value::Map{{"run", t.run},
                            {"factor", t.factor},
                            {"change", t.change},
                            {"decision", decision_value(t.decision)},
                            {"flips", t.flips}});
  }
  for (const std::string& note : r.notes) notes.push(note);
  for (const StageRow& row : r.rows) stages.push(row_value(row));
  Value v = Value::Map{{"verdict", verdict_value(r.verdict)},
                       {"tokens", tokens},
                       {"symptom", symptom_value(r.symptom)},
                       {"good", end_value(r.good, r.symptom.good)},
                       {"bad", end_value(r.bad, r.symptom.bad)}};
  if (r.reference) v.set("reference", decision_value(*r.reference));
  v.set("noise",
        Value::Map{{"replicas", std::uint64_t{r.replicas}}, {"flips", std::uint64_t{r.flips}}});
  v.set("toggles", toggles);
  v.set("notes", notes);
  v.set("stages", stages);
  return v;
}

}  // namespace refute::bisect
