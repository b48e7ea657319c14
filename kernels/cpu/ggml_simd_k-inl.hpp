// The fits of the K formats with one sub-block per lane: every lane adds up its own values in their
// order, so the bits are those of the scalar code, and branches become masks. Include after
// ggml_simd_plain-inl.hpp; the guard toggles per target.

#if defined(REFUTE_KERNELS_CPU_GGML_SIMD_K_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef REFUTE_KERNELS_CPU_GGML_SIMD_K_INL
#undef REFUTE_KERNELS_CPU_GGML_SIMD_K_INL
#else
#define REFUTE_KERNELS_CPU_GGML_SIMD_K_INL
#endif

#if HWY_TARGET != HWY_SCALAR  // which has no vectors: the scalar kernels serve it
HWY_BEFORE_NAMESPACE();
namespace refute::kernels::HWY_NAMESPACE {

using MF = hn::Mask<F32>;

HWY_INLINE VF SetF(float v) {
  return hn::Set(F32(), v);
}

/// ggml_detail::nearest_int, then clamped, as f32.
HWY_INLINE VF NearestClamped(VF v, int least, int most) {
  const I32 di;
  const auto bits = hn::BitCast(di, hn::Add(v, SetF(12582912.0f)));
  const auto code = hn::Sub(hn::And(bits, hn::Set(di, 0x007FFFFF)), hn::Set(di, 0x00400000));
  return hn::ConvertTo(F32(), hn::Min(hn::Max(code, hn::Set(di, least)), hn::Set(di, most)));
}

/// kCount values of each of kF32Lanes sub-blocks, which lie one after the other in memory: value i
/// of every sub-block in at(i).
template <std::size_t kCount>
struct Lanes {
  HWY_ALIGN float v[kCount * kF32Lanes];

  HWY_INLINE VF at(std::size_t i) const { return hn::Load(F32(), v + i * kF32Lanes); }
  HWY_INLINE void set(std::size_t i, VF value) { hn::Store(value, F32(), v + i * kF32Lanes); }

