// The vector arithmetic of NF4, compiled once per instruction set. Sums run over 16 virtual lanes,
// however many real ones there are, and nothing is contracted: the bits are the same everywhere.
// Include after hwy/highway.h.

#if defined(REFUTE_KERNELS_CPU_NF4_SIMD_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef REFUTE_KERNELS_CPU_NF4_SIMD_INL
#undef REFUTE_KERNELS_CPU_NF4_SIMD_INL
#else
#define REFUTE_KERNELS_CPU_NF4_SIMD_INL
#endif

HWY_BEFORE_NAMESPACE();
namespace refute::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Lanes = hn::CappedTag<float, 16>;
inline constexpr std::size_t kLaneCount = hn::MaxLanes(Lanes());
inline constexpr std::size_t kVectors = 16 / kLaneCount;  ///< that make up the 16 virtual lanes

/// bitsandbytes' dQuantizeNF4 (csrc/kernels.cu): a value's code is how many of these it exceeds.
HWY_ALIGN inline constexpr float kThresholds[15] = {
    -0.8480964004993439f,  -0.6106329262256622f, -0.45999527f,        -0.33967943f,
    -0.23460740596055984f, -0.13791173f,         -0.045525018f,       0.03979015f,
    0.1202552504837513f,   0.20352125f,          0.29201377f,         0.38931254f,
    0.5016634166240692f,   0.64278692f,          0.8614784181118011f,
};

using CodeLanes = hn::RebindToSigned<Lanes>;

HWY_INLINE hn::Vec<CodeLanes> CodeByThresholds(hn::Vec<Lanes> x) {
  const Lanes d;
  const CodeLanes di;
  auto code = hn::Zero(di);
  for (const float threshold : kThresholds) {
    // A true mask is -1 in every lane.
    code = hn::Sub(code, hn::VecFromMask(di, hn::RebindMask(di, hn::Gt(x, hn::Set(d, threshold)))));
  }
  return code;
}

HWY_INLINE hn::Vec<CodeLanes> CodeByDistance(hn::Vec<Lanes> x) {
  const Lanes d;
  const CodeLanes di;
  auto best = hn::Zero(di);
  auto least = hn::Abs(hn::Sub(x, hn::Set(d, kNf4Codebook[0])));
  for (int code = 1; code < 16; ++code) {
    const auto distance = hn::Abs(hn::Sub(x, hn::Set(d, kNf4Codebook[code])));
    const auto nearer = hn::Lt(distance, least);
    least = hn::IfThenElse(nearer, distance, least);
    best = hn::IfThenElse(hn::RebindMask(di, nearer), hn::Set(di, code), best);
  }
  return best;
}

/// Bits of the largest magnitude of a block, or of any multiple of 64 values; at least 0x7F800000
/// if not all is finite.
HWY_INLINE std::uint32_t MaxMagnitude(const float* w, std::size_t count) {
  const hn::RebindToSigned<Lanes> di;
  const auto mask = hn::Set(di, 0x7FFFFFFF);
  auto most = hn::Zero(di);
  for (std::size_t i = 0; i < count; i += kLaneCount) {
    most = hn::Max(most, hn::And(mask, hn::BitCast(di, hn::LoadU(Lanes(), w + i))));
  }
  return static_cast<std::uint32_t>(hn::GetLane(hn::MaxOfLanes(di, most)));
}

template <Nf4Decision kDecision>
HWY_INLINE void QuantizeBlock(const float* w, std::uint8_t* codes, float& absmax) {
  const Lanes d;
  const hn::Rebind<std::uint8_t, Lanes> d8;
  absmax = std::bit_cast<float>(MaxMagnitude(w, kNf4Block));
  if (absmax == 0.0f) {
    std::fill_n(codes, kNf4Block, std::uint8_t{7});
    return;
  }
  const float inverse = 1.0f / absmax;
  const bool overflowed = std::isinf(inverse);
  for (std::size_t i = 0; i < kNf4Block; i += kLaneCount) {
    const auto value = hn::LoadU(d, w + i);
    const auto x =
        overflowed ? hn::Div(value, hn::Set(d, absmax)) : hn::Mul(value, hn::Set(d, inverse));
    const auto code =
        kDecision == Nf4Decision::thresholds ? CodeByThresholds(x) : CodeByDistance(x);
    const hn::RebindToUnsigned<CodeLanes> du;
    hn::StoreU(hn::TruncateTo(d8, hn::BitCast(du, code)), d8, codes + i);
  }
}

/// codebook[index] per lane, by permutation where a vector or two hold the table, by gather
/// elsewhere.
HWY_INLINE hn::Vec<Lanes> LookUp(hn::Vec<CodeLanes> index) {
  const Lanes d;
  if constexpr (kLaneCount == 16) {
    return hn::TableLookupLanes(hn::LoadU(d, kNf4Codebook.data()), hn::IndicesFromVec(d, index));
  } else if constexpr (kLaneCount == 8) {
    const CodeLanes di;
    const auto within = hn::IndicesFromVec(d, hn::And(index, hn::Set(di, 7)));
    const auto low = hn::TableLookupLanes(hn::LoadU(d, kNf4Codebook.data()), within);
    const auto high = hn::TableLookupLanes(hn::LoadU(d, kNf4Codebook.data() + 8), within);
    return hn::IfThenElse(hn::RebindMask(d, hn::Gt(index, hn::Set(di, 7))), high, low);
  } else {
    return hn::GatherIndex(d, kNf4Codebook.data(), index);
  }
}

