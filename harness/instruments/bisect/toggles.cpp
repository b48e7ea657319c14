#include "harness/instruments/bisect/toggles.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "harness/instruments/bisect/stage_row.hpp"
#include "harness/instruments/bisect/walk.hpp"

namespace refute::bisect {
namespace {

bool alike(const Decision& a, const Decision& b) {
  return a.decided() && b.decided() && a.token() == b.token();
}

class Toggler {
 public:
  Toggler(const End& base, const Steps& steps, const Decision& before, const Decision& wanted)
      : base_(base), steps_(steps), before_(before), wanted_(wanted) {}

  /// A changed end that its model refuses is left out: it is no run that anybody could make.
  std::optional<Error> run(const char* factor, std::string change, const End& changed) {
    if (refuse_path(changed.path, *changed.model)) return std::nullopt;
    auto decision = run_all(changed, steps_);
    if (!decision) return decision.take_error();
    const bool flips = alike(*decision, wanted_) && !alike(before_, wanted_);
    toggles.push_back({to_string(base_), factor, std::move(change), *std::move(decision), flips});
    return std::nullopt;
  }

  std::vector<Toggle> toggles;

 private:
  const End& base_;
  const Steps& steps_;
  const Decision& before_;
  const Decision& wanted_;
};

std::string from_to(std::string_view from, std::string_view to) {
  return fmt::format("{} > {}", from, to);
}

}  // namespace

Result<std::vector<Toggle>> toggle_paths(const End& good, const End& bad, const Steps& steps,
                                         std::optional<StageAt> named, const Decision& before,
                                         const Decision& wanted) {
  Toggler toggler(bad, steps, before, wanted);
  std::optional<Error> error;
  if (good.path.name != bad.path.name) {
    End changed = bad;
    // On the bad end's own weights: reference-dequant stands for reference where they are not
    // the trained ones.
    changed.path.name = good.path.is_fast() ? good.path.name : forward::oracle_of(*bad.model);
    if (changed.path.name != bad.path.name) {
      error = toggler.run("path", from_to(to_string(bad.path.name), to_string(changed.path.name)),
                          changed);
    }
  }
  if (!error && good.path.attention != bad.path.attention) {
    End changed = bad;
    changed.path.attention = good.path.attention;
    error = toggler.run("attention",
                        from_to(to_string(bad.path.attention), to_string(good.path.attention)),
                        changed);
  }
  if (!error && good.activations != bad.activations) {
    End changed = bad;
    changed.activations = good.activations;
    error = toggler.run("activations",
                        from_to(to_string(bad.activations), to_string(good.activations)), changed);
  }
  if (!error && good.model != bad.model) {
    End changed = bad;
    changed.model = good.model;
    if (!changed.path.is_fast()) changed.path.name = forward::oracle_of(*good.model);
    error = toggler.run("weights", from_to(bad.model->weight_types(), good.model->weight_types()),
                        changed);
  }
  if (!error && named) {
    End changed = bad;
    changed.run = [named, run = bad.run](StageAt at, const DecoderModel& model,
                                         const ExecutionPath& path, Activations& acts) {
      if (at != *named) return run(at, model, path, acts);
      ExecutionPath reference = path;
      reference.name = forward::oracle_of(model);
      return forward::run_stage(at, model, reference, acts);
    };
    error = toggler.run("stage", fmt::format("{} by the reference", to_string(*named)), changed);
  }
  if (error) return *std::move(error);
  return std::move(toggler.toggles);
}

Result<std::vector<Toggle>> toggle_captures(const CapturedRun& bad, const DecoderModel& model,
                                            metrics::Format activations,
                                            std::optional<StageAt> named, const Decision& before,
                                            const Decision& wanted, unsigned threads) {
  const End base = oracle_end(model, threads);
  const Steps steps = {bad.manifest().tokens};
  Toggler toggler(base, steps, before, wanted);
  std::optional<Error> error;
  if (activations != base.activations) {
    End changed = base;
    changed.activations = activations;
    error = toggler.run("activations", from_to(to_string(base.activations), to_string(activations)),
                        changed);
  }
  if (!error && bad.attention() != base.path.attention) {
    End changed = base;
    changed.path.attention = bad.attention();
    error = toggler.run(
        "attention", from_to(to_string(base.path.attention), to_string(bad.attention())), changed);
  }
  if (!error && named && bad.has(*named)) {
    End changed = base;
    changed.run = [named, &bad](StageAt at, const DecoderModel& m, const ExecutionPath& path,
                                Activations& acts) -> std::optional<Error> {
      if (auto failed = forward::run_stage(at, m, path, acts)) return failed;
      if (at == *named) std::ranges::copy(bad.values(at), acts.slot(at.stage).begin());
      return std::nullopt;
    };
    error = toggler.run("stage", fmt::format("{} as captured", to_string(*named)), changed);
  }
  if (error) return *std::move(error);
  return std::move(toggler.toggles);
}

}  // namespace refute::bisect