  HWY_INLINE void gather(const float* x) {
    for (std::size_t lane = 0; lane < kF32Lanes; ++lane) {
      for (std::size_t i = 0; i < kCount; ++i) v[i * kF32Lanes + lane] = x[lane * kCount + i];
    }
  }
  HWY_INLINE void scatter(std::uint8_t* codes) const {
    for (std::size_t lane = 0; lane < kF32Lanes; ++lane) {
      for (std::size_t i = 0; i < kCount; ++i) {
        codes[lane * kCount + i] = static_cast<std::uint8_t>(v[i * kF32Lanes + lane]);
      }
    }
  }
};

struct LineLanes {
  VF scale, least;
};

/// Least and largest value and weighted sums, as in fit_affine.
struct MomentLanes {
  VF least, most, sum_w, sum_wx;
};

template <std::size_t kCount>
HWY_INLINE MomentLanes Moments(const Lanes<kCount>& x, const Lanes<kCount>& w) {
  MomentLanes m = {x.at(0), x.at(0), w.at(0), hn::Mul(w.at(0), x.at(0))};
  for (std::size_t i = 1; i < kCount; ++i) {
    m.least = hn::IfThenElse(hn::Lt(x.at(i), m.least), x.at(i), m.least);
    m.most = hn::IfThenElse(hn::Gt(x.at(i), m.most), x.at(i), m.most);
    m.sum_w = hn::Add(m.sum_w, w.at(i));
    m.sum_wx = hn::Add(m.sum_wx, hn::Mul(w.at(i), x.at(i)));
  }
  m.least = hn::IfThenElse(hn::Gt(m.least, SetF(0.0f)), SetF(0.0f), m.least);
  return m;
}

struct RegressionLanes {
  VF sum_l, sum_ll, sum_lx;
};

template <std::size_t kCount>
HWY_INLINE RegressionLanes AssignCodes(const Lanes<kCount>& x, const Lanes<kCount>& w, VF least,
                                       VF inverse, int levels, Lanes<kCount>& codes) {
  RegressionLanes r = {SetF(0.0f), SetF(0.0f), SetF(0.0f)};
  for (std::size_t i = 0; i < kCount; ++i) {
    const VF code = NearestClamped(hn::Mul(inverse, hn::Sub(x.at(i), least)), 0, levels);
    codes.set(i, code);
    const VF weighted = hn::Mul(w.at(i), code);
    r.sum_l = hn::Add(r.sum_l, weighted);
    r.sum_ll = hn::Add(r.sum_ll, hn::Mul(weighted, code));
    r.sum_lx = hn::Add(r.sum_lx, hn::Mul(weighted, x.at(i)));
  }
  return r;
}

template <bool kAbsolute, std::size_t kCount>
HWY_INLINE VF WeightedError(const Lanes<kCount>& x, const Lanes<kCount>& w,
                            const Lanes<kCount>& codes, LineLanes line) {
  VF error = SetF(0.0f);
  for (std::size_t i = 0; i < kCount; ++i) {
    const VF d = hn::Sub(hn::Add(hn::Mul(line.scale, codes.at(i)), line.least), x.at(i));
    error = hn::Add(error, hn::Mul(w.at(i), kAbsolute ? hn::Abs(d) : hn::Mul(d, d)));
  }
  return error;
}

HWY_INLINE LineLanes Regress(const MomentLanes& m, const RegressionLanes& r, VF determinant) {
  const VF least =
      hn::Div(hn::Sub(hn::Mul(r.sum_ll, m.sum_wx), hn::Mul(r.sum_l, r.sum_lx)), determinant);
  const VF scale =
      hn::Div(hn::Sub(hn::Mul(m.sum_w, r.sum_lx), hn::Mul(m.sum_wx, r.sum_l)), determinant);
  const MF above = hn::Gt(least, SetF(0.0f));
  return {hn::IfThenElse(above, hn::Div(r.sum_lx, r.sum_ll), scale),
          hn::IfThenElse(above, SetF(0.0f), least)};
}

template <std::size_t kCount>
HWY_INLINE void Take(MF better, const Lanes<kCount>& from, Lanes<kCount>& to) {
  for (std::size_t i = 0; i < kCount; ++i) to.set(i, hn::IfThenElse(better, from.at(i), to.at(i)));
}

/// fit_affine for kF32Lanes sub-blocks.
template <const gd::AffineSearch& kSearch, std::size_t kCount>
HWY_INLINE LineLanes FitAffine(const Lanes<kCount>& x, const Lanes<kCount>& w,
                               Lanes<kCount>& codes) {
  constexpr float kLevels = static_cast<float>(kSearch.levels);
  const F32 d;
  const MomentLanes m = Moments(x, w);
  const MF flat = hn::Eq(m.most, m.least);
  const VF inverse = hn::Div(SetF(kLevels), hn::Sub(m.most, m.least));
  LineLanes best = {hn::Div(SetF(1.0f), inverse), m.least};
  AssignCodes(x, w, best.least, inverse, kSearch.levels, codes);
  VF best_error = WeightedError<kSearch.absolute>(x, w, codes, best);
  Lanes<kCount> trial;
  for (int i = 0; i <= kSearch.steps; ++i) {
    const float numerator = kSearch.first + kSearch.step * static_cast<float>(i) + kLevels;
    const VF tried = hn::Div(SetF(numerator), hn::Sub(m.most, best.least));
    const RegressionLanes r = AssignCodes(x, w, best.least, tried, kSearch.levels, trial);
    const VF determinant = hn::Sub(hn::Mul(m.sum_w, r.sum_ll), hn::Mul(r.sum_l, r.sum_l));
    const LineLanes line = Regress(m, r, determinant);
    const VF error = WeightedError<kSearch.absolute>(x, w, trial, line);
    const MF better = hn::And(hn::Gt(determinant, SetF(0.0f)), hn::Lt(error, best_error));
    if (hn::AllFalse(d, better)) continue;
    Take(better, trial, codes);
    best_error = hn::IfThenElse(better, error, best_error);
    best.scale = hn::IfThenElse(better, line.scale, best.scale);
    best.least = hn::IfThenElse(better, line.least, best.least);
  }
  for (std::size_t i = 0; i < kCount; ++i) {
    codes.set(i, hn::IfThenZeroElse(flat, codes.at(i)));
  }
  return {hn::IfThenZeroElse(flat, best.scale), hn::IfThenElse(flat, m.least, best.least)};
}

template <std::size_t kCount>
HWY_INLINE VF PeakOf(const Lanes<kCount>& x) {
  VF peak = SetF(0.0f);
  for (std::size_t i = 0; i < kCount; ++i) {
    peak = hn::IfThenElse(hn::Gt(hn::Abs(x.at(i)), hn::Abs(peak)), x.at(i), peak);
  }
  return peak;
}

struct OriginLanes {
  VF lx, ll;
};

HWY_INLINE OriginLanes OriginSums(const Lanes<16>& x, VF inverse, int half) {
  OriginLanes s = {SetF(0.0f), SetF(0.0f)};
  for (std::size_t i = 0; i < 16; ++i) {
    const VF code = NearestClamped(hn::Mul(inverse, x.at(i)), -half, half - 1);
    const VF w = hn::Mul(x.at(i), x.at(i));
    s.lx = hn::Add(s.lx, hn::Mul(hn::Mul(w, x.at(i)), code));
    s.ll = hn::Add(s.ll, hn::Mul(hn::Mul(w, code), code));
  }
  return s;
}

HWY_INLINE MF IsZeroGroup(VF peak) {
  return hn::Lt(hn::Abs(peak), SetF(gd::kZeroGroup));
}

/// Codes from −half to half − 1, stored from 0 on; 0 for groups of zeros.
HWY_INLINE void StoreRaised(const Lanes<16>& centred, int half, MF zero, Lanes<16>& codes) {
  for (std::size_t i = 0; i < 16; ++i) {
    const VF raised = hn::Add(centred.at(i), SetF(static_cast<float>(half)));
    codes.set(i, hn::IfThenZeroElse(zero, raised));
  }
}

/// fit_q6 for kF32Lanes groups.
HWY_INLINE VF FitQ6(const Lanes<16>& x, Lanes<16>& codes) {
  constexpr int kHalf = 32;
  const F32 d;
  const VF peak = PeakOf(x);
  VF chosen = hn::Div(SetF(-32.0f), peak);
  OriginLanes s = OriginSums(x, chosen, kHalf);
  VF scale = hn::IfThenZeroElse(hn::Eq(s.ll, SetF(0.0f)), hn::Div(s.lx, s.ll));
  VF best = hn::Mul(scale, s.lx);
  for (int i = -9; i <= 9; ++i) {
    if (i == 0) continue;
    const VF tried = hn::Div(SetF(-(32.0f + 0.1f * static_cast<float>(i))), peak);
    s = OriginSums(x, tried, kHalf);
    const MF better =
        hn::And(hn::Gt(s.ll, SetF(0.0f)), hn::Gt(hn::Mul(s.lx, s.lx), hn::Mul(best, s.ll)));
    if (hn::AllFalse(d, better)) continue;
    const VF fitted = hn::Div(s.lx, s.ll);
    chosen = hn::IfThenElse(better, tried, chosen);
    scale = hn::IfThenElse(better, fitted, scale);
    best = hn::IfThenElse(better, hn::Mul(fitted, s.lx), best);
  }
  Lanes<16> centred;
  for (std::size_t i = 0; i < 16; ++i) {
    centred.set(i, NearestClamped(hn::Mul(chosen, x.at(i)), -kHalf, kHalf - 1));
  }
  StoreRaised(centred, kHalf, IsZeroGroup(peak), codes);
  return hn::IfThenZeroElse(IsZeroGroup(peak), scale);
}

/// improve_one of the scalar fit for value i of every lane; says which lanes changed.
HWY_INLINE MF ImproveOne(VF x, OriginLanes& sums, VF& code) {
  const VF zero = SetF(0.0f);
  const VF w = hn::Mul(x, x), wx = hn::Mul(w, x);
  VF lx = hn::Sub(sums.lx, hn::Mul(wx, code));
  VF ll = hn::Sub(sums.ll, hn::Mul(hn::Mul(w, code), code));
  MF better = hn::Gt(lx, zero);
  const VF moved = NearestClamped(hn::Div(hn::Mul(x, ll), lx), -4, 3);
  better = hn::And(better, hn::Ne(moved, code));
  lx = hn::Add(lx, hn::Mul(wx, moved));
  ll = hn::Add(ll, hn::Mul(hn::Mul(w, moved), moved));
  better = hn::And(better, hn::Gt(ll, zero));
  const VF gained = hn::Mul(hn::Mul(lx, lx), sums.ll);
  better = hn::And(better, hn::Gt(gained, hn::Mul(hn::Mul(sums.lx, sums.lx), ll)));
  sums = {hn::IfThenElse(better, lx, sums.lx), hn::IfThenElse(better, ll, sums.ll)};
  code = hn::IfThenElse(better, moved, code);
  return better;
}

/// fit_q3 for kF32Lanes groups. A lane that a round left alone stays as it is in the next one, so
/// going on until all lanes rest changes nothing.
HWY_INLINE VF FitQ3(const Lanes<16>& x, Lanes<16>& codes) {
  const F32 d;
  const VF peak = PeakOf(x);
  const VF inverse = hn::Div(SetF(-4.0f), peak);
  OriginLanes sums = OriginSums(x, inverse, 4);
  Lanes<16> centred;
  for (std::size_t i = 0; i < 16; ++i) {
    centred.set(i, NearestClamped(hn::Mul(inverse, x.at(i)), -4, 3));
  }
  bool improved = true;
  for (int round = 0; round < 5 && improved; ++round) {
    improved = false;
    for (std::size_t i = 0; i < 16; ++i) {
      VF code = centred.at(i);
      improved |= !hn::AllFalse(d, ImproveOne(x.at(i), sums, code));
      centred.set(i, code);
    }
  }
  StoreRaised(centred, 4, IsZeroGroup(peak), codes);
  const VF scale = hn::IfThenElseZero(hn::Gt(sums.ll, SetF(0.0f)), hn::Div(sums.lx, sums.ll));
  return hn::IfThenZeroElse(IsZeroGroup(peak), scale);
}

HWY_INLINE void MagnitudeWeights(const Lanes<16>& x, Lanes<16>& w) {
  for (std::size_t i = 0; i < 16; ++i) w.set(i, hn::Abs(x.at(i)));
}

HWY_INLINE void RmsWeights(const Lanes<32>& x, Lanes<32>& w) {
  VF sum = SetF(0.0f);
  for (std::size_t i = 0; i < 32; ++i) sum = hn::Add(sum, hn::Mul(x.at(i), x.at(i)));
  const VF rms = hn::Sqrt(hn::Div(sum, SetF(32.0f)));
  for (std::size_t i = 0; i < 32; ++i) w.set(i, hn::Add(rms, hn::Abs(x.at(i))));
}

/// What a fit found for kF32Lanes sub-blocks.
template <std::size_t kCount>
struct Found {
  HWY_ALIGN float scale[kF32Lanes];
  HWY_ALIGN float offset[kF32Lanes];
  Lanes<kCount> codes;
};

template <const gd::AffineSearch& kSearch, std::size_t kCount>
HWY_INLINE void FitAffineGroups(const float* x, Found<kCount>& found) {
  Lanes<kCount> values, weights;
  values.gather(x);
  if constexpr (kCount == 16) {
    MagnitudeWeights(values, weights);
  } else {
    RmsWeights(values, weights);
  }
  const LineLanes line = FitAffine<kSearch>(values, weights, found.codes);
  hn::Store(line.scale, F32(), found.scale);
  hn::Store(hn::Neg(line.least), F32(), found.offset);
}

template <VF (*kFit)(const Lanes<16>&, Lanes<16>&)>
HWY_INLINE void FitCentredGroups(const float* x, Found<16>& found) {
  Lanes<16> values;
  values.gather(x);
  hn::Store(kFit(values, found.codes), F32(), found.scale);
  hn::Store(SetF(0.0f), F32(), found.offset);
}

/// ggml_detail::choose_codes.
void ChooseCodes(const float* x, std::size_t count, float scale, float offset, int zero, int top,
                 std::uint8_t* codes) {
  if (scale == 0.0f) return;
  const I32 di;
  for (std::size_t i = 0; i < count; i += kF32Lanes) {
    const VF v = hn::Div(hn::Add(hn::LoadU(F32(), x + i), SetF(offset)), SetF(scale));
    const VF code = hn::Add(NearestClamped(v, -zero, top - zero), SetF(static_cast<float>(zero)));
    StoreBytes(hn::ConvertTo(di, code), codes + i);
  }
}

using FinishBlock = void (*)(const float*, gd::KFits&, gd::ChooseCodes, std::uint8_t*);

/// Super-blocks, kPerBatch at a time: as many as give every lane a sub-block. What is left over is
/// padded with zeros, as is a vector that is longer than a super-block.
template <auto kFit, FinishBlock kFinish, std::size_t kCount, std::size_t kBytes>
void QuantizeSuperBlocks(const float* x, std::uint8_t* y, std::size_t blocks) {
  constexpr std::size_t kSubBlocks = gd::kSuper / kCount;
  constexpr std::size_t kPerBatch = kF32Lanes > kSubBlocks ? kF32Lanes / kSubBlocks : 1;
  constexpr std::size_t kRounds = kPerBatch * kSubBlocks / kF32Lanes;
  HWY_ALIGN float padded[kPerBatch * gd::kSuper] = {};
  gd::KFits fits[kPerBatch];
  Found<kCount> found;
  for (std::size_t b = 0; b < blocks; b += kPerBatch) {
    const std::size_t present = std::min(kPerBatch, blocks - b);
    const float* source = x + b * gd::kSuper;
    if (present < kPerBatch)
      source = std::copy_n(source, present * gd::kSuper, padded) - present * gd::kSuper;
    for (std::size_t r = 0; r < kRounds; ++r) {
      kFit(source + r * kF32Lanes * kCount, found);
      HWY_ALIGN std::uint8_t codes[kF32Lanes * kCount];
      found.codes.scatter(codes);
      for (std::size_t lane = 0; lane < kF32Lanes; ++lane) {
        const std::size_t sub_block = r * kF32Lanes + lane;
        gd::KFits& f = fits[sub_block / kSubBlocks];
        const std::size_t s = sub_block % kSubBlocks;
        f.scale[s] = found.scale[lane];
        f.offset[s] = found.offset[lane];
        std::copy_n(codes + lane * kCount, kCount, &f.codes[s * kCount]);
      }
    }
    for (std::size_t p = 0; p < present; ++p) {
      kFinish(x + (b + p) * gd::kSuper, fits[p], ChooseCodes, y + (b + p) * kBytes);
    }
  }
}

}  // namespace refute::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#endif  // per-target guard
