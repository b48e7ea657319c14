#include "falsifiers/crux_l_02/run_cases.hpp"

#include <cmath>
#include <limits>
#include <map>

#include <fmt/format.h>

#include "falsifiers/crux_l_02/explain.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/expand.hpp"

namespace refute::falsifiers {
namespace {

using mutants::KernelInputs;
using mutants::Storage;
using worker::Context;
using worker::JobError;

constexpr int kMostTries = 300;  ///< of shrinking; each is smaller than what failed

template <class T>
T or_throw(Result<T> result) {
  if (!result) throw JobError(result.error().what + "; " + result.error().hint);
  return *std::move(result);
}

/// A case that failed, and what a replay has to know to say the same of it.
struct Failed {
  AttentionCase c;
  CaseFailure why;
  AttentionCase found;   ///< the case that failed first, which `c` was shrunk from
  std::string ended_on;  ///< the smaller shape on which the subject ended: it is asked no more
};

/// Nothing where the subject does not serve the neighbour: it is no simpler case then.
std::optional<CaseFailure> fails_too(const AttentionCheck& check, const AttentionCase& next) {
  try {
    return check(next, inputs_of(next));
  } catch (const worker::SubjectDeclined&) {
    return std::nullopt;
  }
}

/// The first neighbour that fails as well becomes the case, until none does.
Failed shrunk(Context& context, Failed failed, const CaseSpace& space,
              const AttentionCheck& check) {
  int tries = 0;
  for (bool smaller = true; smaller && tries < kMostTries;) {
    smaller = false;
    for (const AttentionCase& next : simpler(failed.c)) {
      if (!space.allows(next)) continue;
      if (++tries > kMostTries) break;
      std::optional<CaseFailure> why;
      try {
        why = fails_too(check, next);
      } catch (const worker::SubjectFailure&) {
        failed.ended_on = shape_words(next.shape);
        return failed;
      }
      if (!why) continue;
      failed.c = next;
      failed.why = std::move(*why);
      context.add_shrinks(1);
      smaller = true;
      break;
    }
  }
  return failed;
}

/// What is said of the fault; the subject may end while it is asked for that.
Explanation explained(const Failed& failed, AttentionSubject& subject) {
  if (!failed.ended_on.empty()) {
    return {"",
            fmt::format("not looked for: made smaller, on {}, the subject ends or gives an error",
                        failed.ended_on)};
  }
  try {
    return explain(subject, failed.c, failed.found, failed.why.variant);
  } catch (const worker::SubjectFailure&) {
    return {"", "not found: the subject ends or gives an error on a case of another shape"};
  }
}

Verdict refuted_by(const Context& context, const Failed& failed, AttentionSubject& subject) {
  Value v = to_value(failed.c);
  v.set("kernel", words_of(failed.why.variant));
  if (!failed.ended_on.empty()) v.set("ended_on", failed.ended_on);
  std::string message = fmt::format("{} {} {}, {}: {}", to_string(failed.c.shape.storage),
                                    shape_words(failed.c.shape), to_string(failed.c.family),
                                    words_of(failed.why.variant), failed.why.message);
  // A mutant's fault is known, and a negated check has found none.
  if (context.job().arm == Arm::subject || context.job().arm == Arm::control) {
    const Explanation e = explained(failed, subject);
    if (!e.where.empty()) v.set("where", e.where);
    v.set("fault", e.fault);
    if (e.needs_found) v.set("shrunk_from", to_value(failed.found));
  }
  return worker::refuted(std::move(message), std::move(v));
}

void require_allowed(const CaseSpace& space, const AttentionCase& c) {
  if (!space.allows(c)) throw JobError(space.words);
}

/// Only what says which case it was, and how it was found, is read; the rest comes out again by
/// itself.
Verdict replay_one(Context& context, AttentionSubject& subject, const CaseSpace& space,
                   const AttentionCheck& check) {
  const AttentionCase c = or_throw(attention_case_from(*context.replay()));
  require_allowed(space, c);
  auto why = check(c, inputs_of(c));
  if (!why) return worker::survived();
  Failed failed{c, std::move(*why), c, ""};
  if (const Value* from = context.replay()->find("shrunk_from")) {
    failed.found = or_throw(attention_case_from(*from));
  }
  const Value* ended_on = context.replay()->find("ended_on");
  if (ended_on != nullptr && ended_on->is_string()) failed.ended_on = *ended_on->as_string();
  return refuted_by(context, failed, subject);
}

/// The cases that a subject said it does not serve, by what it gave as the reason.
class NotServed {
 public:
  void add(const std::string& why) {
    ++cases_;
    ++reasons_[why];
  }

  /// A claim speaks of all its cases, so one without some of them is nobody's to grant.
  Verdict declined(std::size_t of) const {
    std::string list;
    std::size_t shown = 0;
    for (const auto& [why, cases] : reasons_) {
      if (++shown > kMostReasons) break;
      list += fmt::format("{}{} ({})", shown == 1 ? "" : "; ", why, cases);
    }
    if (reasons_.size() > kMostReasons) list += "; …";
    return worker::declined(
        DeclineReason::not_served,
        fmt::format("{} of {} cases are not served: {}; {}", cases_, of, list,
                    cases_ == of ? "nothing ran" : "the others hold, which is not the claim"));
  }

  std::uint64_t cases() const { return cases_; }

