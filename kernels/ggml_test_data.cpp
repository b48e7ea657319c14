#include "kernels/ggml_test_data.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace refute::kernels::ggml_test {
namespace {

using Engine = std::mt19937_64;

double uniform(Engine& g) {
  return static_cast<double>(g() >> 11) * 0x1p-53;
}
float normal(Engine& g) {
  return static_cast<float>(std::sqrt(-2.0 * std::log(1.0 - uniform(g))) *
                            std::cos(6.283185307179586 * uniform(g)));
}
float sign(Engine& g) {
  return g() & 1 ? -1.0f : 1.0f;
}
float integer(Engine& g, int bound) {
  const auto span = static_cast<std::uint64_t>(2 * bound + 1);
  return static_cast<float>(static_cast<int>(g() % span) - bound);
}
float any_finite(Engine& g) {
  for (;;) {
    const float v = std::bit_cast<float>(static_cast<std::uint32_t>(g()));
    if (std::isfinite(v)) return v;
  }
}
float below_power_of_two(Engine& g) {
  const float near_one = std::bit_cast<float>(0x3F800000u - static_cast<std::uint32_t>(g() % 100));
  return std::ldexp(near_one, static_cast<int>(g() % 250) - 123);
}

struct Kind {
  const char* name;
  /// `base` is drawn once per 32 values, `i` counts values.
  float (*draw)(Engine& g, float base, std::size_t i);
};

constexpr std::array<Kind, kKinds> kTable = {{
    {"normal", [](Engine& g, float, std::size_t) { return normal(g); }},
    {"scaled normal", [](Engine& g, float base, std::size_t) { return normal(g) * base; }},
    {"small integers", [](Engine& g, float, std::size_t) { return integer(g, 10); }},
    {"integers to 127",
     [](Engine& g, float base, std::size_t) { return integer(g, 127) * std::fabs(base); }},
    {"constant", [](Engine&, float base, std::size_t) { return base; }},
    {"alternating constant", [](Engine& g, float base, std::size_t) { return sign(g) * base; }},
    {"zeros of both signs", [](Engine& g, float, std::size_t) { return sign(g) * 0.0f; }},
    {"mostly zeros",
     [](Engine& g, float, std::size_t) { return g() % 8 == 0 ? normal(g) : sign(g) * 0.0f; }},
    {"scales that are subnormal",
     [](Engine& g, float base, std::size_t) { return normal(g) * base * 0x1p-128f; }},
    {"least subnormals", [](Engine& g, float, std::size_t) { return integer(g, 30) * 0x1p-149f; }},
    {"near overflow",
     [](Engine& g, float, std::size_t) {
       return sign(g) * static_cast<float>(uniform(g) * 3.4e38);
     }},
    {"any finite pattern", [](Engine& g, float, std::size_t) { return any_finite(g); }},
    {"positive", [](Engine& g, float, std::size_t) { return std::fabs(normal(g)); }},
    {"all below zero", [](Engine& g, float, std::size_t) { return -std::fabs(normal(g)) - 1.0f; }},
    {"one outlier", [](Engine& g, float base,
                       std::size_t i) { return i % 97 == 5 ? 1000.0f * base : 0.01f * normal(g); }},
    {"wide log range",
     [](Engine& g, float, std::size_t) { return sign(g) * std::exp(normal(g) * 8.0f); }},
    {"halves", [](Engine& g, float, std::size_t) { return 0.5f * integer(g, 16); }},
    {"ramp",
     [](Engine&, float, std::size_t i) {
       return 0.01f * static_cast<float>(static_cast<int>(i % 256) - 128);
     }},
    {"about 1e-15", [](Engine& g, float, std::size_t) { return normal(g) * 1e-15f; }},
    {"just below powers of two",
     [](Engine& g, float, std::size_t) { return sign(g) * below_power_of_two(g); }},
}};

}  // namespace

Bytes read_bytes(const std::string& path_below_data) {
  const std::string path = std::string(REFUTE_FIXTURE_DATA) + "/" + path_below_data;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

Floats read_floats(const std::string& path_below_data) {
  const Bytes bytes = read_bytes(path_below_data);
  Floats values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

Floats gaussian(std::size_t count, std::uint64_t seed) {
  return hard_values(0, count, seed);
}

Bytes random_bytes(std::size_t count, std::uint64_t seed) {
  Engine g(seed);
  Bytes bytes(count);
  for (auto& b : bytes) b = static_cast<std::uint8_t>(g() >> 32);
  return bytes;
}

const char* kind_name(int kind) {
  return kTable[static_cast<std::size_t>(kind)].name;
}

Floats hard_values(int kind, std::size_t count, std::uint64_t seed) {
  Engine g(seed * 1000 + static_cast<std::uint64_t>(kind));
  Floats values(count);
  float base = 1.0f;
  for (std::size_t i = 0; i < count; ++i) {
    if (i % 32 == 0) base = std::ldexp(normal(g), static_cast<int>(g() % 21) - 10);
    const float v = kTable[static_cast<std::size_t>(kind)].draw(g, base, i);
    values[i] = std::isfinite(v) ? v : 1.0f;
  }
  return values;
}

bool same_value(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

}  // namespace refute::kernels::ggml_test
