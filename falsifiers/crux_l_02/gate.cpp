// The published gate on a difference: where it holds, and its two failures.

#include <algorithm>
#include <limits>
#include <memory>

#include <fmt/format.h>

#include "falsifiers/crux_l_02/calibrated.hpp"
#include "falsifiers/crux_l_02/checks.hpp"
#include "falsifiers/crux_l_02/command.hpp"
#include "falsifiers/crux_l_02/run_cases.hpp"
#include "harness/metrics/error.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

using mutants::KernelInputs;
using worker::Context;

/// max|a - b| and the cosine of two outputs, in f64. An undefined figure passes no gate.
struct Difference {
  double max_abs, cosine;
};

Difference difference(std::span<const float> got, std::span<const float> reference) {
  const auto value = [](metrics::Metric m) {
    return m.defined() ? m.value() : std::numeric_limits<double>::quiet_NaN();
  };
  const metrics::ErrorReport report = metrics::measure(got, reference);
  return {value(report.max_abs), value(report.cosine)};
}

struct Gate {
  double max_abs, cosine;
};
Gate gate_of(Context& context) {
  return {context.real("max_abs_diff"), context.real("min_cosine")};
}

bool lets_through(const Gate& gate, const Difference& d) {
  return d.max_abs <= gate.max_abs && d.cosine >= gate.cosine;
}

std::string words_of(const Difference& d) {
  return fmt::format("max_abs_diff {:.3g}, cosine {:.6f}", d.max_abs, d.cosine);
}

/// The subject's own naive kernel; a mutant has none, and is compared with the scalar one.
std::vector<float> naive_output(Context& context, AttentionSubject& subject, const AttentionCase& c,
                                const KernelInputs& in, AttentionVariant variant) {
  variant.kernel = AttentionKernel::naive;
  if (subject.has(variant)) return run_subject(context, subject, c, in, variant).out;
  return mutants::plain_kernel(c.shape, in);
}

/// Which of two rules judges a kernel's output: the one that is named as the subject.
class Judge {
 public:
  Judge(Context& context, const Gate& gate)
      : gate_(gate), rule_(calibrated_rule_of(context)), name_(context.job().subject.text) {
    if (name_ != "published_gate" && name_ != "calibrated_rule") {
      throw worker::JobError("there is no rule called `" + name_ + "`");
    }
  }

  bool accepts(const AttentionCase& c, const KernelInputs& in, std::span<const float> got,
               std::span<const float> naive, bool rounds) const {
    if (name_ == "published_gate") return lets_through(gate_, difference(got, naive));
    const auto criterion = criterion_of(rule_, c.shape, in, rounds);
    const metrics::Comparison comparison(criterion, got);
    return metrics::contract_rule(comparison, rule_).acceptance == metrics::Acceptance::accepted;
  }

 private:
  Gate gate_;
  CalibratedRule rule_;
  std::string name_;
};

/// One output that a rule has to judge: whose, on which inputs, and beside which reference.
struct Exhibit {
  std::string kernel;
  std::vector<float> got, naive;
  bool rounds;
};

/// The command line that measures such a case; it draws inputs of its own from the seed.
std::vector<std::vector<std::string>> requests_of(const std::vector<AttentionCase>& cases) {
  std::vector<std::vector<std::string>> all;
  for (const AttentionCase& c : cases) {
    const mutants::KernelShape& s = c.shape;
    std::vector<std::string> words;
    const auto add = [&](const char* option, std::uint64_t value) {
      words.emplace_back(option);
      words.push_back(fmt::format("{}", value));
    };
    add("--batch", s.batch), add("--heads", s.heads_q), add("--kv-heads", s.heads_kv);
    add("--seq-q", s.seq_q), add("--seq-kv", s.seq_kv), add("--head-dim", s.head_dim);
    add("--seed", c.seed);
    words.insert(words.end(), {"--dtype", std::string(to_string(s.storage))});
    if (s.causal) words.emplace_back("--causal");
    all.push_back(std::move(words));
  }
  return all;
}

