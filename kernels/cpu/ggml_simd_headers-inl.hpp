// Scales and minima of whole batches of blocks, for Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0. Include after
// ggml_simd_common-inl.hpp; the guard toggles per target.

#if defined(REFUTE_KERNELS_CPU_GGML_SIMD_HEADERS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef REFUTE_KERNELS_CPU_GGML_SIMD_HEADERS_INL
#undef REFUTE_KERNELS_CPU_GGML_SIMD_HEADERS_INL
#else
#define REFUTE_KERNELS_CPU_GGML_SIMD_HEADERS_INL
#endif

#if HWY_TARGET != HWY_SCALAR  // which has no vectors: the scalar kernels serve it
HWY_BEFORE_NAMESPACE();
namespace refute::kernels::HWY_NAMESPACE {

/// Headers are made for as many blocks at a time as a vector has lanes: reductions, divisions and
/// the rounding to binary16 cost a fraction then.
constexpr std::size_t kBatch = kF32Lanes;
constexpr std::size_t kFour = 4;
using VF4 = hn::VFromD<hn::FixedTag<float, kFour>>;

struct LeastOf {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::Min(a, b);
  }
};

struct MostOf {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::Max(a, b);
  }
};

/// Combines the 128-bit parts of a vector.
template <class Pick, class D>
HWY_INLINE VF4 FoldParts(D d, hn::VFromD<D> v, Pick pick) {
  if constexpr (hn::MaxLanes(d) == kFour) {
    return v;
  } else {
    const hn::Half<D> half;
    return FoldParts(half, pick(hn::LowerHalf(half, v), hn::UpperHalf(half, v)), pick);
  }
}

