// The gate and the classifier, over every compute capability that a device could report.

#include <memory>
#include <string_view>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "falsifiers/crux_b_11/capability_command.hpp"
#include "falsifiers/crux_b_11/checks.hpp"
#include "falsifiers/crux_b_11/support.hpp"
#include "fixtures/mutants/capability_mutants.hpp"
#include "fixtures/mutants/command_mutants.hpp"
#include "harness/worker/errors.hpp"
#include "kernels/fp8.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using worker::Context;

mutants::CapabilityFunctions functions_of(const Context& context) {
  if (context.job().arm != Arm::mutant || mutants::command_mutant(context.job().mutant.text))
    return {fp8_gate, fp8_capability};
  if (const auto* mutant = mutants::capability_mutant(context.job().mutant.text))
    return mutant->functions;
  throw worker::JobError("there is no capability mutant called `" + context.job().mutant.text +
                         "`");
}

/// Calls `check(sm)` for 0 … highest_sm, or for the replay's alone; it returns false at the first
/// that is wrong.
template <class Check>
Verdict for_every_sm(Context& context, Check check) {
  context.domain(Domain::exhaustive);
  context.agreement(Agreement::bytewise);
  const auto highest = static_cast<int>(context.count("highest_sm"));
  const Value* replayed = context.replay() ? context.replay()->find("sm") : nullptr;
  const auto only = replayed ? worker::unsigned_from(*replayed) : std::nullopt;
  for (int sm = only ? static_cast<int>(*only) : 0; sm <= highest; ++sm) {
    context.add_cases(1);
    if (!check(sm)) {
      Value where;
      where.set("sm", sm);
      return refuted_by(context.compare(), fmt::format("sm_{}", sm), where);
    }
    if (only) break;
  }
  return worker::survived();
}

}  // namespace

Verdict fp8_gate_all(Context& context) {
  const auto capable_from = static_cast<int>(context.count("capable_from"));
  const auto functions = functions_of(context);
  Verdict gate = for_every_sm(context, [&](int sm) {
    const Fp8Gate want = sm == 0              ? Fp8Gate::not_measured
                         : sm >= capable_from ? Fp8Gate::capable
                                              : Fp8Gate::incapable;
    return context.compare().equal(static_cast<std::uint64_t>(functions.gate(sm)),
                                   static_cast<std::uint64_t>(want),
                                   "gate (0 capable, 1 incapable, 2 not measured)");
  });
  if (!std::holds_alternative<Survived>(gate)) return gate;
  return quantize_command_gate(context, capable_from).value_or(std::move(gate));
}

Verdict fp8_capability_all(Context& context) {
  const auto weight_only = static_cast<int>(context.count("weight_only_from"));
  const auto native_gemm = static_cast<int>(context.count("native_gemm_from"));
  const auto functions = functions_of(context);
  auto& compare = context.compare();
  return for_every_sm(context, [&](int sm) {
    const Fp8Capability got = functions.capability(sm);
    return compare.equal(got.measured, sm != 0, "measured") &&
           compare.equal(got.convert, true, "converts") &&
           compare.equal(got.weight_only, sm >= weight_only, "serves weight-only") &&
           compare.equal(got.native_gemm, sm >= native_gemm, "multiplies natively");
  });
}

}  // namespace refute::falsifiers
