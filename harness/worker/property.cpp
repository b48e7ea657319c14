#include "harness/worker/property.hpp"

#include <algorithm>
#include <bit>
#include <exception>
#include <limits>
#include <memory>
#include <unordered_map>

#include <fmt/format.h>
#include <rapidcheck.h>
#include <rapidcheck/detail/TestListener.h>

#include "harness/worker/errors.hpp"

namespace refute::worker {
namespace {

using rc::detail::CaseDescription;

/// Counts the steps of shrinking and prints nothing.
struct Counter : rc::detail::TestListener {
  std::uint64_t shrinks = 0;

  void onTestCaseFinished(const CaseDescription&) override {}
  void onShrinkTried(const CaseDescription&, bool accepted) override { shrinks += accepted; }
  void onTestFinished(const rc::detail::TestMetadata&, const rc::detail::TestResult&) override {}
};

/// Runs the check, remembers the latest failure (after shrinking: the least one), and keeps
/// exceptions away from RapidCheck, which would take a mistake of ours for a counterexample. A
/// subject that does not serve a smaller case, or dies of it, has failed the case before all the
/// same.
class Runner {
 public:
  explicit Runner(const CaseCheck& check) : check_(check) {}

  rc::detail::CaseResult run(const TensorCase& c) {
    using Type = rc::detail::CaseResult::Type;
    if (thrown_ || ended_) return Type::Success;  // let it come to its end
    try {
      expand(c, values_);
      ++runs_;
      const CaseResult result = check_(c, values_);
      if (std::holds_alternative<CasePassed>(result)) return Type::Success;
      if (std::holds_alternative<CaseDiscarded>(result)) return ++discards_, Type::Discard;
      failure_ = {c, std::get<CaseFailed>(result), values_[offender_of(result)]};
      return Type::Failure;
    } catch (const SubjectDeclined&) {
      if (!failure_) thrown_ = std::current_exception();
    } catch (const SubjectFailure&) {
      failure_ ? void(ended_ = true) : void(thrown_ = std::current_exception());
    } catch (...) {
      thrown_ = std::current_exception();
    }
    return Type::Success;
  }

  struct Failure {
    TensorCase c;
    CaseFailed why;
    float offending_value;
  };

  void rethrow() const {
    if (thrown_) std::rethrow_exception(thrown_);
  }
  const std::optional<Failure>& failure() const { return failure_; }
  std::uint64_t runs() const { return runs_; }
  std::uint64_t discards() const { return discards_; }

 private:
  std::size_t offender_of(const CaseResult& result) const {
    const auto index = std::get<CaseFailed>(result).offender.value_or(0);
    return std::min<std::size_t>(index, values_.size() - 1);
  }

