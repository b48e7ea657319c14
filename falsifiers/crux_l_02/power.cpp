// The acceptance rule itself on trial: the calibrated one has to refuse every wrong kernel and
// accept every correct one, on the kernels, shapes and seeds that the contract freezes.

#include "harness/instruments/power.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "falsifiers/crux_l_02/calibrated.hpp"
#include "falsifiers/crux_l_02/checks.hpp"
#include "falsifiers/crux_l_02/power_lists.hpp"
#include "falsifiers/crux_l_02/run_cases.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

using instruments::KernelTally;
using instruments::PowerList;
using instruments::PowerOptions;
using instruments::PowerReport;
using mutants::KernelOp;
using worker::Context;
using Names = std::vector<std::string>;

KernelOp op_named(const std::string& name) {
  for (const KernelOp op : {KernelOp::attention, KernelOp::softmax, KernelOp::gemm}) {
    if (mutants::to_string(op) == name) return op;
  }
  throw worker::JobError("`ops` are attention, softmax and gemm, not `" + name + "`");
}

/// What judges, and over which lists: the contract's, or what a mutant makes of it.
struct Trial {
  metrics::ContractParameters parameters;
  std::string rule = "contract";
  void (*spoil_list)(PowerList&) = nullptr;
};

void multiply(metrics::ContractParameters& p, double factor) {
  for (double* x :
       {&p.bound.lambda, &p.row.rms_factor, &p.row.max_factor, &p.sign.deviations, &p.sign.drift}) {
    *x *= factor;
  }
}

struct SpoiledList {
  const char* name;
  void (*spoil)(PowerList&);
};
constexpr SpoiledList kSpoiledLists[] = {
    {"wrong_kernel_dropped", [](PowerList& l) { l.wrong.pop_back(); }},
    {"wrong_kernel_unsaid", [](PowerList& l) { l.wrong.emplace_back("another"); }},
    {"correct_kernel_dropped", [](PowerList& l) { l.correct.erase(l.correct.begin()); }},
    {"shape_dropped", [](PowerList& l) { l.shapes.pop_back(); }},
    {"exclusion_unsaid", [](PowerList& l) { l.excluded.emplace_back("scaled_up: everywhere"); }},
};

Trial trial_of(Context& context) {
  Trial trial;
  trial.parameters = calibrated_rule_of(context);
  if (context.job().arm != Arm::mutant) return trial;
  const std::string& name = context.job().mutant.text;
  if (name == "loosened_4_times") return multiply(trial.parameters, 4), trial;
  if (name == "tightened_10_times") return multiply(trial.parameters, 0.1), trial;
  for (const SpoiledList& s : kSpoiledLists) {
    if (s.name == name) return trial.spoil_list = s.spoil, trial;
  }
  const auto rules = metrics::acceptance_rules();
  if (std::ranges::find(rules, name, &metrics::AcceptanceRule::id) == rules.end()) {
    throw worker::JobError("there is no rule called `" + name + "`");
  }
  trial.rule = name;
  return trial;
}

/// What one op and seed came to, summed over all of them.
struct Totals {
  std::uint64_t wrong = 0, correct = 0;
  double worst_correct = 0, mildest_wrong = 1e300;
  instruments::PowerLean lean;

  void add(const PowerReport& r) {
    wrong += r.rules.back().wrong, correct += r.rules.back().correct;
    worst_correct = std::max(worst_correct, r.worst_correct);
    mildest_wrong = std::min(mildest_wrong, r.mildest_wrong);
    lean.deviations = std::max(lean.deviations, r.lean.deviations);
    lean.share = std::max(lean.share, r.lean.share);
  }
};

class Judge {
 public:
  Judge(Context& context, const std::string& rule) : context_(context) {
    const auto rules = metrics::acceptance_rules();
    rule_ = static_cast<std::size_t>(std::ranges::find(rules, rule, &metrics::AcceptanceRule::id) -
                                     rules.begin());
  }

