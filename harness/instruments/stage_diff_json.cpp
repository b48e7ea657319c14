// A diff of stages as data.

#include <cmath>

#include "harness/instruments/stage_diff_report.hpp"

namespace refute::instruments {
namespace {

using metrics::Metric;

Value number(Metric m) {
  return m.defined() ? Value(m.value()) : Value();
}

/// A float that JSON has: NaN and infinity go by name.
Value float_value(float x) {
  switch (metrics::classify(x)) {
    case metrics::FloatClass::finite:
      return static_cast<double>(x);
    case metrics::FloatClass::nan:
      return "NaN";
    case metrics::FloatClass::positive_infinity:
      return "Inf";
    case metrics::FloatClass::negative_infinity:
      return "-Inf";
  }
  return {};
}

Value census_value(const metrics::Census& c) {
  return Value::Map{{"nan", c.nan},
                    {"positive_infinity", c.positive_infinity},
                    {"negative_infinity", c.negative_infinity},
                    {"first", c.first ? Value(std::uint64_t{*c.first}) : Value()}};
}

Value places_value(const std::vector<ValuePlace>& places) {
  Value list = Value::List{};
  for (const ValuePlace& p : places) {
    const double d = p.distance();
    list.push(Value::Map{{"index", std::uint64_t{p.index}},
                         {"a", float_value(p.a)},
                         {"b", float_value(p.b)},
                         {"diff", std::isfinite(d) ? Value(d) : Value("Inf")}});
  }
  return list;
}

void set_values(Value& record, const StageValues& v) {
  record.set("numel", std::uint64_t{v.count});
  record.set("non_finite", Value::Map{{"a", census_value(v.a)}, {"b", census_value(v.b)}});
  record.set("identical", v.identical);
  record.set("max_abs", number(v.max_abs));
  record.set("max_abs_index",
             v.max_abs.defined() ? Value(std::uint64_t{v.max_abs_index}) : Value());
  record.set("rmse", number(v.rmse));
  record.set("cosine", number(v.cosine));
  record.set("relative_error", number(v.relative_error));
  record.set("norm_ratio", number(v.norm_ratio));
  record.set("rms_a", number(v.rms_a));
  record.set("rms_b", number(v.rms_b));
}

Value limits_value(const StageLimits& limits) {
  const auto of = [](std::optional<double> limit) { return limit ? Value(*limit) : Value(); };
  return Value::Map{{"max_abs", of(limits.max_abs)}, {"relative", of(limits.relative)}};
}

Value layer_value(std::uint32_t layer) {
  return layer == tensor::kWholeModel ? Value() : Value(std::int64_t{layer});
}

Value findings_value(const std::vector<StageFinding>& findings) {
  Value list = Value::List{};
  for (const StageFinding& f : findings) {
    list.push(Value::Map{{"kind", to_string(f.kind)}, {"side", f.side}, {"message", f.message}});
  }
  return list;
}

Value row_value(const StageDiffRow& row) {
  Value shape = Value::List{};
  for (const std::size_t extent : row.shape) shape.push(std::uint64_t{extent});
  Value record = Value::Map{{"stage", to_string(row.stage)},
                            {"layer", layer_value(row.layer)},
                            {"file", row.file()},
                            {"shape", shape}};
  if (row.values) {
    set_values(record, *row.values);
    const WorstStageRow& worst = row.values->worst_row;
    record.set("worst_row", Value::Map{{"row", std::uint64_t{worst.row}},
                                       {"relative_error", number(worst.relative_error)}});
    record.set("top", places_value(row.values->top));
    record.set("verdict", to_string(row.judgement.verdict));
    record.set("reason", row.judgement.because);
  }
  if (!row.note.empty()) record.set("note", row.note);
  record.set("findings", findings_value(row.findings));
  return record;
}

Value side_value(const std::string& folder, const tensor::CaptureManifest& m) {
  return Value::Map{{"folder", folder},
                    {"run_id", run_id(m).text},
                    {"producer", m.producer},
                    {"model", m.model},
                    {"model_sha256", m.model_sha256.text},
                    {"path", m.path.name},
                    {"attention", m.path.attention},
                    {"path_fingerprint", path_fingerprint(m.path).text}};
}

}  // namespace

Value stage_file_value(const StageFileDiff& diff, const StageLimits& limits) {
  Value record =
      Value::Map{{"a", diff.path_a}, {"b", diff.path_b}, {"layer", layer_value(diff.layer)}};
  set_values(record, diff.values);
  record.set("top", places_value(diff.values.top));
  record.set("tolerance", limits_value(limits));
  record.set("verdict", to_string(diff.judgement.verdict));
  record.set("reason", diff.judgement.because);
  return record;
}

Value capture_value(const CaptureDiff& diff, const StageLimits& limits) {
  Value labels = Value::List{}, rows = Value::List{};
  for (const std::string& label : diff.labels) labels.push(label);
  for (const StageDiffRow& row : diff.rows) rows.push(row_value(row));
  const StageDiffRow* first = diff.first_bad();
  return Value::Map{{"a", side_value(diff.folder_a, diff.a)},
                    {"b", side_value(diff.folder_b, diff.b)},
                    {"tokens", std::uint64_t{diff.a.tokens.size()}},
                    {"same_path", diff.labels.empty()},
                    {"differences", labels},
                    {"tolerance", limits_value(limits)},
                    {"stages", rows},
                    {"findings", findings_value(diff.findings)},
                    {"compared", std::uint64_t{diff.compared()}},
                    {"first_finding", first ? Value(first->file()) : Value()}};
}

}  // namespace refute::instruments
