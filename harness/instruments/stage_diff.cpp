#include "harness/instruments/stage_diff.hpp"

#include <algorithm>
#include <future>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/instruments/stage_comparable.hpp"
#include "harness/instruments/stage_liveness.hpp"

namespace refute::instruments {
namespace {

using tensor::AprtFile;
using tensor::CapturedFile;
using tensor::CaptureManifest;
using tensor::Stage;
using Opened = Result<AprtFile>;

/// One capture while it is compared.
struct Side {
  std::string name, folder;
  const CaptureManifest* manifest;
  TwinFinder twins;
};

/// Before everything else: a stage's place in forward order.
using Place = std::pair<std::uint32_t, Stage>;

std::map<Place, std::pair<const CapturedFile*, const CapturedFile*>> by_place(
    const CaptureManifest& a, const CaptureManifest& b) {
  std::map<Place, std::pair<const CapturedFile*, const CapturedFile*>> places;
  for (const CapturedFile& f : a.files) places[{f.layer, f.stage}].first = &f;
  for (const CapturedFile& f : b.files) places[{f.layer, f.stage}].second = &f;
  return places;
}

/// Scores and probabilities exist where attention is naive: elsewhere their absence is no finding.
bool is_not_materialised(Stage stage, const CaptureManifest& where) {
  const bool part = stage == Stage::attn_scores || stage == Stage::attn_softmax;
  return part && where.path.attention != "naive";
}

void look_alive(StageDiffRow& row, Side& side, const CapturedFile& file,
                std::span<const float> values) {
  const std::size_t tokens = side.manifest->tokens.size();
  const auto found = [&](StageFindingKind kind, std::string message) {
    row.findings.push_back({kind, side.name, std::move(message)});
  };
  switch (sameness_of(values)) {
    case Sameness::zeros:
      return found(StageFindingKind::all_zero,
                   fmt::format("all {} values are zero", values.size()));
    case Sameness::constant:
      if (may_be_constant(file.stage, tokens)) return;
      return found(StageFindingKind::constant,
                   fmt::format("all {} values are {}", values.size(), values[0]));
    case Sameness::varied:
      return;
  }
}

/// Opens a side's file and holds it against its manifest; a finding where it is not as written.
std::optional<AprtFile> take(StageDiffRow& row, const Side& side, Opened opened) {
  if (opened) return *std::move(opened);
  row.findings.push_back({StageFindingKind::not_as_written, side.name, opened.error().what});
  return std::nullopt;
}

void compare(StageDiffRow& row, Side& a, const CapturedFile& file_a, Side& b,
             const CapturedFile& file_b, const CaptureDiffOptions& options) {
  auto other = std::async(std::launch::async, [&] { return tensor::open_stage(b.folder, file_b); });
  const auto left = take(row, a, tensor::open_stage(a.folder, file_a));
  const auto right = take(row, b, other.get());
  if (left) look_alive(row, a, file_a, left->values());
  if (right) look_alive(row, b, file_b, right->values());
  if (!left || !right) return;
  if (file_a.shape != file_b.shape) {
    row.findings.push_back({StageFindingKind::shape, "",
                            fmt::format("A is [{}], B is [{}]", fmt::join(file_a.shape, ", "),
                                        fmt::join(file_b.shape, ", "))});
    return;
  }
  const std::size_t rows = row_length(file_a.shape);
  row.values = compare_values(left->values(), right->values(),
                              {.top = options.top, .row = rows, .threads = options.threads});
  row.judgement = judge_values(*row.values, left->values(), options.limits);
  if (row.values->rms_a.defined()) {
    a.twins.add(file_a, row.values->rms_a.value());
    b.twins.add(file_b, row.values->rms_b.value());
  }
  if (left->damaged() || right->damaged()) {
    row.findings.push_back({StageFindingKind::changed_meanwhile, left->damaged() ? "A" : "B",
                            "the file was changed while it was read"});
  }
}

void take_verdict(StageDiffRow& row) {
  const StageJudgement& j = row.judgement;
  if (j.verdict == StageVerdict::non_finite)
    row.findings.push_back({StageFindingKind::non_finite, "", j.because});
  if (j.verdict == StageVerdict::above)
    row.findings.push_back({StageFindingKind::above_tolerance, "", j.because});
}

StageDiffRow row_of(Place place, const CapturedFile* in_a, const CapturedFile* in_b, Side& a,
                    Side& b, const CaptureDiffOptions& options) {
  StageDiffRow row{place.second, place.first, in_a ? in_a->shape : in_b->shape, {}, {}, {}, ""};
  if (in_a && in_b) {
    compare(row, a, *in_a, b, *in_b, options);
    take_verdict(row);
    return row;
  }
  Side &with = in_a ? a : b, &without = in_a ? b : a;
  const CapturedFile& file = in_a ? *in_a : *in_b;
  if (const auto alone = take(row, with, tensor::open_stage(with.folder, file)))
    look_alive(row, with, file, alone->values());
  if (is_not_materialised(row.stage, *without.manifest)) {
    row.note = fmt::format("{} has none: its attention is {}", without.name,
                           without.manifest->path.attention);
    return row;
  }
  const auto kind = in_a ? StageFindingKind::missing : StageFindingKind::extra;
  row.findings.push_back({kind, without.name, fmt::format("{} has no such stage", without.name)});
  return row;
}

void find_twins(CaptureDiff& diff, const Side& side) {
  for (const Twins& t : side.twins.find(side.folder, side.manifest->tokens.size())) {
    for (StageDiffRow& row : diff.rows) {
      if (row.stage != t.second->stage || row.layer != t.second->layer) continue;
      const bool flat = std::ranges::any_of(row.findings, [](const StageFinding& f) {
        return f.kind == StageFindingKind::all_zero || f.kind == StageFindingKind::constant;
      });
      const bool lone_token = may_be_constant(row.stage, side.manifest->tokens.size());
      if (flat || lone_token) continue;
      row.findings.push_back(
          {StageFindingKind::same_as_another, side.name, "has the bits of " + t.first->path()});
    }
  }
}

void find_stale(CaptureDiff& diff, const Side& side) {
  for (const std::string& path : tensor::stale_files(side.folder, *side.manifest)) {
    diff.findings.push_back(
        {StageFindingKind::stale, side.name,
         fmt::format("{}/{} is of another run: the manifest does not list it", side.folder, path)});
  }
}

}  // namespace

bool CaptureDiff::has_findings() const {
  return !findings.empty() ||
         std::ranges::any_of(rows, [](const StageDiffRow& row) { return !row.findings.empty(); });
}

std::size_t CaptureDiff::compared() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(rows, [](const StageDiffRow& row) { return row.values.has_value(); }));
}