  const CaseCheck& check_;
  std::vector<float> values_;
  std::optional<Failure> failure_;
  std::exception_ptr thrown_;
  bool ended_ = false;  ///< nothing can be made smaller any more
  std::uint64_t runs_ = 0, discards_ = 0;
};

std::uint32_t between(rc::Random& random, std::uint32_t low, std::uint32_t high) {
  return low + static_cast<std::uint32_t>(random.next() % (std::uint64_t{high} - low + 1));
}

TensorCase draw(rc::Random random, const CaseSpace& space) {
  TensorCase c;
  c.rows = between(random, space.min_rows, space.max_rows);
  const std::uint32_t step = space.column_step;
  c.cols = step * between(random, (space.min_cols + step - 1) / step, space.max_cols / step);
  c.family =
      space.families[between(random, 0, static_cast<std::uint32_t>(space.families.size()) - 1)];
  c.seed = random.next();
  if (space.max_specials == 0 || random.next() % 2 == 0) return c;
  const auto patterns = space.finite_specials ? finite_special_bits() : special_bits();
  for (std::uint32_t n = between(random, 1, space.max_specials); n > 0; --n) {
    const auto position = static_cast<std::uint32_t>(random.next() % c.size());
    c.specials.push_back({position, patterns[random.next() % patterns.size()]});
  }
  return c;
}

/// The property as RapidCheck wants it: a generator of case descriptions, each of which runs its
/// case when asked for its value. Built by hand, because drawing through gen::exec costs ten times
/// the case.
rc::detail::Property property_of(const CaseSpace& space, Runner& runner) {
  const auto shared = std::make_shared<const CaseSpace>(space);
  return [shared, &runner](const rc::Random& random, int) {
    const auto shrink = [shared](const TensorCase& c) {
      return rc::seq::fromContainer(simpler(c, *shared));
    };
    return rc::shrinkable::map(rc::shrinkable::shrinkRecur(draw(random, *shared), shrink),
                               [&runner](TensorCase&& c) {
                                 CaseDescription description;
                                 description.result = runner.run(c);
                                 description.example = [] { return rc::detail::Example(); };
                                 return description;
                               });
  };
}

/// A last step that RapidCheck cannot know of: the element to blame alone in the smallest tensor
/// there is, else alone in its own, else with the largest one beside it, because a scale hangs on
/// that. True if one of them failed as well.
bool reduce_to_offender(Runner& runner, const CaseSpace& space) {
  const Runner::Failure before = *runner.failure();
  if (!before.why.offender) return false;
  const auto fails = [&](const TensorCase& c) {
    return c != before.c && runner.run(c).type == rc::detail::CaseResult::Type::Failure;
  };
  const auto bits = std::bit_cast<std::uint32_t>(before.offending_value);
  const std::uint32_t step = space.column_step,
                      least_cols = (space.min_cols + step - 1) / step * step;
  if (fails({space.min_rows, least_cols, Family::zeros, 0, {{0, bits}}})) return true;
  const auto position = static_cast<std::uint32_t>(*before.why.offender % before.c.size());
  TensorCase alone{before.c.rows, before.c.cols, Family::zeros, 0, {{position, bits}}};
  if (fails(alone)) return true;

  std::vector<float> values;
  expand(before.c, values);
  const auto largest = std::ranges::max_element(values, {}, [](float x) { return std::fabs(x); });
  alone.specials.push_back({static_cast<std::uint32_t>(largest - values.begin()),
                            std::bit_cast<std::uint32_t>(*largest)});
  return fails(alone);
}

Verdict refuted_by(const Runner::Failure& failure) {
  Value counterexample = to_value(failure.c);
  counterexample.set("element", failure.why.detail);
  return refuted(failure.why.message, std::move(counterexample));
}

Verdict replay_one(Context& context, Runner& runner, const Value& counterexample) {
  const auto c = tensor_case_from(counterexample);
  if (!c) throw JobError(c.error().what + "; " + c.error().hint);
  context.add_cases(1);
  const auto result = runner.run(*c);
  runner.rethrow();
  if (result.type == rc::detail::CaseResult::Type::Failure) return refuted_by(*runner.failure());
  if (result.type == rc::detail::CaseResult::Type::Discard) {
    return declined(DeclineReason::zero_cases, "the replayed case is outside the claim's domain");
  }
  return survived();
}

void require_sound(std::uint64_t cases, const CaseSpace& space) {
  const bool fits =
      cases >= 1 && cases <= static_cast<std::uint64_t>(std::numeric_limits<int>::max());
  if (!fits) throw JobError(fmt::format("{} cases are too few or too many for one job", cases));
  if (space.families.empty()) throw JobError("no family to draw from");
  const bool sized = space.min_rows >= 1 && space.min_rows <= space.max_rows &&
                     space.column_step >= 1 && space.min_cols >= 1 &&
                     space.max_cols >= space.column_step && space.min_cols <= space.max_cols &&
                     (space.min_cols + space.column_step - 1) / space.column_step <=
                         space.max_cols / space.column_step;
  if (!sized) throw JobError("the shapes to draw from are empty");
}

}  // namespace

Verdict check_property(Context& context, std::uint64_t cases, const CaseSpace& space,
                       const CaseCheck& check) {
  Runner runner(check);
  if (context.replay()) return replay_one(context, runner, *context.replay());
  require_sound(cases, space);

  rc::detail::TestParams params;
  params.seed = context.seed();
  params.maxSuccess = static_cast<int>(cases);
  rc::detail::TestMetadata metadata;
  metadata.id = context.job().claim.text;
  Counter counter;
  // An empty map of reproductions: with one from the environment an id that is not in it passes
  // without a case.
  const std::unordered_map<std::string, rc::detail::Reproduce> nothing_to_reproduce;
  const auto result = rc::detail::checkProperty(property_of(space, runner), metadata, params,
                                                counter, nothing_to_reproduce);

  if (runner.failure()) context.add_shrinks(counter.shrinks + reduce_to_offender(runner, space));
  runner.rethrow();
  context.add_discards(runner.discards());
  context.add_cases(runner.runs() - runner.discards());
  if (runner.failure()) {
    return refuted_by(*runner.failure());
  }
  rc::detail::SuccessResult success;
  if (!result.match(success) || static_cast<std::uint64_t>(success.numSuccess) < cases) {
    return declined(DeclineReason::zero_cases,
                    fmt::format("gave up after {} cases and {} discards; {} were asked for",
                                runner.runs(), runner.discards(), cases));
  }
  return survived();
}

CaseFailed failed(const Comparator& compare) {
  if (!compare.mismatch()) throw std::logic_error("a case failed, but no comparison did");
  return {compare.mismatch()->sentence(), compare.mismatch()->to_value(),
          compare.mismatch()->index};
}

}  // namespace refute::worker
