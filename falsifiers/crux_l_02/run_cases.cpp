#include "falsifiers/crux_l_02/run_cases.hpp"

#include <cmath>
#include <limits>

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

struct Failed {
  AttentionCase c;
  CaseFailure why;
};

/// The first neighbour that fails as well becomes the case, until none does.
Failed shrunk(Context& context, Failed failed, const CaseSpace& space,
              const AttentionCheck& check) {
  int tries = 0;
  for (bool smaller = true; smaller && tries < kMostTries;) {
    smaller = false;
    for (const AttentionCase& next : simpler(failed.c)) {
      if (!space.allows(next)) continue;
      if (++tries > kMostTries) break;
      auto why = check(next, inputs_of(next));
      if (!why) continue;
      failed = {next, std::move(*why)};
      context.add_shrinks(1);
      smaller = true;
      break;
    }
  }
  return failed;
}

Verdict refuted_by(const Context& context, const Failed& failed, AttentionSubject& subject) {
  Value v = to_value(failed.c);
  v.set("kernel", words_of(failed.why.variant));
  std::string message = fmt::format("{} {} {}, {}: {}", to_string(failed.c.shape.storage),
                                    shape_words(failed.c.shape), to_string(failed.c.family),
                                    words_of(failed.why.variant), failed.why.message);
  // A mutant's fault is known, and a negated check has found none.
  if (context.job().arm == Arm::subject || context.job().arm == Arm::control) {
    const Explanation e = explain(subject, failed.c, failed.why.variant);
    if (!e.where.empty()) v.set("where", e.where);
    v.set("fault", e.fault);
  }
  return worker::refuted(std::move(message), std::move(v));
}

void require_allowed(const CaseSpace& space, const AttentionCase& c) {
  if (!space.allows(c)) throw JobError(space.words);
}

/// Only what says which case it was is read; the rest comes out again by itself.
Verdict replay_one(Context& context, AttentionSubject& subject, const CaseSpace& space,
                   const AttentionCheck& check) {
  const AttentionCase c = or_throw(attention_case_from(*context.replay()));
  require_allowed(space, c);
  auto why = check(c, inputs_of(c));
  if (!why) return worker::survived();
  return refuted_by(context, {c, std::move(*why)}, subject);
}

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
  for (const AttentionCase& c : cases) {
    require_allowed(space, c);
    auto why = check(c, inputs_of(c));
    if (!why) continue;
    Failed failed{c, std::move(*why)};
    // Only a subject's counterexample is looked at by somebody.
    if (context.job().arm == Arm::subject)
      failed = shrunk(context, std::move(failed), space, check);
    return refuted_by(context, failed, subject);
  }
  return worker::survived();
}

RunResult run_subject(Context& context, AttentionSubject& subject, const AttentionCase& c,
                      const KernelInputs& inputs, const AttentionVariant& variant) {
  context.add_cases(1);
  AttentionAnswer answer = subject.run(c.shape, inputs, variant);
  RunResult result{std::move(answer.out), std::nullopt};
  if (!answer.trouble.empty()) result.failure = CaseFailure{std::move(answer.trouble), variant};
  return result;
}

CaseFailure failure_of(const worker::Comparator& compare, const std::string& what,
                       const AttentionVariant& variant) {
  return {fmt::format("{}: {}", what, compare.mismatch() ? compare.mismatch()->sentence() : "?"),
          variant};
}

Verdict check_variants(Context& context, AttentionSubject& subject, const VariantCheck& check,
                       const CaseSpace& space) {
  const auto variants = variants_of(context, subject);
  return check_cases(
      context, cases_of(context), subject,
      [&](const AttentionCase& c, const KernelInputs& in) {
        std::optional<CaseFailure> why;
        for (const AttentionVariant& variant : variants) {
          if (!why) why = check(c, in, variant);
        }
        return why;
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
