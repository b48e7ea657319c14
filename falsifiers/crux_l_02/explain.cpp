#include "falsifiers/crux_l_02/explain.hpp"

namespace refute::falsifiers {

Explanation explain(AttentionSubject&, const AttentionCase&, const AttentionVariant&) {
  return {"", "not looked at"};
}

}  // namespace refute::falsifiers
