#include <algorithm>

#include <fmt/format.h>

#include "harness/instruments/bisect/bisect.hpp"
#include "harness/instruments/bisect/capture_walk.hpp"
#include "harness/instruments/bisect/conclude_report.hpp"
#include "harness/instruments/bisect/config_verdict.hpp"
#include "harness/tensor/text.hpp"

namespace refute::bisect {
namespace {

std::string short_digest(const Digest& digest) {
  return fmt::format("{:.12}", digest.text);
}

std::optional<Error> refuse_tokens_apart(const CapturedRun& good, const CapturedRun& bad) {
  const auto &a = good.manifest().tokens, &b = bad.manifest().tokens;
  if (a == b) return std::nullopt;
  const auto [at, other] = std::ranges::mismatch(a, b);
  return Error{fmt::format("{} and {} are of different tokens: {} and {} of them, the same up to "
                           "position {}",
                           good.folder(), bad.folder(), a.size(), b.size(), at - a.begin()),
               "capture both on the same tokens: what differs has to be the path alone"};
}

std::optional<Error> refuse_models_apart(const CapturedRun& good, const CapturedRun& bad) {
  if (good.manifest().model_sha256 == bad.manifest().model_sha256) return std::nullopt;
  return Error{fmt::format("{} is of model {} ({}), {} of {} ({})", good.folder(),
                           tensor::printable(good.manifest().model),
                           short_digest(good.manifest().model_sha256), bad.folder(),
                           tensor::printable(bad.manifest().model),
                           short_digest(bad.manifest().model_sha256)),
               "for one model with its weights stored in two ways, give the second's model as "
               "MODEL and the first's as --original"};
}

/// Whether a capture is of this model, by the digest of the model's files.
std::optional<Error> refuse_other_model(const CapturedRun& run, const DecoderModel& model,
                                        const char* what) {
  const auto digest = model.digest();
  if (!digest) return digest.error();
  if (run.manifest().model_sha256 != *digest) {
    return Error{fmt::format("{} is of model {} ({}), and {} {} has another content ({})",
                             run.folder(), tensor::printable(run.manifest().model),
                             short_digest(run.manifest().model_sha256), what, model.path(),
                             short_digest(*digest)),
                 "give the model that was captured; where the good capture is of the original "
                 "weights, give those as --original"};
  }
  if (auto error =
          refuse_tokens(model.config(), run.manifest().tokens, run.manifest().tokens.size())) {
    return error;
  }
  return run.refuse_shapes(model);
}

std::optional<Error> refuse_size(const CaptureRequest& r) {
  const std::size_t tokens = r.bad->manifest().tokens.size();
  return forward::refuse_size(r.model->config(), AttentionKernel::naive, tokens, tokens,
                              memory_of_one_run(r.replicas));
}

Result<Arithmetic> arithmetic_of(const CapturedRun& run) {
  auto declared = declared_arithmetic(run.manifest().path);
  if (declared) return declared;
  return Error{run.folder() + ": " + declared.error().what, declared.error().hint};
}

EndSummary summary_of(const CapturedRun& run) {
  return {run.folder(), run.manifest().model, run.manifest().path};
}

Symptom symptom_of(const CaptureRequest& r) {
  Symptom s;
  const auto good = r.good->decision(), bad = r.bad->decision();
  s.known = good && bad;
  if (good) s.good = *good;
  if (bad) s.bad = s.first = *bad;
  s.reported = r.reported;
  return s;
}

std::vector<std::string> notes_of(const CaptureRequest& r) {
  std::vector<std::string> notes;
  for (const CapturedRun* run : {r.good, r.bad}) {
    if (run->stale().empty()) continue;
    notes.push_back(
        fmt::format("{} holds {} stage files of an earlier run, first {}; they are not "
                    "looked at",
                    run->folder(), run->stale().size(), run->stale().front()));
  }
  if (path_fingerprint(r.good->manifest().path) == path_fingerprint(r.bad->manifest().path)) {
    notes.push_back("both captures say that they ran by the same path");
  }
  if (r.reported && !(r.good->decision() && r.bad->decision())) {
    notes.push_back("whether the reported token comes out is not known: logits were not captured");
  }
  return notes;
}

Report report_of(const CaptureRequest& r) {
  Report report;
  report.good = summary_of(*r.good);
  report.bad = summary_of(*r.bad);
  report.prompt = r.bad->manifest().tokens;
  report.symptom = symptom_of(r);
  report.notes = notes_of(r);
  return report;
}

/// Without a model: nothing is judged, unless there is nothing to judge.
Report without_model(const CaptureRequest& r) {
  Report report = report_of(r);
  report.rows = compare_captures(*r.good, *r.bad);
  report.verdict = conclude({.symptom = report.symptom,
                             .rows = report.rows,
                             .good_unrepeated = {},
                             .bad_unrepeated = {},
                             .with_model = false});
  return report;
}

Result<Report> with_model(const CaptureRequest& r) {
  const DecoderModel& good_model = r.original != nullptr ? *r.original : *r.model;
  if (auto error = refuse_other_model(*r.bad, *r.model, "MODEL")) return *error;
  if (auto error = refuse_reported(r.reported, r.model->config())) return *error;
  const char* what = r.original != nullptr ? "--original" : "MODEL";
  if (auto error = refuse_other_model(*r.good, good_model, what)) return *error;
  auto config = config_differences(good_model, *r.model);
  if (auto error = refuse_other_shapes(config, good_model, *r.model)) return *error;
  if (!stages_match(config)) {
    Report report = report_of(r);
    report.other_weights = true;
    conclude_config(report, std::move(config), good_model, *r.model);
    return report;
  }
  if (auto error = refuse_size(r)) return *error;
  const auto good = arithmetic_of(*r.good), bad = arithmetic_of(*r.bad);
  if (!good) return good.error();
  if (!bad) return bad.error();
  auto walked = walk_captures({*r.good, good_model, *good}, {*r.bad, *r.model, *bad}, r.threads);
  if (!walked) return walked.take_error();
  Report report = report_of(r);
  report.other_weights = r.original != nullptr;
  report.reference = walked->reference;
  report.rows = std::move(walked->rows);
  const Steps steps = {report.prompt};
  const Evidence evidence = {
      .symptom = report.symptom, .rows = report.rows, .good_unrepeated = {}, .bad_unrepeated = {}};
  if (auto error = conclude_report(report, evidence,
                                   forecast_both(*r.model, r.original, coarser_of(*good, *bad),
                                                 steps, r.replicas, r.threads))) {
    return *error;
  }
  const auto named =
      report.verdict.kind == VerdictKind::wrong_stage ? report.verdict.at : std::nullopt;
  conclude_config(report, std::move(config), good_model, *r.model);
  if (!r.toggles || !report.symptom.known) return report;
  auto toggles = toggle_captures(*r.bad, *r.model, bad->storage, named, walked->reference,
                                 report.symptom.bad, r.threads);
  if (!toggles) return toggles.take_error();
  report.toggles = *std::move(toggles);
  return report;
}

}  // namespace

Result<Report> bisect_captures(const CaptureRequest& r) {
  if (auto error = refuse_tokens_apart(*r.good, *r.bad)) return *error;
  if (r.model == nullptr) {
    if (auto error = refuse_models_apart(*r.good, *r.bad)) return *error;
  }
  auto report = r.model == nullptr ? Result<Report>(without_model(r)) : with_model(r);
  for (const CapturedRun* run : {r.good, r.bad}) {
    if (run->damaged()) {
      return Error{run->folder() + ": a file changed while it was read", "capture it again"};
    }
  }
  return report;
}

}  // namespace refute::bisect