 private:
  static constexpr std::size_t kMostReasons = 8;
  std::uint64_t cases_ = 0;
  std::map<std::string, std::uint64_t> reasons_;
};

}  // namespace

std::vector<AttentionCase> cases_of(Context& context) {
  const std::uint64_t seeds = context.count("seeds");
  const auto dtypes = context.words("dtypes"), shapes = context.words("shapes"),
             families = context.words("families");
  std::vector<AttentionCase> all;
  for (const std::string& shape : shapes) {
    for (const std::string& family : families) {
      for (const std::string& dtype : dtypes) {
        for (std::uint64_t i = 0; i < seeds; ++i) {
          const Storage storage = or_throw(storage_from(dtype));
          all.push_back({or_throw(shape_from(shape, storage)),
                         or_throw(attention_family_from(family)),
                         worker::derive_seed(context.seed(), i)});
        }
      }
    }
  }
  return all;
}

std::vector<AttentionVariant> variants_of(Context& context, const AttentionSubject& subject) {
  std::vector<AttentionVariant> all;
  for (const std::string& kernel : context.words("kernels")) {
    if (kernel != "naive" && kernel != "flash2") {
      throw JobError("kernels are naive and flash2, not `" + kernel + "`; correct the contract");
    }
    for (const std::string& p : context.words("probabilities")) {
      if (p != "keep_f32" && p != "round_to_storage") {
        throw JobError("probabilities are keep_f32 or round_to_storage, not `" + p + "`");
      }
      const AttentionVariant variant{
          kernel == "naive" ? AttentionKernel::naive : AttentionKernel::flash2,
          p == "round_to_storage", 1};
      if (subject.has(variant)) all.push_back(variant);
    }
  }
  return all;
}

std::string words_of(const AttentionVariant& v) {
  return std::string(to_string(v.kernel)) + (v.rounds_probabilities ? ", P rounded" : "");
}

Verdict check_cases(Context& context, const std::vector<AttentionCase>& cases,
                    AttentionSubject& subject, const AttentionCheck& check,
                    const CaseSpace& space) {
  if (context.replay() != nullptr) return replay_one(context, subject, space, check);
  NotServed left_out;
  for (const AttentionCase& c : cases) {
    require_allowed(space, c);
    std::optional<CaseFailure> why;
    try {
      why = check(c, inputs_of(c));
    } catch (const worker::SubjectDeclined& declined) {
      if (declined.reason != DeclineReason::not_served) throw;
      left_out.add(declined.what());
    }
    if (!why) continue;
    Failed failed{c, std::move(*why), c, ""};
    // Only a subject's counterexample is looked at by somebody.
    if (context.job().arm == Arm::subject)
      failed = shrunk(context, std::move(failed), space, check);
    return refuted_by(context, failed, subject);
  }
  if (left_out.cases() == 0) return worker::survived();
  context.measure("cases_not_served", static_cast<double>(left_out.cases()));
  return left_out.declined(cases.size());
}

RunResult run_subject(Context& context, AttentionSubject& subject, const AttentionCase& c,
                      const KernelInputs& inputs, const AttentionVariant& variant) {
  AttentionAnswer answer = subject.run(c.shape, inputs, variant);
  context.add_cases(1);  // one that is not served is none
  RunResult result{std::move(answer.out), std::nullopt};
  if (!answer.trouble.empty()) result.failure = CaseFailure{std::move(answer.trouble), variant};
  return result;
}

CaseFailure failure_of(const worker::Comparator& compare, const std::string& what,
                       const AttentionVariant& variant) {
  return {fmt::format("{}: {}", what, compare.mismatch() ? compare.mismatch()->sentence() : "?"),
          variant};
}

std::optional<CaseFailure> each_variant(
    const std::vector<AttentionVariant>& variants,
    const std::function<std::optional<CaseFailure>(const AttentionVariant&)>& check) {
  std::optional<worker::SubjectDeclined> not_served;
  for (const AttentionVariant& variant : variants) {
    try {
      if (auto why = check(variant)) return why;
    } catch (const worker::SubjectDeclined& declined) {
      if (declined.reason != DeclineReason::not_served) throw;
      if (!not_served) not_served = declined;
    }
  }
  if (not_served) throw worker::SubjectDeclined(*not_served);
  return std::nullopt;
}

Verdict check_variants(Context& context, AttentionSubject& subject, const VariantCheck& check,
                       const CaseSpace& space) {
  const auto variants = variants_of(context, subject);
  return check_cases(
      context, cases_of(context), subject,
      [&](const AttentionCase& c, const KernelInputs& in) {
        return each_variant(variants,
                            [&](const AttentionVariant& variant) { return check(c, in, variant); });
      },
      space);
}

std::optional<CaseFailure> differ(Context& context, std::vector<float> got, std::vector<float> want,
                                  const std::string& what, const AttentionVariant& variant) {
  for (std::vector<float>* x : {&got, &want}) {
    for (float& value : *x) {
      if (std::isnan(value)) value = std::numeric_limits<float>::quiet_NaN();
    }
  }
  if (context.compare().bits(got, want)) return std::nullopt;
  return failure_of(context.compare(), what, variant);
}

double rounded3(double x) {
  return x == 0 || !std::isfinite(x) ? x : std::stod(fmt::format("{:.3g}", x));
}

}  // namespace refute::falsifiers
