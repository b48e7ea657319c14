#include "harness/instruments/power.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <mutex>
#include <thread>
#include <tuple>

#include <fmt/format.h>

#include "harness/instruments/power_cases.hpp"

namespace refute::instruments {
namespace {

using metrics::Acceptance;
using metrics::Judgement;
using mutants::KernelInputs;
using mutants::KernelOp;
using mutants::KernelShape;

constexpr std::size_t kMissesKept = 40;

/// One shape with one seed: the unit of work that a thread takes.
struct Task {
  KernelOp op;
  const KernelShape* shape;
  std::uint64_t seed;
  std::size_t index;  ///< among all
};

/// What one task found, in the order of the kernels; sums of these do not depend on an order.
struct Findings {
  std::vector<KernelTally> wrong, correct;
  std::vector<std::uint64_t> powerless;
  std::vector<PowerMiss> misses;
  double worst_correct = 0, mildest_wrong = std::numeric_limits<double>::infinity();
  PowerLean lean;
};

std::size_t contract_index() {
  return metrics::acceptance_rules().size() - 1;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::ranges::equal(a, b, [](float x, float y) {
    return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
  });
}

void add(RuleFailures& to, const RuleFailures& from) {
  to.count += from.count;
  to.first = std::min(to.first, from.first);
}

/// Runs all rules over one output and counts what each got wrong.
class Judge {
 public:
  Judge(const PowerOptions& options, const Task& task, Findings& findings)
      : options_(options), task_(task), findings_(findings) {}

  void take(const metrics::Comparison& comparison, bool is_wrong, KernelTally& tally) {
    ++tally.cases;
    if (!is_wrong) add_lean(comparison);
    const std::vector<Judgement> all = metrics::judge_by_all(comparison, options_.contract);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Judgement& j = all[i];
      const bool failed = (j.acceptance == Acceptance::accepted) == is_wrong;
      if (failed) add(tally.failures[i], {1, task_.index});
      findings_.powerless[i] += j.powerless;
      if (i == contract_index()) record(j, is_wrong, failed, tally.name);
    }
  }

 private:
  void add_lean(const metrics::Comparison& comparison) {
    const auto [lean, n] = metrics::sign_lean(comparison, options_.contract.sign.ruled);
    if (n < static_cast<double>(options_.contract.sign.least)) return;
    PowerLean& most = findings_.lean;
    most.deviations = std::max(most.deviations, std::abs(lean) / std::sqrt(n));
    if (n >= PowerLean::kMany) most.share = std::max(most.share, std::abs(lean) / n);
  }

  void record(const Judgement& j, bool is_wrong, bool failed, std::string_view kernel) {
    if (!is_wrong) findings_.worst_correct = std::max(findings_.worst_correct, j.ratio);
    if (is_wrong && !failed) findings_.mildest_wrong = std::min(findings_.mildest_wrong, j.ratio);
    if (!failed) return;
    findings_.misses.push_back(
        {kernel, shape_name(*task_.shape), task_.seed, is_wrong, j.part, j.ratio});
  }

