#pragma once

// Where a refuted attention kernel is wrong, in its own coordinates, and which common fault
// explains it. A name is only given where computing with that fault (in f64, from the definitions)
// gives the kernel's output: it has to take away 99 % of the error in every observation, on those
// where the kernel is right it has to be right too, and where several do, all of them are told.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fixtures/oracles/attention_oracle.hpp"
#include "harness/metrics/acceptance_bound.hpp"

namespace refute::instruments {

/// One run of the suspected kernel. Inputs and outputs are values of the storage format; tensors
/// are laid out as oracles::AttentionProblem says.
struct FaultObservation {
  oracles::AttentionProblem problem;
  metrics::Format format = metrics::Format::f32;  ///< of inputs and output
  std::vector<float> q, k, v, actual;
  std::vector<double> exact;  ///< the oracle's output, never rounded
  std::vector<double> bound;  ///< how far a right kernel may be before it rounds its output

  /// Lengths fit the problem, and exact and bound are finite. All below asks for it.
  bool sound() const;
};

/// Completes an observation whose problem, format, inputs and output are set: exact from the
/// oracle, bound from what the kernel declares of its precision.
void measure_against_oracle(FaultObservation& observation,
                            const metrics::DeclaredPrecision& precision, double lambda);

/// Problems on which common faults differ from each other, for a kernel to be run on besides the
/// case that it failed: grouped heads, two entries, unequal lengths that are no multiple of a tile
/// or of 8 and one that is, both head_dims of flash2, rows that see nothing, and scores far apart
/// (Q and K ten times N(0, 1)).
struct TellingProblem {
  oracles::AttentionProblem problem;  ///< scale is 1/√D
  bool far_apart = false;
};
std::span<const TellingProblem> telling_problems();

/// A set of small numbers (heads, rows, columns) out of `of`, in order.
struct FaultSpread {
  std::vector<std::size_t> which;
  std::size_t of = 0;
};

/// Where the wrong elements of one observation lie. All is empty if none is. What is more than a
/// list of places is said only where it would be rarer than one in a thousand by chance.
struct FaultPlace {
  std::size_t wrong = 0, elements = 0, not_finite = 0;
  FaultSpread batches, heads, rows, columns;
  /// 1 or 2 where the wrong rows are just those that see that many keys at least; else 0.
  std::size_t rows_seeing = 0;
  std::size_t worst_batch = 0, worst_head = 0, worst_row = 0, worst_column = 0;
  /// Rows are wrong exactly from so many visible keys on: the key with this index comes in then.
  std::optional<std::size_t> first_key;
  /// The key along whose value most wrong rows are off; or else how far it is from the last that a
  /// row sees, or where in its tile, if they agree in that only.
  std::optional<std::size_t> key, key_from_end, key_in_tile;
  /// The tile of keys along whose part of the output most wrong rows are off. A kernel with one
  /// tile of keys has none.
  std::optional<std::size_t> key_tile;
  std::size_t tile = 0;
};
FaultPlace locate_fault(const FaultObservation& observation, std::size_t tile);

/// How much a place says, to choose one of several: 0 if nothing is wrong.
std::size_t sharpness(const FaultPlace& place);

/// "260 of 8320 elements: head 1 of 2, rows 64-79 of 80 (0-15 modulo 64), all 64 columns; …"
std::string sentence(const FaultPlace& place);

struct FaultName {
  std::string name;      ///< "drops_last_key"
  std::string sentence;  ///< "the last key is left out"
  double explained = 0;  ///< the least share of an observation's error that it takes away
};

/// The faults that explain all observations, the one that explains most first; none when nothing is
/// wrong or no common fault explains it.
std::vector<FaultName> name_fault(std::span<const FaultObservation> observations, std::size_t tile);

/// More names than that say nothing.
inline constexpr std::size_t kMostFaultNames = 3;

/// "drops_last_key: the last key is left out (99.98 % of the error)", "either … or …", or that none
/// explains it, or too many do.
std::string sentence(std::span<const FaultName> names);

}  // namespace refute::instruments
