// The pass over two stored runs: its sums are what plain f64 gives, every instruction set gives the
// same bits, NaN and infinity show, and the sums are those of quantising in memory.

#include "kernels/run_error.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include "harness/catch.hpp"
#include "kernels/backend_test.hpp"
#include "kernels/ggml.hpp"
#include "kernels/ggml_test_data.hpp"

using namespace refute::kernels;
using namespace refute::kernels::ggml_test;

namespace {

constexpr StoredFloat kTypes[] = {StoredFloat::f32, StoredFloat::f16, StoredFloat::bf16};

/// Values as a type stores them, and what they are worth then.
struct Stored {
  Bytes bytes;
  Floats values;
  StoredFloat type;
  StoredRun run(std::size_t from = 0) const { return {type, bytes.data() + from * bytes_of(type)}; }
};

Stored store(const Floats& x, StoredFloat type) {
  if (type == StoredFloat::f32) {
    Bytes bytes(4 * x.size());
    std::memcpy(bytes.data(), x.data(), bytes.size());
    return {bytes, x, type};
  }
  const GgmlFormat format = type == StoredFloat::f16 ? GgmlFormat::f16 : GgmlFormat::bf16;
  Stored s{Bytes(2 * x.size()), Floats(x.size()), type};
  REQUIRE(cpu_scalar::ggml_quantize(format, x, s.bytes).status == GgmlStatus::ok);
  REQUIRE(cpu_scalar::ggml_dequantize(format, s.bytes, s.values).status == GgmlStatus::ok);
  return s;
}

bool same_bits(const RunError& a, const RunError& b) {
  if (std::isinf(a.max_abs)) return std::isinf(b.max_abs);  // the sums mean nothing then
  return std::memcmp(&a, &b, offsetof(RunError, max_abs)) == 0 && a.max_abs == b.max_abs &&
         a.different == b.different;
}

struct PlainSums {
  long double x2 = 0, y2 = 0, xy = 0;
};
PlainSums plain_sums(const Floats& x, const Floats& y) {
  PlainSums s;
  for (std::size_t i = 0; i < x.size(); ++i) {
    s.x2 += static_cast<long double>(x[i]) * x[i];
    s.y2 += static_cast<long double>(y[i]) * y[i];
    s.xy += static_cast<long double>(x[i]) * y[i];
  }
  return s;
}

}  // namespace

TEST_CASE("the sums are those of plain arithmetic, for every pair of types") {
  const Floats a = gaussian(1003, 1), b = gaussian(1003, 2);
  for (const StoredFloat xt : kTypes) {
    for (const StoredFloat yt : kTypes) {
      const Stored x = store(a, xt), y = store(b, yt);
      double d2 = 0, x2 = 0, y2 = 0, xy = 0;
      float most = 0;
      std::size_t where = 0;
      for (std::size_t i = 0; i < a.size(); ++i) {
        const float d = x.values[i] - y.values[i];
        d2 += double{d} * d;
        x2 += double{x.values[i]} * x.values[i];
        y2 += double{y.values[i]} * y.values[i];
        xy += double{x.values[i]} * y.values[i];
        if (std::fabs(d) > most) most = std::fabs(d), where = i;
      }
      const RunError e = cpu_simd::run_error(x.run(), y.run(), a.size());
      CHECK(std::fabs(e.sum_d2 - d2) <= 1e-12 * d2);
      CHECK(std::fabs(e.sum_x2 - x2) <= 1e-12 * x2);
      CHECK(std::fabs(e.sum_y2 - y2) <= 1e-12 * y2);
      CHECK(std::fabs(e.sum_xy - xy) <= 1e-9);
      CHECK(e.max_abs == most);
      CHECK(cpu_simd::run_error_index(x.run(), y.run(), a.size(), e.max_abs) == where);
    }
  }
}