  const PowerOptions& options_;
  const Task& task_;
  Findings& findings_;
};

template <class Row>
KernelTally empty_tally(KernelOp op, const Row& row, std::string_view why) {
  KernelTally t;
  t.op = op;
  t.name = row.name;
  t.why = why;
  t.failures.resize(metrics::acceptance_rules().size());
  return t;
}

/// All kernels of the chosen ops with nothing counted yet; the same order in every task.
Findings empty_findings(const PowerOptions& options) {
  Findings f;
  f.powerless.assign(metrics::acceptance_rules().size(), 0);
  for (const KernelOp op : options.ops) {
    for (const auto& row : mutants::kernel_mutants(op)) {
      f.wrong.push_back(empty_tally(op, row, row.why));
      f.wrong.back().inert_where = row.inert;
    }
    for (const auto& row : mutants::correct_kernels()) {
      if (row.op == op) f.correct.push_back(empty_tally(op, row, row.how));
    }
    if (op != KernelOp::attention) continue;
    for (const auto& row : attention_subjects()) {
      f.correct.push_back(empty_tally(op, row, "a subject of this project"));
    }
  }
  return f;
}

/// Where scores are that far apart one key rules a row, and a fault in any other key need not show:
/// there only those mutants count that need an overflow to be wrong. Correct kernels count always.
bool made_to_overflow(const KernelShape& shape) {
  return !mutants::no_overflow(shape);
}

void judge_wrong(const Task& task, const KernelInputs& inputs, const metrics::Criterion& yard,
                 Judge& judge, Findings& f) {
  const std::vector<float> unrounded = mutants::unrounded_kernel(*task.shape, inputs);
  const std::vector<float> right = mutants::rounded_kernel(*task.shape, unrounded);
  for (const auto& row : mutants::kernel_mutants(task.op)) {
    KernelTally& tally = *std::ranges::find_if(
        f.wrong, [&](const KernelTally& t) { return t.op == task.op && t.name == row.name; });
    if (made_to_overflow(*task.shape) && row.excluded != mutants::no_overflow) {
      ++tally.passed_over;
      continue;
    }
    const std::vector<float> got =
        row.finish != nullptr ? row.finish(*task.shape, unrounded) : row.run(*task.shape, inputs);
    if (same_bits(got, right)) {
      ++tally.inert;
    } else if (row.excluded != nullptr && row.excluded(*task.shape)) {
      ++tally.excluded;
    } else {
      judge.take(metrics::Comparison(yard, got), true, tally);
    }
  }
}

KernelTally& correct_tally(Findings& f, KernelOp op, std::string_view name) {
  return *std::ranges::find_if(f.correct,
                               [&](const KernelTally& t) { return t.op == op && t.name == name; });
}

void judge_correct(const Task& task, const KernelInputs& inputs, const metrics::Criterion& yard,
                   Judge& judge, Findings& f) {
  for (const auto& row : mutants::correct_kernels()) {
    if (row.op != task.op) continue;
    const std::vector<float> got = row.run(*task.shape, inputs);
    judge.take(metrics::Comparison(yard, got), false, correct_tally(f, task.op, row.name));
  }
}

void judge_subjects(const Task& task, const KernelInputs& inputs, const metrics::Criterion& yard,
                    const metrics::BoundParameters& bound, Judge& judge, Findings& f) {
  if (task.op != KernelOp::attention) return;
  const metrics::Criterion rounded = criterion(*task.shape, inputs, true, bound);
  for (const auto& row : attention_subjects()) {
    const std::vector<float> got = run_subject(row, *task.shape, inputs);
    judge.take(metrics::Comparison(row.rounds_probabilities ? rounded : yard, got), false,
               correct_tally(f, task.op, row.name));
  }
}

Findings run_task(const PowerOptions& options, const Task& task) {
  Findings f = empty_findings(options);
  Judge judge(options, task, f);
  const KernelInputs inputs = power_inputs(*task.shape, task.seed);
  const metrics::Criterion yard = criterion(*task.shape, inputs, false, options.contract.bound);
  judge_wrong(task, inputs, yard, judge, f);
  judge_correct(task, inputs, yard, judge, f);
  judge_subjects(task, inputs, yard, options.contract.bound, judge, f);
  return f;
}

void add(std::vector<KernelTally>& to, const std::vector<KernelTally>& from) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i].cases += from[i].cases;
    to[i].inert += from[i].inert;
    to[i].excluded += from[i].excluded;
    to[i].passed_over += from[i].passed_over;
    for (std::size_t r = 0; r < to[i].failures.size(); ++r) {
      add(to[i].failures[r], from[i].failures[r]);
    }
  }
}

void add(Findings& to, const Findings& from) {
  add(to.wrong, from.wrong);
  add(to.correct, from.correct);
  for (std::size_t i = 0; i < to.powerless.size(); ++i) to.powerless[i] += from.powerless[i];
  to.misses.insert(to.misses.end(), from.misses.begin(), from.misses.end());
  to.worst_correct = std::max(to.worst_correct, from.worst_correct);
  to.mildest_wrong = std::min(to.mildest_wrong, from.mildest_wrong);
  to.lean.deviations = std::max(to.lean.deviations, from.lean.deviations);
  to.lean.share = std::max(to.lean.share, from.lean.share);
}

