#include "harness/instruments/bisect/bisect.hpp"
#include "harness/instruments/bisect/conclude_report.hpp"
#include "harness/instruments/bisect/config_verdict.hpp"
#include "harness/instruments/bisect/walk.hpp"

namespace refute::bisect {
namespace {

std::optional<Error> refuse(const PathRequest& r) {
  const std::size_t positions = r.prompt.size() + r.max_tokens;
  if (auto error = refuse_reported(r.reported, r.bad.model->config())) return error;
  for (const End* end : {&r.good, &r.bad}) {
    if (const auto refusal = refuse_path(end->path, *end->model)) return refusal->error;
    const DecoderConfig& c = end->model->config();
    if (auto error = forward::refuse_tokens(c, r.prompt, positions)) return error;
    if (auto error = forward::refuse_size(c, AttentionKernel::naive, r.prompt.size(), positions,
                                          memory_of_one_run(r.replicas))) {
      return error;
    }
  }
  return std::nullopt;
}

struct Decoded {
  Symptom symptom;
  Steps steps;  ///< the prompt, and what both said before they part
  Prints good_prints, bad_prints;
};

/// Decodes with both ends until they part.
Result<Decoded> find_symptom(const PathRequest& r) {
  Decoded d;
  Symptom& s = d.symptom;
  s.reported = r.reported;
  d.steps = {r.prompt};
  Pass good(r.good, r.prompt.size() + r.max_tokens), bad(r.bad, r.prompt.size() + r.max_tokens);
  for (std::size_t n = 1;; ++n) {
    auto a = run_step(good, d.steps.back(), &d.good_prints);
    if (!a) return a.take_error();
    auto b = run_step(bad, d.steps.back(), &d.bad_prints);
    if (!b) return b.take_error();
    s.good = *std::move(a);
    s.bad = *std::move(b);
    if (n == 1) s.first = s.bad;
    if (s.differs() || !s.good.decided() || n >= r.max_tokens) return d;
    s.common.push_back(s.good.token());
    d.steps.push_back({s.good.token()});
  }
}

Result<NoiseForecasts> forecast_of(const PathRequest& r, const Steps& steps) {
  const DecoderModel* original = r.good.model == r.bad.model ? nullptr : r.good.model;
  return forecast_both(*r.bad.model, original,
                       coarser_of(arithmetic_of(r.good), arithmetic_of(r.bad)), steps, r.replicas,
                       r.bad.path.threads);
}

Report report_of(const PathRequest& r, const Symptom& symptom) {
  Report report;
  report.good = {to_string(r.good), r.good.model->name(), describe(r.good)};
  report.bad = {to_string(r.bad), r.bad.model->name(), describe(r.bad)};
  report.other_weights = r.good.model != r.bad.model;
  report.prompt = r.prompt;
  report.symptom = symptom;
  return report;
}

}  // namespace

Result<Report> bisect_paths(const PathRequest& r) {
  const DecoderModel &good = *r.good.model, &bad = *r.bad.model;
  auto config = config_differences(good, bad);
  if (auto error = refuse_other_shapes(config, good, bad)) return *error;
  if (auto error = refuse(r)) return *error;
  auto decoded = find_symptom(r);
  if (!decoded) return decoded.take_error();
  Report report = report_of(r, decoded->symptom);
  if (!stages_match(config)) {
    conclude_config(report, std::move(config), good, bad);
    return report;
  }
  auto walked = walk(r.good, r.bad, decoded->steps);
  if (!walked) return walked.take_error();
  report.reference = walked->reference;
  report.rows = std::move(walked->rows);
  const Evidence evidence = {
      .symptom = report.symptom,
      .rows = report.rows,
      .good_unrepeated = first_difference(r.good, decoded->good_prints, walked->good_prints),
      .bad_unrepeated = first_difference(r.bad, decoded->bad_prints, walked->bad_prints)};
  if (auto error = conclude_report(report, evidence, forecast_of(r, decoded->steps))) return *error;
  const auto named =
      report.verdict.kind == VerdictKind::wrong_stage ? report.verdict.at : std::nullopt;
  conclude_config(report, std::move(config), good, bad);
  if (!r.toggles) return report;
  auto toggles =
      toggle_paths(r.good, r.bad, decoded->steps, named, report.symptom.bad, report.symptom.good);
  if (!toggles) return toggles.take_error();
  report.toggles = *std::move(toggles);
  return report;
}

}  // namespace refute::bisect