  std::optional<Verdict> check(const PowerReport& report) {
    for (const KernelTally& k : report.wrong) {
      if (auto verdict = check(report, k, "passes wrong")) return verdict;
    }
    for (const KernelTally& k : report.correct) {
      if (auto verdict = check(report, k, "refuses correct")) return verdict;
      // Nothing excuses a correct kernel from any shape.
      if (!context_.compare().equal(k.cases, report.shapes.size(), "cases of a correct kernel"))
        return worker::refuted(fmt::format("{} was not judged everywhere", k.name), {});
    }
    return std::nullopt;
  }

 private:
  std::optional<Verdict> check(const PowerReport& report, const KernelTally& k, const char* what) {
    const auto& failed = k.failures[rule_];
    context_.add_cases(k.cases);
    if (context_.compare().equal(failed.count, 0, what)) return std::nullopt;
    const std::string where = failed.count > 0 ? report.case_name(failed.first) : "nowhere";
    Value v;
    v.set("op", mutants::to_string(k.op));
    v.set("seed", fmt::format("{}", report.first_seed));
    v.set("kernel", k.name);
    v.set("case", where);
    return worker::refuted(
        fmt::format("`{}` {} {}: {}", metrics::acceptance_rules()[rule_].name, what, k.name, where),
        std::move(v));
  }

  Context& context_;
  std::size_t rule_;
};

PowerReport measured(const Trial& trial, KernelOp op, std::uint64_t seed) {
  PowerOptions options;
  options.ops = {op};
  options.seeds = 1;
  options.first_seed = seed;
  options.contract = trial.parameters;
  return instruments::measure_power(options);
}

/// A counterexample's op and seed; none where it is a list that is not as it should be.
struct Unit {
  std::string op;
  std::uint64_t seed;
};
std::vector<Unit> units_of(Context& context, const Names& ops) {
  const std::uint64_t seeds = context.count("seeds"), first = context.count("first_seed");
  if (const Value* replay = context.replay()) {
    const Value *op = replay->find("op"), *seed = replay->find("seed");
    if (op == nullptr || seed == nullptr) return {};
    const auto number = worker::unsigned_from(*seed);
    if (!op->is_string() || !number) throw worker::JobError("the counterexample names no seed");
    return {{*op->as_string(), *number}};
  }
  std::vector<Unit> all;
  for (std::uint64_t i = 0; i < seeds; ++i) {
    for (const std::string& op : ops) all.push_back({op, first + i});
  }
  return all;
}

Verdict rule_on_trial(Context& context) {
  const Trial trial = trial_of(context);
  const Names ops = context.words("ops");
  const std::vector<Unit> units = units_of(context, ops);
  for (const std::string& op : ops) {
    PowerList list = instruments::power_list(op_named(op));
    if (trial.spoil_list != nullptr) trial.spoil_list(list);
    if (auto verdict = check_lists(context, op, list)) return *verdict;
  }
  Judge judge(context, trial.rule);
  Totals totals;
  for (const Unit& unit : units) {
    const PowerReport report = measured(trial, op_named(unit.op), unit.seed);
    if (auto verdict = judge.check(report)) return *verdict;
    totals.add(report);
  }
  context.measure("wrong_refused", totals.wrong);
  context.measure("correct_accepted", totals.correct);
  context.measure("largest_error_over_limit_of_a_correct_kernel", rounded3(totals.worst_correct));
  context.measure("smallest_of_a_wrong_one", rounded3(totals.mildest_wrong));
  context.measure("lean_of_a_correct_kernel", rounded3(totals.lean.deviations));
  return worker::survived();
}

}  // namespace

Verdict acceptance_power(Context& context) {
  const bool command = context.job().subject.text == "command";
  return command && context.job().arm != Arm::mutant ? power_command(context)
                                                     : rule_on_trial(context);
}

}  // namespace refute::falsifiers
