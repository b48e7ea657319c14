#pragma once

// A bisection as text, as data and as a picture.

#include <cstddef>
#include <string>

#include "harness/instruments/bisect/bisect.hpp"
#include "harness/model/value.hpp"

namespace refute::bisect {

/// The verdict first, then why, the symptom, the ends, and the stages: the named one with its
/// neighbours and those nearest to their floor, or all of them.
std::string report_text(const Report& report, bool all_stages);

Value report_value(const Report& report);

/// Two pictures over the stages in forward order: each one's own error over its floor, and how far
/// the two ends are apart there, beside what noise makes of it.
std::string report_svg(const Report& report);

}  // namespace refute::bisect
