// Quantise, dequantise and compare without writing blocks, compiled once per instruction set.
// Include after ggml_simd_plain-inl.hpp; the guard toggles per target.

#if defined(REFUTE_KERNELS_CPU_GGML_SIMD_ERROR_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef REFUTE_KERNELS_CPU_GGML_SIMD_ERROR_INL
#undef REFUTE_KERNELS_CPU_GGML_SIMD_ERROR_INL
#else
#define REFUTE_KERNELS_CPU_GGML_SIMD_ERROR_INL
#endif

#if HWY_TARGET != HWY_SCALAR  // which has no vectors: the scalar kernels serve it
HWY_BEFORE_NAMESPACE();
namespace refute::kernels::HWY_NAMESPACE {

/// The largest magnitude's bits; NaN and infinity are above every finite number.
HWY_INLINE std::uint32_t MostMagnitudeBits(const float* x, std::size_t count) {
  const I32 d;
  const auto magnitude = [&](std::size_t i) HWY_ATTR {
    return hn::And(hn::BitCast(d, hn::LoadU(F32(), x + i)), hn::Set(d, 0x7FFFFFFF));
  };
  auto most0 = hn::Zero(d), most1 = most0, most2 = most0, most3 = most0;
  std::size_t i = 0;
  for (; i + 4 * kF32Lanes <= count; i += 4 * kF32Lanes) {
    most0 = hn::Max(most0, magnitude(i));
    most1 = hn::Max(most1, magnitude(i + kF32Lanes));
    most2 = hn::Max(most2, magnitude(i + 2 * kF32Lanes));
    most3 = hn::Max(most3, magnitude(i + 3 * kF32Lanes));
  }
  const auto most = hn::Max(hn::Max(most0, most1), hn::Max(most2, most3));
  auto bits = static_cast<std::uint32_t>(hn::GetLane(hn::MaxOfLanes(d, most)));
  for (; i < count; ++i) bits = std::max(bits, std::bit_cast<std::uint32_t>(x[i]) & 0x7FFFFFFFu);
  return bits;
}

/// Looks in pieces that stay in the first-level cache, so that finding out where costs no second
/// pass over everything.
std::size_t FirstNonFinite(std::span<const float> x) {
  constexpr std::size_t kPiece = 4096;
  for (std::size_t at = 0; at < x.size(); at += kPiece) {
    const auto piece = x.subspan(at, std::min(kPiece, x.size() - at));
    if (MostMagnitudeBits(piece.data(), piece.size()) < gd::kInfinityBits) continue;
    return at + gd::first_non_finite(piece);
  }
  return x.size();
}

/// Truncation as floats: it costs less than a conversion to integers and back, and the -0 that it
/// leaves of small negative values changes no sum.
HWY_INLINE void RoundTripQ8_0(const float* x, const Headers& h, std::size_t b, float* y) {
  const F32 d;
  const auto below_half = hn::Set(d, 0.49999997f);
  for (std::size_t j = 0; j < gd::kBlock; j += kF32Lanes) {
    const VF scaled = hn::Mul(hn::LoadU(d, x + j), hn::Set(d, h.inverse[b]));
    const VF code = hn::Trunc(hn::Add(scaled, hn::CopySignToAbs(below_half, scaled)));
    hn::StoreU(hn::Mul(code, hn::Set(d, h.stored[b])), d, y + j);
  }
}

HWY_INLINE void RoundTripQ4_0(const float* x, const Headers& h, std::size_t b, float* y) {
  const F32 d;
  for (std::size_t j = 0; j < gd::kBlock; j += kF32Lanes) {
    const VF scaled = hn::Mul(hn::LoadU(d, x + j), hn::Set(d, h.inverse[b]));
    const VF raised = hn::Trunc(hn::Add(scaled, hn::Set(d, 8.5f)));
    const VF code = hn::Sub(hn::Min(raised, hn::Set(d, 15.0f)), hn::Set(d, 8.0f));
    hn::StoreU(hn::Mul(code, hn::Set(d, h.stored[b])), d, y + j);
  }
}

template <GgmlFormat kFormat, auto kOne>
void RoundTripByBatches(const float* x, float* y, std::size_t blocks) {
  ForEachBlock<kFormat>(
      x, blocks,
      [=](const float* block, const Headers& h, std::size_t b, std::size_t i)
          HWY_ATTR { kOne(block, h, b, y + i * gd::kBlock); },
      [=](const float* block, std::size_t i) {
        gd::round_trip_scalar(kFormat, block, y + i * gd::kBlock);
      });
}

gd::RoundTrip RoundTripOf(GgmlFormat format) {
  if (format == GgmlFormat::q8_0) return RoundTripByBatches<GgmlFormat::q8_0, RoundTripQ8_0>;
  if (format == GgmlFormat::q4_0) return RoundTripByBatches<GgmlFormat::q4_0, RoundTripQ4_0>;
  return nullptr;
}

/// d = x − y, and the bits of the largest |d|, in which NaN is above infinity.
HWY_INLINE std::uint32_t Differences(const float* x, const float* y, std::size_t count, float* d) {
  const F32 df;
  const I32 di;
  auto most0 = hn::Zero(di), most1 = most0;
  const auto step = [&](std::size_t i, VI most) HWY_ATTR {
    const VF difference = hn::Sub(hn::LoadU(df, x + i), hn::LoadU(df, y + i));
    hn::Store(difference, df, d + i);
    return hn::Max(most, hn::And(hn::BitCast(di, difference), hn::Set(di, 0x7FFFFFFF)));
  };
  std::size_t i = 0;
  for (; i + 2 * kF32Lanes <= count; i += 2 * kF32Lanes) {
    most0 = step(i, most0);
    most1 = step(i + kF32Lanes, most1);
  }
  for (; i < count; i += kF32Lanes) most0 = step(i, most0);
  return static_cast<std::uint32_t>(hn::GetLane(hn::MaxOfLanes(di, hn::Max(most0, most1))));
}

/// Raises the run's largest error where these differences have a larger one; only then is its place
/// looked for.
HWY_INLINE void RaiseLargest(const float* d, std::size_t count, std::uint32_t most_bits,
                             std::size_t at, gd::RunSums& sums) {
  const I32 di;
  const auto bound = static_cast<std::int32_t>(std::min(most_bits, gd::kInfinityBits));
  const float most = std::bit_cast<float>(bound);
  if (!(most > sums.max_abs)) return;
  std::size_t i = 0;
  for (; i < count; i += kF32Lanes) {
    const auto bits = hn::And(hn::BitCast(di, hn::Load(F32(), d + i)), hn::Set(di, 0x7FFFFFFF));
    const auto where = hn::FindFirstTrue(di, hn::Gt(bits, hn::Set(di, bound - 1)));
    if (where < 0) continue;
    sums.max_abs = most;
    sums.max_index = at + i + static_cast<std::size_t>(where);
    return;
  }
}

using F64 = hn::ScalableTag<double>;
constexpr std::size_t kParts = gd::kErrorLanes / std::min(gd::kErrorLanes, hn::MaxLanes(F64()));

/// One lane array of RunSums, in vectors.
struct DoubleLanes {
  hn::VFromD<F64> part[kParts];