std::vector<Task> tasks_of(const PowerOptions& options) {
  std::vector<Task> tasks;
  for (const KernelOp op : options.ops) {
    for (const KernelShape& shape : power_shapes(op)) {
      for (std::size_t i = 0; i < options.seeds; ++i) {
        tasks.push_back({op, &shape, options.first_seed + i, tasks.size()});
      }
    }
  }
  return tasks;
}

Findings run_all(const PowerOptions& options) {
  const std::vector<Task> tasks = tasks_of(options);
  Findings all = empty_findings(options);
  std::atomic<std::size_t> next{0};
  std::size_t done = 0;
  std::mutex mutex;
  const auto work = [&] {
    for (std::size_t i = next++; i < tasks.size(); i = next++) {
      const Findings found = run_task(options, tasks[i]);
      const std::lock_guard lock(mutex);
      add(all, found);
      if (options.progress) options.progress(++done, tasks.size());
    }
  };
  {
    std::vector<std::jthread> pool;
    for (unsigned t = 1; t < options.threads; ++t) pool.emplace_back(work);
    work();
  }
  return all;
}

std::vector<RuleTally> tally_rules(const Findings& f) {
  std::vector<RuleTally> rules;
  for (std::size_t i = 0; i < metrics::acceptance_rules().size(); ++i) {
    const auto& rule = metrics::acceptance_rules()[i];
    RuleTally t{rule.id, rule.name, rule.source, 0, 0, 0, 0, f.powerless[i]};
    for (const KernelTally& k : f.wrong) {
      t.wrong += k.cases;
      t.wrong_passed += k.failures[i].count;
    }
    for (const KernelTally& k : f.correct) {
      t.correct += k.cases;
      t.correct_refused += k.failures[i].count;
    }
    rules.push_back(t);
  }
  return rules;
}

}  // namespace

std::string PowerReport::case_name(std::size_t index) const {
  return shapes[index / seeds] + ", seed " + std::to_string(first_seed + index % seeds);
}

bool PowerReport::contract_holds() const {
  const RuleTally& contract = rules.back();
  const bool something_ran = contract.wrong > 0 && contract.correct > 0;
  return something_ran && contract.wrong_passed == 0 && contract.correct_refused == 0;
}

PowerList power_list(KernelOp op) {
  PowerList list;
  for (const auto& row : mutants::kernel_mutants(op)) {
    list.wrong.emplace_back(row.name);
    if (!row.inert.empty()) list.excluded.push_back(fmt::format("{}: {}", row.name, row.inert));
  }
  for (const auto& row : mutants::correct_kernels()) {
    if (row.op == op) list.correct.emplace_back(row.name);
  }
  if (op == KernelOp::attention) {
    for (const auto& row : attention_subjects()) list.correct.emplace_back(row.name);
  }
  for (const KernelShape& shape : power_shapes(op)) list.shapes.push_back(shape_name(shape));
  return list;
}

PowerReport measure_power(const PowerOptions& options) {
  Findings f = run_all(options);
  PowerReport report;
  report.ops = options.ops;
  report.seeds = options.seeds;
  report.first_seed = options.first_seed;
  report.contract = options.contract;
  for (const KernelOp op : options.ops) {
    for (const KernelShape& shape : power_shapes(op)) {
      report.shapes.push_back(std::string(mutants::to_string(op)) + " " + shape_name(shape));
    }
  }
  report.rules = tally_rules(f);
  report.wrong = std::move(f.wrong);
  report.correct = std::move(f.correct);
  report.worst_correct = f.worst_correct;
  report.mildest_wrong = f.mildest_wrong;
  report.lean = f.lean;
  std::ranges::sort(f.misses, {},
                    [](const PowerMiss& m) { return std::tuple(m.shape, m.kernel, m.seed); });
  f.misses.resize(std::min(f.misses.size(), kMissesKept));
  report.misses = std::move(f.misses);
  return report;
}

}  // namespace refute::instruments
