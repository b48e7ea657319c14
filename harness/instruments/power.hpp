#pragma once

// How much an acceptance rule is worth: every rule against wrong kernels, which it should refuse,
// and correct ones, which it should not, over frozen shapes and many seeds. The proof, for anyone
// who asks, that the rule in a contract has power, and where popular rules have none.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "fixtures/mutants/attention_mutants.hpp"
#include "harness/metrics/acceptance_rules.hpp"
#include "harness/model/value.hpp"

namespace refute::instruments {

struct PowerOptions {
  std::vector<mutants::KernelOp> ops = {mutants::KernelOp::attention, mutants::KernelOp::softmax,
                                        mutants::KernelOp::gemm};
  std::size_t seeds = 40;
  std::uint64_t first_seed = 1;
  unsigned threads = 1;  ///< the report does not depend on it
  metrics::ContractParameters contract;
  /// Called after each shape and seed with how many are done, from any thread, one at a time.
  std::function<void(std::size_t done, std::size_t total)> progress;
};

/// The cases of one kernel that one rule got wrong.
struct RuleFailures {
  std::uint64_t count = 0;
  /// The first, as shape·seeds + seed: the order does not depend on the threads.
  std::size_t first = static_cast<std::size_t>(-1);
};

/// Cases that one kernel was run on, and those that went wrong for one rule.
struct KernelTally {
  mutants::KernelOp op;
  std::string_view name, why;
  std::uint64_t cases = 0;  ///< shapes times seeds, without the inert ones
  /// A wrong kernel whose output had the bits of the correct one: on that input it is not wrong.
  std::uint64_t inert = 0;
  std::uint64_t excluded = 0;     ///< declared not to be wrong there, though its bits differ
  std::uint64_t passed_over = 0;  ///< on shapes made for the mutants that need an overflow
  std::string_view inert_where;   ///< the reason for both
  /// Per rule of acceptance_rules(): a wrong kernel accepted, or a correct one not accepted.
  std::vector<RuleFailures> failures;
};

struct RuleTally {
  std::string_view id, name, source;
  std::uint64_t wrong = 0, wrong_passed = 0;
  std::uint64_t correct = 0, correct_refused = 0;
  std::uint64_t powerless =
      0;  ///< cases where its tolerance was above a tenth of the output's size
};

/// A case that went wrong for the contract's rule: the first few are kept, to be looked at.
struct PowerMiss {
  std::string_view kernel;
  std::string shape;
  std::uint64_t seed = 0;
  bool wrong_passed = false;
  std::string_view part;
  double ratio = 0;
};

/// How far the signs of correct kernels' errors lean to one side: what the parameters of rule C9
/// are calibrated by.
struct PowerLean {
  static constexpr double kMany = 1000;  ///< errors from which on a share of them tells something
  double deviations = 0;                 ///< |lean|/√n
  double share = 0;                      ///< |lean|/n where n is kMany at least
};

/// What is run for an op, by name: the lists that a contract freezes.
struct PowerList {
  std::vector<std::string> wrong, correct, shapes;
  /// "name: reason" for every wrong kernel that is not wrong everywhere.
  std::vector<std::string> excluded;
};
PowerList power_list(mutants::KernelOp op);

struct PowerReport {
  std::vector<mutants::KernelOp> ops;
  std::size_t seeds = 0;
  std::uint64_t first_seed = 0;
  std::vector<std::string> shapes;
  std::vector<RuleTally> rules;
  std::vector<KernelTally> wrong, correct;
  std::vector<PowerMiss> misses;
  double worst_correct = 0;  ///< largest error over its limit that a correct kernel had
  double mildest_wrong = 0;  ///< smallest that a refused wrong kernel had
  PowerLean lean;
  metrics::ContractParameters contract;  ///< that it was measured with

  /// A case by RuleFailures::first: "attention bf16 B1 …, seed 7".
  std::string case_name(std::size_t index) const;
  /// The contract's rule passed no wrong kernel and refused no correct one, and there were some.
  bool contract_holds() const;
};

PowerReport measure_power(const PowerOptions& options);

/// The table, then per rule what it let live, then what was excluded and why.
std::string render_power(const PowerReport& report);
Value power_value(const PowerReport& report);

}  // namespace refute::instruments