  HWY_INLINE explicit DoubleLanes(const gd::RunSums::Lanes& from) {
    for (std::size_t k = 0; k < kParts; ++k)
      part[k] = hn::LoadU(F64(), from.data() + k * hn::MaxLanes(F64()));
  }
  HWY_INLINE void store(gd::RunSums::Lanes& to) const {
    for (std::size_t k = 0; k < kParts; ++k)
      hn::StoreU(part[k], F64(), to.data() + k * hn::MaxLanes(F64()));
  }
};

/// ggml_detail::compare_run. Products of two f32 are exact in f64, so a fused multiply-add rounds
/// where a separate addition would: the bits are the same with and without it.
void CompareRun(const float* x, const float* y, std::size_t count, std::size_t at,
                gd::RunSums& sums) {
  const F64 d;
  const hn::Rebind<float, F64> df;
  constexpr std::size_t kStep = std::max(kF32Lanes, gd::kErrorLanes);
  const std::size_t vectors = count - count % kStep;
  HWY_ALIGN float differences[gd::kTile];
  const std::uint32_t most_bits = Differences(x, y, vectors, differences);
  RaiseLargest(differences, vectors, most_bits, at, sums);
  DoubleLanes d2(sums.d2), x2(sums.x2), y2(sums.y2), xy(sums.xy);
  for (std::size_t i = 0; i < vectors; i += gd::kErrorLanes) {
    for (std::size_t k = 0; k < kParts; ++k) {
      const std::size_t j = i + k * hn::MaxLanes(d);
      const auto dd = hn::PromoteTo(d, hn::Load(df, differences + j));
      const auto xd = hn::PromoteTo(d, hn::LoadU(df, x + j));
      const auto yd = hn::PromoteTo(d, hn::LoadU(df, y + j));
      d2.part[k] = hn::MulAdd(dd, dd, d2.part[k]);
      x2.part[k] = hn::MulAdd(xd, xd, x2.part[k]);
      y2.part[k] = hn::MulAdd(yd, yd, y2.part[k]);
      xy.part[k] = hn::MulAdd(xd, yd, xy.part[k]);
    }
  }
  d2.store(sums.d2);
  x2.store(sums.x2);
  y2.store(sums.y2);
  xy.store(sums.xy);
  gd::compare_run(x + vectors, y + vectors, count - vectors, at + vectors, sums);
}

}  // namespace refute::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#endif  // per-target guard