/// Lane b of the result is the least or the largest of all lanes of v[b].
template <class Pick>
HWY_INLINE VF4 ReduceFour(const VF (&v)[kFour], Pick pick) {
  const F32 d;
  const hn::Repartition<double, F32> pairs;
  const auto interleave = [&](VF a, VF b) HWY_ATTR {
    return pick(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
  };
  const auto low = hn::BitCast(pairs, interleave(v[0], v[1]));
  const auto high = hn::BitCast(pairs, interleave(v[2], v[3]));
  const VF all = pick(hn::BitCast(d, hn::InterleaveLower(pairs, low, high)),
                      hn::BitCast(d, hn::InterleaveUpper(pairs, low, high)));
  return FoldParts(d, all, pick);
}

/// Least or largest value, or magnitude, of each block of a batch.
template <bool kMagnitude, class Pick>
HWY_INLINE VF PickOfBatch(const float* x, Pick pick) {
  const F32 d;
  const auto load = [&](const float* p) HWY_ATTR {
    return kMagnitude ? hn::Abs(hn::LoadU(d, p)) : hn::LoadU(d, p);
  };
  HWY_ALIGN float picked[kBatch];
  for (std::size_t g = 0; g < kBatch; g += kFour) {
    VF v[kFour];
    for (std::size_t b = 0; b < kFour; ++b) {
      const float* const block = x + (g + b) * gd::kBlock;
      v[b] = load(block);
      for (std::size_t j = kF32Lanes; j < gd::kBlock; j += kF32Lanes) {
        v[b] = pick(v[b], load(block + j));
      }
    }
    hn::Store(ReduceFour(v, pick), hn::FixedTag<float, kFour>(), picked + g);
  }
  return hn::Load(d, picked);
}

/// What the headers of a batch of blocks say, and what encoding the blocks takes. An inverse that
/// is not finite marks a block for the scalar code.
struct Headers {
  HWY_ALIGN float least[kBatch];
  HWY_ALIGN float inverse[kBatch];
  HWY_ALIGN float stored[kBatch];  ///< the scale as binary16 keeps it
  HWY_ALIGN std::uint32_t scale_bits[kBatch];
  HWY_ALIGN std::uint32_t least_bits[kBatch];
  bool all_ordinary;

  bool ordinary(std::size_t b) const { return all_ordinary || std::isfinite(inverse[b]); }
};

/// Fills in all but `least` from the scales. A scale of zero has the inverse zero.
HWY_INLINE void SetScales(VF scale, Headers& h) {
  const F32 d;
  const U32 du;
  const auto zero = hn::Eq(scale, hn::Zero(d));
  const VF inverse = hn::IfThenZeroElse(zero, hn::Div(hn::Set(d, 1.0f), scale));
  const auto finite = hn::Lt(hn::Abs(inverse), hn::Set(d, HUGE_VALF));
  const auto half = HalfBits(du, hn::BitCast(du, scale));
  hn::Store(inverse, d, h.inverse);
  hn::Store(half, du, h.scale_bits);
  hn::Store(hn::BitCast(d, FromHalfBits(du, half)), d, h.stored);
  h.all_ordinary = hn::AllTrue(d, finite);
}

HWY_INLINE Headers HeadersQ8_0(const float* x) {
  Headers h;
  SetScales(hn::Div(PickOfBatch<true>(x, MostOf()), hn::Set(F32(), 127.0f)), h);
  return h;
}

/// The first value of largest magnitude of each block, with its sign; +0 for zeros.
HWY_INLINE VF SignedPeaks(const float* x) {
  const F32 d;
  const VF most = PickOfBatch<false>(x, MostOf());
  const VF least = PickOfBatch<false>(x, LeastOf());
  const VF peak = hn::IfThenElse(hn::Gt(most, hn::Neg(least)), most, least);
  const auto tie = hn::Eq(most, hn::Neg(least));
  if (HWY_LIKELY(hn::AllFalse(d, tie))) return peak;
  HWY_ALIGN float peaks[kBatch], magnitudes[kBatch];
  hn::Store(peak, d, peaks);
  hn::Store(most, d, magnitudes);
  for (std::size_t b = 0; b < kBatch; ++b) {
    const float* const block = x + b * gd::kBlock;
    if (magnitudes[b] != std::fabs(peaks[b])) continue;
    peaks[b] =
        magnitudes[b] == 0.0f ? 0.0f : *std::find_if(block, block + gd::kBlock, [&](float v) {
          return std::fabs(v) == magnitudes[b];
        });
  }
  return hn::Load(d, peaks);
}

/// Q4_0 (half = 8) and Q5_0 (half = 16).
HWY_INLINE Headers HeadersCentred(const float* x, int half) {
  Headers h;
  SetScales(hn::Div(SignedPeaks(x), hn::Set(F32(), static_cast<float>(-half))), h);
  return h;
}

/// Q4_1 (top = 15) and Q5_1 (top = 31).
HWY_INLINE Headers HeadersAffine(const float* x, int top) {
  const F32 d;
  const U32 du;
  Headers h;
  VF least = PickOfBatch<false>(x, LeastOf());
  const VF most = PickOfBatch<false>(x, MostOf());
  // The difference of zeros is +0 for ggml, whose least and largest are then one and the same zero.
  const VF range = hn::IfThenZeroElse(hn::Eq(most, least), hn::Sub(most, least));
  const VF scale = hn::Div(range, hn::Set(d, static_cast<float>(top)));
  hn::Store(least, d, h.least);
  if (!hn::AllFalse(d, hn::Eq(least, hn::Zero(d)))) {
    // Which zero it is shows in the stored minimum; the vector minimum does not say.
    for (std::size_t b = 0; b < kBatch; ++b) {
      const float* const block = x + b * gd::kBlock;
      if (h.least[b] == 0.0f) h.least[b] = *std::find(block, block + gd::kBlock, 0.0f);
    }
    least = hn::Load(d, h.least);
  }
  SetScales(scale, h);
  hn::Store(HalfBits(du, hn::BitCast(du, least)), du, h.least_bits);
  // A range that overflowed has the inverse zero; it must not pass for ordinary.
  if (!hn::AllTrue(d, hn::Lt(scale, hn::Set(d, HUGE_VALF)))) {
    h.all_ordinary = false;
    const VF inverse = hn::Load(d, h.inverse);
    const auto overflowed = hn::Eq(scale, hn::Set(d, HUGE_VALF));
    hn::Store(hn::IfThenElse(overflowed, hn::Set(d, HUGE_VALF), inverse), d, h.inverse);
  }
  return h;
}

template <GgmlFormat kFormat>
HWY_INLINE Headers HeadersOf(const float* x) {
  if constexpr (kFormat == GgmlFormat::q8_0) return HeadersQ8_0(x);
  if constexpr (kFormat == GgmlFormat::q4_0) return HeadersCentred(x, 8);
  if constexpr (kFormat == GgmlFormat::q5_0) return HeadersCentred(x, 16);
  if constexpr (kFormat == GgmlFormat::q4_1) return HeadersAffine(x, 15);
  if constexpr (kFormat == GgmlFormat::q5_1) return HeadersAffine(x, 31);
}

/// Goes through blocks by batches. body(x, headers, b, i) handles an ordinary block, block i of the
/// call and b of its batch; odd(x, i) one that is for the scalar code.
template <GgmlFormat kFormat, class Body, class Odd>
HWY_INLINE void ForEachBlock(const float* x, std::size_t blocks, Body body, Odd odd) {
  for (std::size_t at = 0; at < blocks; at += kBatch, x += kBatch * gd::kBlock) {
    const std::size_t present = std::min(kBatch, blocks - at);
    HWY_ALIGN float padded[kBatch * gd::kBlock];
    const float* whole = x;
    if (HWY_UNLIKELY(present < kBatch)) {
      std::fill(std::copy_n(x, present * gd::kBlock, padded), std::end(padded), 1.0f);
      whole = padded;
    }
    const Headers h = HeadersOf<kFormat>(whole);
    for (std::size_t b = 0; b < present; ++b) {
      if (HWY_LIKELY(h.ordinary(b))) {
        body(x + b * gd::kBlock, h, b, at + b);
      } else {
        odd(x + b * gd::kBlock, at + b);
      }
    }
  }
}

}  // namespace refute::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#endif  // per-target guard