HWY_INLINE void DequantizeBlock(const std::uint8_t* codes, float absmax, float* out) {
  const Lanes d;
  const CodeLanes di;
  const hn::Rebind<std::uint8_t, Lanes> d8;
  for (std::size_t i = 0; i < kNf4Block; i += kLaneCount) {
    const auto index = hn::And(hn::PromoteTo(di, hn::LoadU(d8, codes + i)), hn::Set(di, 15));
    hn::StoreU(hn::Mul(LookUp(index), hn::Set(d, absmax)), d, out + i);
  }
}

using Pairs = hn::CappedTag<std::uint16_t,
                            16>;  ///< two codes in each, the first in the low byte (little-endian)

HWY_INLINE void PackCodes(const std::uint8_t* codes, Nf4Layout layout, std::uint8_t* bytes) {
  const Pairs d;
  const hn::Rebind<std::uint8_t, Pairs> d8;
  const auto nibble = hn::Set(d, std::uint16_t{15});
  for (std::size_t i = 0; i < kNf4Block / 2; i += hn::Lanes(d)) {
    const auto pair = hn::LoadU(d, reinterpret_cast<const std::uint16_t*>(codes + 2 * i));
    const auto first = hn::And(pair, nibble);
    const auto second = hn::And(hn::ShiftRight<8>(pair), nibble);
    const bool low = layout == Nf4Layout::first_low;
    const auto byte = hn::Or(low ? first : second, hn::ShiftLeft<4>(low ? second : first));
    hn::StoreU(hn::TruncateTo(d8, byte), d8, bytes + i);
  }
}

HWY_INLINE void UnpackCodes(const std::uint8_t* bytes, Nf4Layout layout, std::uint8_t* codes) {
  const Pairs d;
  const hn::Rebind<std::uint8_t, Pairs> d8;
  const auto nibble = hn::Set(d, std::uint16_t{15});
  for (std::size_t i = 0; i < kNf4Block / 2; i += hn::Lanes(d)) {
    const auto byte = hn::PromoteTo(d, hn::LoadU(d8, bytes + i));
    const auto low = hn::And(byte, nibble);
    const auto high = hn::ShiftRight<4>(byte);
    const bool first_low = layout == Nf4Layout::first_low;
    const auto pair = hn::Or(first_low ? low : high, hn::ShiftLeft<8>(first_low ? high : low));
    hn::StoreU(pair, d, reinterpret_cast<std::uint16_t*>(codes + 2 * i));
  }
}

/// kRows dot products of rows of A with one row of B, k a multiple of 16, in the 16 virtual lanes.
template <std::size_t kRows>
HWY_INLINE void DotRows(const float* a, const float* b, std::size_t k, float* out,
                        std::size_t out_stride) {
  const Lanes d;
  hn::Vec<Lanes> sum[kRows][kVectors];
  for (auto& row : sum) {
    for (auto& lanes : row) lanes = hn::Zero(d);
  }
  for (std::size_t t = 0; t < k; t += 16) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const auto right = hn::LoadU(d, b + t + v * kLaneCount);
      for (std::size_t r = 0; r < kRows; ++r) {
        const auto left = hn::LoadU(d, a + r * k + t + v * kLaneCount);
        sum[r][v] = hn::Add(sum[r][v], hn::Mul(left, right));
      }
    }
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_ALIGN float lane[16];
    for (std::size_t v = 0; v < kVectors; ++v) hn::Store(sum[r][v], d, lane + v * kLaneCount);
    for (std::size_t half = 8; half > 0; half /= 2) {
      for (std::size_t j = 0; j < half; ++j) lane[j] += lane[j + half];
    }
    out[r * out_stride] = lane[0];
  }
}

/// kRows rows of A times sixteen columns of Bᵀ, stored as tile[t][16]; each sum runs in order of t.
template <std::size_t kRows>
HWY_INLINE void MultiplyTile(const float* a, const float* tile, std::size_t k, float (*out)[16]) {
  const Lanes d;
  hn::Vec<Lanes> sum[kRows][kVectors];
  for (auto& row : sum) {
    for (auto& lanes : row) lanes = hn::Zero(d);
  }
  for (std::size_t t = 0; t < k; ++t) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const auto right = hn::LoadU(d, tile + t * 16 + v * kLaneCount);
      for (std::size_t r = 0; r < kRows; ++r) {
        sum[r][v] = hn::Add(sum[r][v], hn::Mul(hn::Set(d, a[r * k + t]), right));
      }
    }
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(sum[r][v], d, out[r] + v * kLaneCount);
  }
}

}  // namespace refute::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
