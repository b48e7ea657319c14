#include "harness/tensor/float_view.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "harness/catch.hpp"

using namespace refute::tensor;

namespace {

std::vector<std::uint16_t> all_patterns() {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  return all;
}

}  // namespace

TEST_CASE("every f16 pattern widens to its value") {
  const auto all = all_patterns();
  const auto view = as_floats(std::as_bytes(std::span(all)), DType::f16);
  REQUIRE(view);
  REQUIRE(view->values().size() == 65536);
  for (std::size_t i = 0; i < 65536; ++i) {
    const float x = view->values()[i];
    const int exponent = static_cast<int>(i >> 10 & 31);
    const double mantissa = static_cast<double>(i & 1023);
    CHECK(std::signbit(x) == (i >= 32768));
    if (exponent == 31) {
      CHECK((mantissa == 0 ? std::isinf(x) : std::isnan(x)));
    } else {
      CHECK(std::fabs(x) == (exponent == 0 ? std::ldexp(mantissa, -24)
                                           : std::ldexp(1024 + mantissa, exponent - 25)));
    }
  }
}

TEST_CASE("every bf16 pattern is the upper half of its f32") {
  const auto all = all_patterns();
  const auto view = as_floats(std::as_bytes(std::span(all)), DType::bf16);
  REQUIRE(view);
  for (std::size_t i = 0; i < 65536; ++i)
    CHECK(std::bit_cast<std::uint32_t>(view->values()[i]) == i << 16);
}

TEST_CASE("aligned f32 is not copied, and a moved view still shows its values") {
  const std::vector<float> stored = {1, 2, 3, 4};
  const auto bytes = std::as_bytes(std::span(stored));
  CHECK(as_floats(bytes, DType::f32)->values().data() == stored.data());
  auto copied = *as_floats(bytes.subspan(1, 12), DType::f32);
  const FloatView moved = std::move(copied);
  CHECK_FALSE(moved.in_place());
  CHECK(std::memcmp(moved.values().data(), bytes.data() + 1, 12) == 0);
}

TEST_CASE("what is not a float that f32 holds exactly is not read as one") {
  for (const DTypeRow& row : kDTypes) {
    const bool readable =
        row.dtype == DType::f32 || row.dtype == DType::f16 || row.dtype == DType::bf16;
    CHECK(as_floats({}, row.dtype).has_value() == readable);
    CHECK(dtype_from(row.name) == row.dtype);
    CHECK(to_string(row.dtype) == row.name);
  }
  CHECK_FALSE(dtype_from("F12").has_value());
}
