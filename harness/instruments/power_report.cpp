// How a PowerReport reads: as a table, and as data.

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "harness/instruments/power.hpp"

namespace refute::instruments {
namespace {

constexpr std::size_t kKernelsShown = 6;

std::string percent(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "-";
  if (part == 0) return "0 %";
  const double share = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  return share < 1 ? fmt::format("{:.2f} %", share) : fmt::format("{:.0f} %", share);
}

std::string heading(const PowerReport& r) {
  std::string ops;
  for (const auto op : r.ops)
    ops += (ops.empty() ? "" : ", ") + std::string(mutants::to_string(op));
  return fmt::format("{} · {} wrong kernels, {} correct ones · {} shapes x {} seeds from {}\n\n",
                     ops, r.wrong.size(), r.correct.size(), r.shapes.size(), r.seeds, r.first_seed);
}

std::string table(const PowerReport& r) {
  std::string text = fmt::format("{:<36} {:>22} {:>24} {:>10}\n", "rule", "wrong passed",
                                 "correct refused", "no power");
  for (const RuleTally& t : r.rules) {
    text +=
        fmt::format("{:<36} {:>7} of {:>6} {:>6} {:>9} of {:>6} {:>6} {:>9}\n", t.name,
                    t.wrong_passed, t.wrong, percent(t.wrong_passed, t.wrong), t.correct_refused,
                    t.correct, percent(t.correct_refused, t.correct), t.powerless);
  }
  return text +
         "no power: cases where the rule's own tolerance is above a tenth of the output's rms "
         "(or, for C9, where too few errors are left to count)\n";
}

/// The kernels that a rule got wrong, most often first, a line each with the first case.
std::string failed_kernels(const PowerReport& r, const std::vector<KernelTally>& kernels,
                           std::size_t rule, std::string_view what) {
  std::vector<const KernelTally*> failed;
  for (const KernelTally& k : kernels) {
    if (k.failures[rule].count > 0) failed.push_back(&k);
  }
  std::ranges::stable_sort(failed, [&](const KernelTally* a, const KernelTally* b) {
    return a->failures[rule].count * b->cases > b->failures[rule].count * a->cases;
  });
  std::string text;
  for (std::size_t i = 0; i < std::min(failed.size(), kKernelsShown); ++i) {
    const RuleFailures& f = failed[i]->failures[rule];
    text += fmt::format("    {} {:<31} {:>5} of {:<5} first: {}\n", what, failed[i]->name, f.count,
                        failed[i]->cases, r.case_name(f.first));
  }
  if (failed.size() > kKernelsShown) {
    text +=
        fmt::format("    {} {} more; --json has them all\n", what, failed.size() - kKernelsShown);
  }
  return text;
}

std::string failures(const PowerReport& r) {
  std::string text = "\nWhere each rule fails (cases of that kernel, and the first of them):\n";
  for (std::size_t i = 0; i < r.rules.size(); ++i) {
    text += fmt::format("  {} [{}]\n", r.rules[i].name, r.rules[i].source);
    const std::string passed = failed_kernels(r, r.wrong, i, "passes wrong   ");
    const std::string refused = failed_kernels(r, r.correct, i, "refuses correct");
    text += passed.empty() && refused.empty() ? "    nowhere here\n" : passed + refused;
  }
  return text;
}

std::string excluded(const PowerReport& r) {
  std::string text;
  for (const KernelTally& k : r.wrong) {
    if (k.inert + k.excluded == 0) continue;
    text += fmt::format("  {:<9} {:<30} {:>6} {:>6} of {:<6} {}\n", mutants::to_string(k.op),
                        k.name, k.inert, k.excluded, k.inert + k.excluded + k.cases, k.inert_where);
  }
  if (text.empty()) return "";
  return "\nExcluded: where a mutant's output has the bits of the correct kernel (first number) it "
         "is "
         "not wrong;\nwhere it is equal in exact arithmetic or finer than the format tells "
         "(second), "
         "neither.\nOn the shapes with an amplitude (x10, x16) one key rules a row: only "
         "mutants that need an overflow are run there.\n" +
         text;
}

std::string misses(const PowerReport& r) {
  if (r.misses.empty()) return "";
  std::string text = "\nWhere the contract's rule went wrong (the first cases):\n";
  for (const PowerMiss& m : r.misses) {
    text += fmt::format("  {} {} on {}, seed {}: {} {:.3g}\n",
                        m.wrong_passed ? "passed wrong" : "refused correct", m.kernel, m.shape,
                        m.seed, m.part, m.ratio);
  }
  return text;
}

std::string verdict(const PowerReport& r) {
  return fmt::format(
      "\nThe contract's rule {}.\nA correct kernel took at most {:.2f} of its limit; the mildest "
      "wrong one that was refused {:.2f} of it.\nThe signs of a correct kernel's errors lean to "
      "one "
      "side by at most {:.2f}·√n (allowed: {:g}), {:.2g} % of n from {:g} on (allowed: {:g} %).\n",
      r.contract_holds() ? "passed no wrong kernel and refused no correct one" : "FAILED",
      r.worst_correct, r.mildest_wrong, r.lean.deviations, r.contract.sign.deviations,
      100 * r.lean.share, PowerLean::kMany, 100 * r.contract.sign.drift);
}

/// By the names that the contract gives them.
Value parameters_value(const metrics::ContractParameters& p) {
  Value v;
  v.set("lambda", p.bound.lambda);
  v.set("exp_ulps", p.bound.exp_ulps);
  v.set("row_rms_factor", p.row.rms_factor);
  v.set("row_max_factor", p.row.max_factor);
  v.set("row_floor_factor", p.row.floor_factor);
  v.set("row_share", p.row.share);
  v.set("sign_deviations", p.sign.deviations);
  v.set("sign_drift", p.sign.drift);
  v.set("sign_ruled", p.sign.ruled);
  v.set("sign_least", std::uint64_t{p.sign.least});
  return v;
}

Value kernel_value(const KernelTally& k, const PowerReport& r) {
  Value v;
  v.set("op", mutants::to_string(k.op));
  v.set("name", k.name);
  v.set("what", k.why);
  v.set("cases", k.cases);
  v.set("inert", k.inert);
  v.set("excluded", k.excluded);
  v.set("passed_over", k.passed_over);
  if (!k.inert_where.empty()) v.set("inert_where", k.inert_where);
  Value failures{Value::Map{}};
  for (std::size_t i = 0; i < r.rules.size(); ++i) {
    if (k.failures[i].count == 0) continue;
    Value failed;
    failed.set("cases", k.failures[i].count);
    failed.set("first", r.case_name(k.failures[i].first));
    failures.set(r.rules[i].name, failed);
  }
  v.set("rule_failures", failures);
  return v;
}

Value kernels_value(const std::vector<KernelTally>& kernels, const PowerReport& r) {
  Value list{Value::List{}};
  for (const KernelTally& k : kernels) list.push(kernel_value(k, r));
  return list;
}

Value rules_value(const PowerReport& r) {
  Value list{Value::List{}};
  for (const RuleTally& t : r.rules) {
    Value v;
    v.set("id", t.id);
    v.set("rule", t.name);
    v.set("source", t.source);
    v.set("wrong", t.wrong);
    v.set("wrong_passed", t.wrong_passed);
    v.set("correct", t.correct);
    v.set("correct_refused", t.correct_refused);
    v.set("powerless", t.powerless);
    list.push(v);
  }
  return list;
}

Value misses_value(const PowerReport& r) {
  Value list{Value::List{}};
  for (const PowerMiss& m : r.misses) {
    Value v;
    v.set("kernel", m.kernel);
    v.set("shape", m.shape);
    v.set("seed", m.seed);
    v.set("wrong_passed", m.wrong_passed);
    v.set("part", m.part);
    v.set("ratio", m.ratio);
    list.push(v);
  }
  return list;
}

}  // namespace

std::string render_power(const PowerReport& r) {
  return heading(r) + table(r) + failures(r) + excluded(r) + misses(r) + verdict(r);
}

Value power_value(const PowerReport& r) {
  Value v;
  v.set("schema", "refute-power-1");
  Value ops{Value::List{}}, shapes{Value::List{}};
  for (const auto op : r.ops) ops.push(mutants::to_string(op));
  for (const std::string& shape : r.shapes) shapes.push(shape);
  v.set("ops", ops);
  v.set("shapes", shapes);
  v.set("seeds", std::uint64_t{r.seeds});
  v.set("first_seed", r.first_seed);
  v.set("rules", rules_value(r));
  v.set("wrong_kernels", kernels_value(r.wrong, r));
  v.set("correct_kernels", kernels_value(r.correct, r));
  v.set("misses", misses_value(r));
  v.set("contract_holds", r.contract_holds());
  v.set("worst_correct", r.worst_correct);
  v.set("mildest_wrong", r.mildest_wrong);
  v.set("lean_deviations", r.lean.deviations);
  v.set("lean_share", r.lean.share);
  v.set("parameters", parameters_value(r.contract));
  return v;
}

}  // namespace refute::instruments