const StageDiffRow* CaptureDiff::first_bad() const {
  const auto bad =
      std::ranges::find_if(rows, [](const StageDiffRow& r) { return !r.findings.empty(); });
  return bad == rows.end() ? nullptr : &*bad;
}

bool CaptureDiff::any(StageVerdict verdict) const {
  return std::ranges::any_of(
      rows, [&](const StageDiffRow& r) { return r.values && r.judgement.verdict == verdict; });
}

Result<CaptureDiff> diff_captures(const std::string& folder_a, const std::string& folder_b,
                                  const CaptureDiffOptions& options) {
  auto a = tensor::read_manifest(folder_a);
  if (!a) return a.take_error();
  auto b = tensor::read_manifest(folder_b);
  if (!b) return b.take_error();
  if (const auto error = refuse_comparison(*a, *b, options.across_models)) return *error;
  CaptureDiff diff{folder_a, folder_b, *std::move(a), *std::move(b), {}, {}, {}};
  diff.labels = differences(diff.a, diff.b);
  Side left{"A", folder_a, &diff.a, {}}, right{"B", folder_b, &diff.b, {}};
  for (const auto& [place, files] : by_place(diff.a, diff.b)) {
    diff.rows.push_back(row_of(place, files.first, files.second, left, right, options));
  }
  for (const Side* side : {&left, &right}) {
    find_twins(diff, *side);
    find_stale(diff, *side);
  }
  return diff;
}

Result<StageFileDiff> diff_stage_files(const std::string& path_a, const std::string& path_b,
                                       const FileDiffOptions& options) {
  const auto a = AprtFile::open(path_a);
  if (!a) return a.error();
  const auto b = AprtFile::open(path_b);
  if (!b) return b.error();
  if (const auto error = refuse_files(path_a, *a, path_b, *b)) return *error;
  StageFileDiff diff{path_a, path_b, a->layer(), {}, {}};
  diff.values =
      compare_values(a->values(), b->values(), {.top = options.top, .threads = options.threads});
  diff.judgement = judge_values(diff.values, a->values(), options.limits);
  if (a->damaged() || b->damaged()) {
    return Error{(a->damaged() ? path_a : path_b) + ": was changed while it was read",
                 "wait until it is written, and compare again"};
  }
  return diff;
}

}  // namespace refute::instruments
