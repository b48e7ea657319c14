#include "harness/instruments/bisect/capture_walk.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/instruments/bisect/walk.hpp"
#include "harness/instruments/bisect/weight_change.hpp"

namespace refute::bisect {
namespace {

/// What a stage read in a captured run, or the first of its inputs that was not captured.
struct CapturedInputs {
  StageInputs inputs;
  std::optional<StageAt> missing;
};

class Judge {
 public:
  Judge(const CapturedEnd& end, unsigned threads)
      : end_(end), threads_(threads), history_(config()) {}

  /// The own error of one captured stage; otherwise why there is none.
  Result<std::optional<OwnError>> error_at(StageAt at, std::string& unjudged) {
    if (!end_.run.has(at)) {
      unjudged = "not captured";
      return std::optional<OwnError>();
    }
    const CapturedInputs read = inputs_of(at);
    // The capture's own keys and values are what attention has to have read.
    history_.record(at, end_.run.values(at), end_.run.manifest().tokens.size());
    if (read.missing) {
      unjudged = fmt::format("its input {} was not captured", to_string(*read.missing));
      return std::optional<OwnError>();
    }
    if (!std::ranges::all_of(read.inputs.in, all_finite)) {
      unjudged = "its inputs are not finite";
      return std::optional<OwnError>();
    }
    const auto truth = stage_truth(at, end_.model, end_.run.attention(at.layer), end_.arithmetic,
                                   read.inputs, threads_);
    if (!truth) return truth.error();
    if (std::ranges::any_of(truth->value, [](double x) { return std::isnan(x); })) {
      unjudged = "its weights are not finite";
      return std::optional<OwnError>();
    }
    return std::optional(own_error(end_.run.values(at), *truth,
                                   rows_of(at.stage, config(), end_.run.manifest().tokens.size())));
  }

 private:
  const DecoderConfig& config() const { return end_.model.config(); }

  CapturedInputs inputs_of(StageAt at) const {
    CapturedInputs read;
    read.inputs.tokens = end_.run.manifest().tokens;
    const StageAt scores = {Stage::attn_scores, at.layer};
    const bool from_queries = at.stage == Stage::attn_softmax && !end_.run.has(scores);
    const auto needed =
        stage_inputs(from_queries ? scores : at, config(),
                     from_queries ? AttentionKernel::naive : end_.run.attention(at.layer));
    for (const StageAt in : needed) {
      if (end_.run.has(in)) {
        read.inputs.in.push_back(end_.run.values(in));
      } else if (!read.missing) {
        read.missing = in;
      }
    }
    const StageAt norm = {Stage::attn_norm, at.layer};
    if (at.stage == Stage::qkv_bias && end_.run.has(norm)) {
      read.inputs.product_input = end_.run.values(norm);
    }
    if (at.stage == Stage::attn_scores || at.stage == Stage::attention || from_queries) {
      read.inputs.keys = history_.keys(at.layer);
      read.inputs.values = history_.values(at.layer);
    }
    return read;
  }

  const CapturedEnd& end_;
  unsigned threads_;
  KeyHistory history_;
};

class Walker {
 public:
  Walker(const CapturedEnd& good, const CapturedEnd& bad, unsigned threads)
      : good_(good),
        bad_(bad),
        threads_(threads),
        judge_good_(good, threads),
        judge_bad_(bad, threads),
        oracle_(oracle_end(bad.model, threads), tokens()),
        original_(oracle_end(good.model, threads), tokens()) {}

  Result<CaptureWalk> walk() {
    oracle_.begin(bad_.run.manifest().tokens);
    original_.begin(bad_.run.manifest().tokens);
    for (const StageAt at : forward_order(bad_.model.config(), AttentionKernel::naive)) {
      if (auto error = oracle_.run(at)) return *error;
      if (other_weights()) {
        if (auto error = original_.run(at)) return *error;
      }
      if (!is_row(at)) continue;
      if (auto error = judge(at)) return *error;
    }
    walk_.reference = decision_of(oracle_.output(Stage::lm_head));
    if (other_weights()) walk_.original_reference = decision_of(original_.output(Stage::lm_head));
    return std::move(walk_);
  }

 private:
  std::size_t tokens() const { return bad_.run.manifest().tokens.size(); }
  bool other_weights() const { return &good_.model != &bad_.model; }

  /// Scores and probabilities where they were captured: without them attention is judged whole.
  bool is_row(StageAt at) const {
    const bool inside = at.stage == Stage::attn_scores || at.stage == Stage::attn_softmax;
    if (inside) return bad_.run.has(at);
    return has_stage(at.stage, bad_.model.config(), bad_.run.attention());
  }

  std::optional<Error> judge(StageAt at) {
    StageRow& row = walk_.rows.emplace_back(StageRow{.at = at});
    auto bad = judge_bad_.error_at(at, row.unjudged);
    if (!bad) return bad.take_error();
    row.in_place = *bad;
    std::string ignored;
    auto good = judge_good_.error_at(at, ignored);
    if (!good) return good.take_error();
    row.good = *good;
    compare(row);
    if (!other_weights()) return std::nullopt;
    auto change = weight_change(at, good_.model, bad_.model, AttentionKernel::naive,
                                original_.inputs(at), threads_);
    if (!change) return change.take_error();
    row.weights = *change;
    return std::nullopt;
  }

  void compare(StageRow& row) {
    const Stage stage = row.at.stage;
    const std::size_t rows = rows_of(stage, bad_.model.config(), tokens());
    if (bad_.run.has(row.at)) {
      const auto bad = bad_.run.values(row.at);
      row.implementation = distance(bad, oracle_.output(stage), rows);
      if (good_.run.has(row.at)) row.total = distance(bad, good_.run.values(row.at), rows);
    }
    if (good_.run.has(row.at)) {
      Pass& right = other_weights() ? original_ : oracle_;
      row.good_implementation = distance(good_.run.values(row.at), right.output(stage), rows);
    }
    if (other_weights()) {
      row.quantisation = distance(oracle_.output(stage), original_.output(stage), rows);
    }
  }

  const CapturedEnd& good_;
  const CapturedEnd& bad_;
  unsigned threads_;
  Judge judge_good_, judge_bad_;
  Pass oracle_, original_;
  CaptureWalk walk_;
};

}  // namespace

Result<CaptureWalk> walk_captures(const CapturedEnd& good, const CapturedEnd& bad,
                                  unsigned threads) {
  return Walker(good, bad, threads).walk();
}

std::vector<StageRow> compare_captures(const CapturedRun& good, const CapturedRun& bad) {
  std::vector<StageRow> rows;
  for (const tensor::CapturedFile& file : bad.manifest().files) {
    const StageAt at = {file.stage, file.layer};
    StageRow& row = rows.emplace_back(StageRow{.at = at});
    row.unjudged = "no model: what it inherits and what it adds are one";
    const tensor::CapturedFile* other = good.manifest().find(file.stage, file.layer);
    if (other == nullptr || other->shape != file.shape) continue;
    const std::size_t tokens = file.stage == Stage::lm_head ? 1 : bad.manifest().tokens.size();
    const std::size_t extent = file.count() % tokens == 0 ? tokens : 1;
    row.total = distance(bad.values(at), good.values(at), extent);
  }
  return rows;
}

}  // namespace refute::bisect
