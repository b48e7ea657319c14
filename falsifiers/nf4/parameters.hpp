#pragma once

// What C-NF4's contract may say; the bounds on sizes keep a job within memory and time.

#include "harness/worker/domains.hpp"
#include "harness/worker/parameter_rule.hpp"

namespace refute::falsifiers {

inline constexpr worker::ParameterRule kNf4Parameters[] = {
    worker::count_up_to("below_step", 65536),
    worker::count_up_to("cases", 10'000'000),
    worker::count_up_to("cols", 1 << 20),
    worker::words_of("decisions", {"thresholds", "nearest"}),
    worker::count_up_to("drawn_scales", 1 << 20),
    worker::real_within("every_f32_from", 0, 1),
    worker::words_of("families", worker::Words::of(worker::kFamilies)),
    worker::real_within("lambda", 0, 1000),
    worker::words_of("layouts", {"first_low", "first_high"}),
    worker::real_within("max_abs_error", 0, 1),
    worker::count_up_to("max_blocks", 4096),
    worker::count_up_to("max_cols", 1 << 20),
    worker::count_up_to("max_m", 4096),
    {"max_normalised_error", worker::ParameterKind::real_or_band, 0, 1},
    worker::count_up_to("max_rows", 1 << 16),
    {"mean_normalised_error", worker::ParameterKind::band, 0, 1},
    worker::real_within("min_ratio", 0, 64),
    {"relative_l2", worker::ParameterKind::band, 0, 1},
    worker::count_up_to("rows", 1 << 16),
    {"scales", worker::ParameterKind::reals, 0, 3e38},
    worker::real_within("unit_roundoff", 0, 1),
};

}  // namespace refute::falsifiers