/// Goes through all cases, counts how often the rule is wrong, and reports the first time.
Verdict judge_all(Context& context, bool has_to_accept,
                  const std::function<std::vector<Exhibit>(const AttentionCase&,
                                                           const KernelInputs&)>& exhibits) {
  const Judge judge(context, gate_of(context));
  std::vector<AttentionCase> cases = cases_of(context);
  if (const Value* replay = context.replay()) {
    auto c = attention_case_from(*replay);
    if (!c) throw worker::JobError(c.error().what + "; " + c.error().hint);
    cases = {*c};
  }
  std::optional<Verdict> first;
  double worst = 0;
  std::uint64_t wrong = 0;
  for (const AttentionCase& c : cases) {
    const KernelInputs in = inputs_of(c);
    for (const Exhibit& e : exhibits(c, in)) {
      context.add_cases(1);
      const Difference d = difference(e.got, e.naive);
      worst = std::max(worst, d.max_abs);
      const bool accepted = judge.accepts(c, in, e.got, e.naive, e.rounds);
      if (context.compare().holds(accepted == has_to_accept, "judged rightly")) continue;
      ++wrong;
      if (first) continue;
      Value v = to_value(c);
      v.set("kernel", e.kernel);
      v.set("max_abs_diff", worker::hex_float(d.max_abs));
      first = worker::refuted(fmt::format("{} {} {}: {} is {} with {}", to_string(c.shape.storage),
                                          shape_words(c.shape), to_string(c.family), e.kernel,
                                          accepted ? "let through" : "turned away", words_of(d)),
                              std::move(v));
    }
  }
  context.measure("judged_wrongly", wrong);
  context.measure("max_abs_diff", rounded3(worst));
  return first.value_or(worker::survived());
}

}  // namespace

Verdict attention_published_gate(Context& context) {
  context.agreement(Agreement::tolerance);
  const Gate gate = gate_of(context);
  const auto accept = [&](double max_abs, double cosine) {
    return lets_through(gate, {max_abs, cosine});
  };
  if (auto live = parity_numbers(context, requests_of(cases_of(context)), accept)) return *live;
  const auto subject = attention_subject_of(context);
  double worst = 0, least = 1;
  Verdict verdict = check_variants(
      context, *subject,
      [&](const AttentionCase& c, const KernelInputs& in,
          const AttentionVariant& variant) -> std::optional<CaseFailure> {
        const RunResult flash = run_subject(context, *subject, c, in, variant);
        if (flash.failure) return flash.failure;
        const Difference d = difference(flash.out, naive_output(context, *subject, c, in, variant));
        worst = std::max(worst, d.max_abs), least = std::min(least, d.cosine);
        auto& compare = context.compare();
        if (compare.at_most(d.max_abs, gate.max_abs, "max_abs_diff") &&
            compare.at_least(d.cosine, gate.cosine, "cosine")) {
          return std::nullopt;
        }
        return failure_of(compare, "against naive", variant);
      });
  if (std::holds_alternative<Survived>(verdict)) context.measure("max_abs_diff", rounded3(worst));
  return verdict;
}

Verdict gate_takes_healthy(Context& context) {
  context.agreement(Agreement::tolerance);
  return judge_all(context, true, [](const AttentionCase& c, const KernelInputs& in) {
    std::vector<Exhibit> all;
    for (const char* name : {"cpu_scalar", "cpu_simd"}) {
      const auto subject = attention_backend(name);
      AttentionVariant variant{AttentionKernel::flash2, true, 1};
      std::vector<float> flash = subject->run(c.shape, in, variant).out;
      variant.kernel = AttentionKernel::naive;
      all.push_back({fmt::format("{} flash2, P rounded", name), std::move(flash),
                     subject->run(c.shape, in, variant).out, true});
    }
    return all;
  });
}

Verdict gate_stops_wrong(Context& context) {
  context.agreement(Agreement::tolerance);
  const auto names = context.words("wrong_kernels");
  return judge_all(context, false, [&](const AttentionCase& c, const KernelInputs& in) {
    std::vector<Exhibit> all;
    for (const std::string& name : names) {
      const auto known = mutants::attention_mutants();
      const auto at = std::ranges::find(known, name, &mutants::KernelMutant::name);
      if (at == known.end()) throw worker::JobError("there is no wrong kernel `" + name + "`");
      all.push_back({name, at->run(c.shape, in), mutants::plain_kernel(c.shape, in), false});
    }
    return all;
  });
}

}  // namespace refute::falsifiers
