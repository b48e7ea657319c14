#pragma once

// What a refutation says beyond "this element is wrong".

#include <string>

#include "falsifiers/crux_l_02/attention_case.hpp"
#include "falsifiers/subjects/attention_subject.hpp"

namespace refute::falsifiers {

struct Explanation {
  std::string where;         ///< where the wrong elements of the case lie; empty: none is
  std::string fault;         ///< the common fault that explains them, or that none does
  bool needs_found = false;  ///< `found` was looked at as well, so a replay has to know it
};

/// Runs the subject again on the case and on a few inputs of its kind that tell faults apart, and
/// looks at how it differs from the oracle. Where that leaves many faults, `found`, which the case
/// was shrunk from, has to tell them apart.
Explanation explain(AttentionSubject& subject, const AttentionCase& c, const AttentionCase& found,
                    const AttentionVariant& variant);

}  // namespace refute::falsifiers
