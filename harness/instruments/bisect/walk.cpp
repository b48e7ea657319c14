#include "harness/instruments/bisect/walk.hpp"

#include <algorithm>

#include "harness/instruments/bisect/weight_change.hpp"

namespace refute::bisect {
namespace {

void keep_worst(std::optional<OwnError>& kept, const OwnError& e) {
  if (!kept || e.ratio > kept->ratio) kept = e;
}
void keep_worst(std::optional<Distance>& kept, const Distance& d) {
  if (!kept || d.relative > kept->relative) kept = d;
}

bool finite_inputs(const StageInputs& inputs) {
  return std::ranges::all_of(inputs.in, all_finite) && all_finite(inputs.keys) &&
         all_finite(inputs.values);
}

class Walker {
 public:
  Walker(const End& good, const End& bad, const Steps& steps)
      : capacity_(total_tokens(steps)),
        oracle_(oracle_end(*bad.model, bad.path.threads), capacity_),
        good_(good, capacity_),
        bad_(bad, capacity_),
        probe_(bad, capacity_) {
    for (const StageAt at : forward_order(bad.model->config(), bad.path.attention)) {
      walk_.rows.push_back({.at = at});
    }
  }

  std::optional<Error> step(std::span<const std::uint32_t> tokens) {
    for (Pass* pass : {&oracle_, &good_, &bad_, &probe_}) pass->begin(tokens);
    auto row = walk_.rows.begin();
    // The reference materialises scores and probabilities, which the others may not have.
    for (const StageAt at : forward_order(config(), AttentionKernel::naive)) {
      if (auto error = oracle_.run(at)) return error;
      const bool in_good = has_stage(at.stage, config(), good_.end().path.attention);
      if (in_good) {
        if (auto error = good_.run(at)) return error;
        walk_.good_prints.push_back(print_of(good_.output(at.stage)));
      }
      if (!has_stage(at.stage, config(), bad_.end().path.attention)) continue;
      if (auto error = bad_.run(at)) return error;
      walk_.bad_prints.push_back(print_of(bad_.output(at.stage)));
      if (auto error = judge(*row++, in_good)) return error;
    }
    return std::nullopt;
  }

  Walk finish() {
    walk_.good = decision_of(good_.output(Stage::lm_head));
    walk_.bad = decision_of(bad_.output(Stage::lm_head));
    walk_.reference = decision_of(oracle_.output(Stage::lm_head));
    return std::move(walk_);
  }

 private:
  const DecoderConfig& config() const { return bad_.end().model->config(); }

  Result<OwnError> error_of(StageAt at, const End& end, const StageInputs& inputs,
                            std::span<const float> output) const {
    const auto truth = stage_truth(at, *end.model, end.path.attention, arithmetic_of(end), inputs,
                                   end.path.threads);
    if (!truth) return truth.error();
    return own_error(output, *truth);
  }

  /// The bad end's unit on the reference's inputs.
  std::optional<Error> judge_alone(StageRow& row) {
    const AttentionKernel attention = bad_.end().path.attention;
    const StageInputs inputs = oracle_.inputs(row.at, attention);
    for (const StageAt in : stage_inputs(row.at, config(), attention)) {
      probe_.activations().slot(in.stage) = oracle_.activations().slot(in.stage);
    }
    if (auto error = probe_.run_alone(row.at)) return error;
    const auto error = error_of(row.at, bad_.end(), inputs, probe_.output(row.at.stage));
    if (!error) return error.error();
    keep_worst(row.alone, *error);
    return std::nullopt;
  }

  std::optional<Error> judge_in_place(Pass& pass, StageAt at, std::optional<OwnError>& kept) {
    const StageInputs inputs = pass.inputs(at);
    if (!finite_inputs(inputs)) return std::nullopt;
    const auto error = error_of(at, pass.end(), inputs, pass.output(at.stage));
    if (!error) return error.error();
    keep_worst(kept, *error);
    return std::nullopt;
  }

  std::optional<Error> judge_weights(StageRow& row) {
    const auto change =
        weight_change(row.at, *good_.end().model, *bad_.end().model, good_.end().path.attention,
                      good_.inputs(row.at), bad_.end().path.threads);
    if (!change) return change.error();
    if (!*change) return std::nullopt;
    if (!row.weights || (*change)->relative > row.weights->relative) row.weights = **change;
    return std::nullopt;
  }

  std::optional<Error> judge(StageRow& row, bool in_good) {
    const Stage stage = row.at.stage;
    const std::size_t rows = stage == Stage::lm_head ? 1 : bad_.activations().tokens.size();
    if (auto error = judge_alone(row)) return error;
    if (auto error = judge_in_place(bad_, row.at, row.in_place)) return error;
    keep_worst(row.implementation, distance(bad_.output(stage), oracle_.output(stage), rows));
    if (!in_good) return std::nullopt;
    if (auto error = judge_in_place(good_, row.at, row.good)) return error;
    keep_worst(row.total, distance(bad_.output(stage), good_.output(stage), rows));
    if (good_.end().model == bad_.end().model) return std::nullopt;
    keep_worst(row.quantisation, distance(oracle_.output(stage), good_.output(stage), rows));
    return judge_weights(row);
  }

  std::size_t capacity_;
  Pass oracle_, good_, bad_, probe_;
  Walk walk_;
};

}  // namespace

End oracle_end(const DecoderModel& model, unsigned threads) {
  End end;
  end.model = &model;
  end.path = {forward::oracle_of(model), AttentionKernel::naive, threads};
  return end;
}

Result<Walk> walk(const End& good, const End& bad, const Steps& steps) {
  Walker walker(good, bad, steps);
  for (const auto& step : steps) {
    if (auto error = walker.step(step)) return *error;
  }
  for (const End* end : {&good, &bad}) {
    if (auto error = end->model->damaged()) return *error;
  }
  return walker.finish();
}

}  // namespace refute::bisect
