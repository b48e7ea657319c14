#include "harness/instruments/bisect/walk.hpp"

#include <algorithm>
#include <cstring>

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

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

bool same_inputs(const StageInputs& a, const StageInputs& b) {
  return std::ranges::equal(a.in, b.in, same_bits) && same_bits(a.keys, b.keys) &&
         same_bits(a.values, b.values);
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
  std::size_t rows(Stage stage) {
    return rows_of(stage, config(), bad_.activations().tokens.size());
  }

  /// The truth of one end's stage on some inputs. Ends that are healthy so far have the same.
  Result<const StageTruth*> truth_of(StageAt at, const End& end, const StageInputs& inputs) {
    const Arithmetic arithmetic = arithmetic_of(end);
    const bool known = latest_ && latest_->at == at && latest_->model == end.model &&
                       latest_->attention == end.path.attention &&
                       latest_->arithmetic == arithmetic && same_inputs(latest_->inputs, inputs);
    if (!known) {
      auto truth =
          stage_truth(at, *end.model, end.path.attention, arithmetic, inputs, end.path.threads);
      if (!truth) return truth.take_error();
      latest_ = {at, end.model, end.path.attention, arithmetic, inputs, *std::move(truth)};
    }
    return &latest_->truth;
  }

  /// The bad end's unit on the reference's inputs.
  std::optional<Error> judge_alone(StageRow& row) {
    if (!all_finite(oracle_.output(row.at.stage))) {
      row.unjudged = "the reference itself is not finite here: look at the weights";
      return std::nullopt;
    }
    const AttentionKernel attention = bad_.end().path.attention;
    for (const StageAt in : stage_inputs(row.at, config(), attention)) {
      probe_.activations().slot(in.stage) = oracle_.activations().slot(in.stage);
    }
    if (auto error = probe_.run_alone(row.at)) return error;
    const auto truth = truth_of(row.at, bad_.end(), oracle_.inputs(row.at, attention));
    if (!truth) return truth.error();
    keep_worst(row.alone, own_error(probe_.output(row.at.stage), **truth, rows(row.at.stage)));
    return std::nullopt;
  }

  std::optional<Error> judge_in_place(Pass& pass, StageAt at, std::optional<OwnError>& kept) {
    const StageInputs inputs = pass.inputs(at);
    if (!finite_inputs(inputs)) return std::nullopt;
    const auto truth = truth_of(at, pass.end(), inputs);
    if (!truth) return truth.error();
    keep_worst(kept, own_error(pass.output(at.stage), **truth, rows(at.stage)));
    return std::nullopt;
  }

  std::optional<Error> judge_weights(StageRow& row) {
    if (row.weights) return std::nullopt;  // the first step has shown them
    const auto change =
        weight_change(row.at, *good_.end().model, *bad_.end().model, good_.end().path.attention,
                      good_.inputs(row.at), bad_.end().path.threads);
    if (!change) return change.error();
    row.weights = *change;
    return std::nullopt;
  }

  std::optional<Error> judge(StageRow& row, bool in_good) {
    latest_.reset();  // its inputs lie where the next stages write
    const Stage stage = row.at.stage;
    if (auto error = judge_alone(row)) return error;
    if (row.unjudged.empty()) {
      if (auto error = judge_in_place(bad_, row.at, row.in_place)) return error;
    }
    keep_worst(row.implementation,
               distance(bad_.output(stage), oracle_.output(stage), rows(stage)));
    if (!in_good) return std::nullopt;
    if (auto error = judge_in_place(good_, row.at, row.good)) return error;
    keep_worst(row.total, distance(bad_.output(stage), good_.output(stage), rows(stage)));
    if (good_.end().model == bad_.end().model) return std::nullopt;
    keep_worst(row.quantisation, distance(oracle_.output(stage), good_.output(stage), rows(stage)));
    return judge_weights(row);
  }

  struct Known {
    StageAt at;
    const DecoderModel* model;
    AttentionKernel attention;
    Arithmetic arithmetic;
    StageInputs inputs;
    StageTruth truth;
  };

  std::size_t capacity_;
  Pass oracle_, good_, bad_, probe_;
  std::optional<Known> latest_;
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
