#pragma once

// The common faults: how a row of attention is computed with each, or what each makes of a whole
// output.

#include <span>
#include <string_view>
#include <vector>

#include "harness/instruments/fault_locator_rows.hpp"

namespace refute::instruments {

/// How the fault's output is rounded to the storage format.
enum class FaultRounding { nearest, truncated, away };

/// By how much of a row's largest element a kernel's f32 arithmetic may be off from a prediction.
inline constexpr double kFaultArithmetic = 0x1p-17;

struct CommonFault {
  std::string_view name;
  std::string_view sentence;
  /// Changes the right model of a row. False where the fault cannot be: nothing is computed then.
  bool (*model)(const oracles::AttentionProblem&, const RowPlace&, RowModel&);
  /// Changes the right output (exact, before rounding). False where the fault cannot be.
  bool (*output)(const FaultObservation&, std::vector<double>& out);
  FaultRounding rounding = FaultRounding::nearest;
  double slack = kFaultArithmetic;
};
std::span<const CommonFault> common_faults();

}  // namespace refute::instruments
