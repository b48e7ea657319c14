#pragma once

// What a bisection measures of one stage, over all steps the worst.

#include <optional>
#include <string>

#include "harness/instruments/bisect/own_error.hpp"

namespace refute::bisect {

/// What other weights cost at one stage.
struct QuantisationError {
  std::string types;  ///< "F32>Q4_K"
  double stored = 0;  ///< ‖stored - original‖₂ / ‖original‖₂ of the worst of its weights
  double band = 0;    ///< what a healthy quantiser to that format makes it at most
  /// The stage with the stored weights beside that with the original ones, on the same inputs:
  /// ‖difference‖₂ over ‖terms‖₂ of products, over ‖value‖₂ elsewhere. A product's terms and not
  /// its value, because cancellation makes that small at will.
  double output = 0;

  /// Trained weights are not normal, and the band is: twice it is no healthy quantiser's.
  bool exceeds() const { return !(stored <= 2 * band); }
};

struct StageRow {
  StageAt at;
  /// The bad end's unit on the reference's inputs. None where it cannot be run.
  std::optional<OwnError> alone = {};
  /// Its output in its own run, on the inputs that it had there. None where those are not known or
  /// not finite.
  std::optional<OwnError> in_place = {};
  std::optional<OwnError> good = {};            ///< the good end's, in its own run
  std::string unjudged = {};                    ///< why neither is there
  std::optional<Distance> total = {};           ///< bad from good
  std::optional<Distance> implementation = {};  ///< bad from the reference on the bad end's weights
  std::optional<Distance> good_implementation = {};  ///< good from the reference on its weights
  std::optional<Distance> quantisation = {};  ///< that reference from good, with other weights
  std::optional<QuantisationError> weights = {};
  double predicted_total = 0;  ///< what noise of the predicted size makes of `total`; 0: not known
  double predicted_cosine = 1;
  /// What noise of rounding alone, without that of weights, makes of both implementations.
  double predicted_rounding = 0;

  /// The larger of `alone` and `in_place`; null without either.
  const OwnError* own() const;
};

/// "layer 2, attn_out", "lm_head".
std::string to_string(StageAt at);

}  // namespace refute::bisect
