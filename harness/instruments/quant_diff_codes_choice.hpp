#pragma once

// What another quantiser than ggml's reference may do and still be right: pick the other side of a
// tie, search for a scale of its own, and refit it after the codes are chosen.

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/ggml.hpp"

namespace refute::instruments {

/// Bytes in front of a block that are its scale (and minimum); 0 for formats whose groups have
/// scales of their own, and for those without.
std::size_t scale_bytes(kernels::GgmlFormat format);

/// x: values of one block; y: what is stored, under the scale that the reference quantiser has for
/// x; expected: what that quantiser stores. Whether each difference is a tie: the stored value is
/// as near as the expected one, or x lies midway between the two under the scale before its
/// rounding to binary16. `block`: as stored.
bool only_ties(kernels::GgmlFormat format, const std::uint8_t* block, std::span<const float> x,
               std::span<const float> y, std::span<const float> expected);

/// Whether one scale, by no more than a third larger or smaller than the stored one, makes every
/// code of the block the nearest one (values beyond the ends of the range aside). With a minimum,
/// that may be off by half a step too. No single code can be moved by a step without leaving this,
/// unless its value was about midway.
bool one_scale_explains(kernels::GgmlFormat format, const std::uint8_t* block,
                        std::span<const float> x, std::span<const float> y);

}  // namespace refute::instruments
