#pragma once

// How far a correct quantiser may leave a value from where it was, computed from the values of a
// block alone, so that neither a wrong code nor a wrong scale can hide behind it. An error above
// the bound is a bug in the block.

#include <span>

#include "kernels/ggml.hpp"

namespace refute::kernels {

/// The largest |x − x̂| that may occur in this block of ggml_info(format).block_size finite values.
/// Infinity where the block's scale overflows binary16, since ggml then stores an infinite one.
///
/// With h(d) = max(|d|·2^-11, 2^-25), what rounding d to binary16 moves it by, each bound is
///   F16, BF16   half a unit in the last place: max(|x|·2^-11, 2^-25), max(|x|·2^-8, 2^-134);
///   Q4_0, Q5_0  d = |peak|/8 or /16: half a step; on the side away from the peak the codes end one
///               step short, at 7 or 15, so the distance to that; plus 8·h(d) or 16·h(d);
///   Q4_1, Q5_1  d = (max − min)/15 or /31: d/2 + 15·h(d) or 31·h(d), + h(min);
///   Q8_0        d = |peak|/127: d/2 + 127·h(d);
///   MXFP4       d = 2^(e−2), e the exponent of the peak: half the widest gap, d, or for a peak of
///               6d to 8d what is clipped, peak − 6d;
///   K formats   S the largest step of any sub-block that runs from its least to its largest value
///               (Q3_K: |peak|/4, Q6_K: |peak|/32), O the largest offset: f·S for the fit, plus
///               what rounding the scales to 4, 6 or 8 bits and d to binary16 moves the outermost
///               code by;
///   IQ4_NL      d = |peak|/127: f·d, plus 127·h(d).
/// The K formats and IQ4_NL minimise a weighted sum and not the largest error, which bounds no
/// single value tightly; their f is calibrated (see ggml_bound.cpp), everything else is derived.
float ggml_block_bound(GgmlFormat format, std::span<const float> block);

}  // namespace refute::kernels