TEST_CASE("three sums say what four do, however far apart the two sides are in size") {
  const Floats a = gaussian(4096, 8), b = gaussian(4096, 9);
  for (const StoredFloat type : {StoredFloat::f16, StoredFloat::bf16}) {
    for (const float size :
         {0.0f, 0x1p-20f, 0x1p-14f, 0.001f, 0.3f, 0.5f, 1.0f, 1.9f, 3.0f, 50.0f}) {
      INFO(size);
      Floats other(a.size());
      for (std::size_t i = 0; i < a.size(); ++i) other[i] = size * (i % 2 == 0 ? a[i] : b[i]);
      for (const bool turned : {false, true}) {
        const Stored x = store(turned ? other : a, type), y = store(turned ? a : other, type);
        const PlainSums want = plain_sums(x.values, y.values);
        const RunError e = cpu_simd::run_error(x.run(), y.run(), a.size());
        const auto near = [](double is, long double should, long double of) {
          return std::fabs(is - should) <= 0x1p-34L * of;
        };
        CHECK(near(e.sum_x2, want.x2, want.x2));
        CHECK(near(e.sum_y2, want.y2, want.y2));
        CHECK(near(e.sum_xy, want.xy, std::sqrt(want.x2 * want.y2)));
      }
    }
  }
}

TEST_CASE("values whose bits differ are counted, also where they are worth the same") {
  for (const StoredFloat type : kTypes) {
    const Stored x = store(gaussian(301, 10), type);
    CHECK(cpu_simd::run_error(x.run(), x.run(), 301).different == 0);
    Stored y = x;
    for (const std::size_t at : {0u, 7u, 31u, 32u, 200u, 300u})
      y.bytes[(at + 1) * bytes_of(type) - 1] ^= 0x80;  // the sign
    CHECK(cpu_simd::run_error(x.run(), y.run(), 301).different == 6);
    CHECK(cpu_simd::run_error(x.run(), y.run(), 300).different == 5);
    const Stored zeros = store(Floats(64, 0.0f), type), minus = store(Floats(64, -0.0f), type);
    const RunError e = cpu_simd::run_error(zeros.run(), minus.run(), 64);
    CHECK(e.different == 64);
    CHECK(e.max_abs == 0);
  }
  const Stored f16 = store(gaussian(64, 11), StoredFloat::f16);
  CHECK(cpu_simd::run_error(f16.run(), stored(f16.values), 64).different == 0);
}

TEST_CASE("every instruction set gives the scalar bits, at every length and offset") {
  for (int kind = 0; kind < kKinds; ++kind) {
    INFO(kind_name(kind));
    const Floats a = hard_values(kind, 160, 3), b = hard_values(kind, 160, 4);
    for (const StoredFloat xt : kTypes) {
      for (const StoredFloat yt : kTypes) {
        const Stored x = store(a, xt), y = store(b, yt);
        for_each_simd_target([&](const std::string& target) {
          INFO(target);
          for (const std::size_t count : {0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 150}) {
            for (const std::size_t from : {0, 3}) {
              const RunError want = cpu_scalar::run_error(x.run(from), y.run(from), count);
              REQUIRE(same_bits(cpu_simd::run_error(x.run(from), y.run(from), count), want));
            }
          }
        });
      }
    }
  }
}

TEST_CASE("one value that is not finite shows wherever it stands, on either side") {
  const Floats clean = gaussian(67, 5);
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (std::size_t at = 0; at < clean.size(); ++at) {
      Floats dirty = clean;
      dirty[at] = bad;
      const RunError x = cpu_simd::run_error(stored(dirty), stored(clean), clean.size());
      const RunError y = cpu_simd::run_error(stored(clean), stored(dirty), clean.size());
      const RunError both = cpu_simd::run_error(stored(dirty), stored(dirty), clean.size());
      CHECK(std::isinf(x.max_abs));
      CHECK(std::isinf(y.max_abs));
      CHECK(std::isinf(both.max_abs));
      CHECK(cpu_simd::run_error_index(stored(dirty), stored(clean), 67, x.max_abs) == at);
    }
  }
}

TEST_CASE("the sums are bit for bit those of quantising in memory") {
  const Floats x = gaussian(4096, 6);
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    Bytes blocks(*ggml_bytes(info.format, x.size()));
    Floats y(x.size());
    REQUIRE(cpu_simd::ggml_quantize(info.format, x, blocks).status == GgmlStatus::ok);
    REQUIRE(cpu_simd::ggml_dequantize(info.format, blocks, y).status == GgmlStatus::ok);
    std::vector<GgmlRunError> fused(1);
    REQUIRE(cpu_simd::ggml_quantize_error(info.format, x, x.size(), fused).status ==
            GgmlStatus::ok);
    const RunError e = cpu_simd::run_error(stored(x), stored(y), x.size());
    CHECK(same_bits(e, {fused[0].sum_d2, fused[0].sum_x2, fused[0].sum_y2, fused[0].sum_xy,
                        fused[0].max_abs, e.different}));
  }
}
