#include "harness/worker/domains.hpp"

#include <bit>
#include <cmath>
#include <set>
#include <vector>

#include "harness/catch.hpp"
#include "harness/worker/expand.hpp"

using namespace refute::worker;

namespace {

std::vector<float> drawn(Family family, std::uint64_t seed, std::size_t n) {
  std::vector<float> out(n, 12345.0f);
  fill(family, seed, out);
  return out;
}

double moment(const std::vector<float>& x, int power) {
  double sum = 0;
  for (float v : x) sum += std::pow(static_cast<double>(v), power);
  return sum / static_cast<double>(x.size());
}

std::vector<std::uint32_t> bits_of(const std::vector<float>& x) {
  std::vector<std::uint32_t> bits;
  for (float v : x) bits.push_back(std::bit_cast<std::uint32_t>(v));
  return bits;
}

constexpr std::size_t kMany = 1u << 18;

}  // namespace

TEST_CASE("The table of families is in the order of the enumeration, and names are unique") {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kFamilies.size(); ++i) {
    CHECK(static_cast<std::size_t>(kFamilies[i].family) == i);
    CHECK(family_from(kFamilies[i].name) == kFamilies[i].family);
    names.insert(kFamilies[i].name);
  }
  CHECK(names.size() == kFamilies.size());
  CHECK_FALSE(family_from("gaussian"));
}

TEST_CASE("A seed gives the same bits again, another seed gives others") {
  for (const FamilyRow& row : kFamilies) {
    CAPTURE(std::string(row.name));
    CHECK(bits_of(drawn(row.family, 7, 1001)) == bits_of(drawn(row.family, 7, 1001)));
    if (row.family == Family::zeros || row.family == Family::ramp) continue;
    CHECK(bits_of(drawn(row.family, 7, 1001)) != bits_of(drawn(row.family, 8, 1001)));
    // The seed's upper half counts as well.
    CHECK(bits_of(drawn(row.family, 7, 1001)) !=
          bits_of(drawn(row.family, 7 + (1ull << 40), 1001)));
  }
}

TEST_CASE("Families that call themselves finite are, the others are not") {
  for (const FamilyRow& row : kFamilies) {
    CAPTURE(std::string(row.name));
    bool finite = true;
    for (float x : drawn(row.family, 3, kMany)) finite = finite && std::isfinite(x);
    CHECK(finite == row.finite);
  }
}

TEST_CASE(
    "Words are uniform: every bit is set half of the time, neighbours and streams are "
    "independent") {
  int set[32] = {}, same_as_next[32] = {}, same_as_stream[32] = {};
  for (std::uint32_t i = 0; i < kMany; ++i) {
    const std::uint32_t w = word_at(99, 0, i);
    const std::uint32_t next = ~(w ^ word_at(99, 0, i + 1)), stream = ~(w ^ word_at(99, 1, i));
    for (int b = 0; b < 32; ++b) {
      set[b] += w >> b & 1;
      same_as_next[b] += next >> b & 1;
      same_as_stream[b] += stream >> b & 1;
    }
  }
  const double six_sigma = 6 * 0.5 * std::sqrt(static_cast<double>(kMany));
  for (int b = 0; b < 32; ++b) {
    CAPTURE(b);
    CHECK(std::fabs(set[b] - kMany / 2.0) < six_sigma);
    CHECK(std::fabs(same_as_next[b] - kMany / 2.0) < six_sigma);
    CHECK(std::fabs(same_as_stream[b] - kMany / 2.0) < six_sigma);
  }
}

TEST_CASE("Distributions have their moments") {
  const auto near = [](double got, double want, double tolerance) {
    return std::fabs(got - want) <= tolerance;
  };
  const auto normal = drawn(Family::normal, 5, kMany);
  CHECK(near(moment(normal, 1), 0, 0.012));
  CHECK(near(moment(normal, 2), 1, 0.02));
  CHECK(near(moment(normal, 4), 3, 0.12));
  const auto uniform = drawn(Family::uniform, 5, kMany);
  CHECK(near(moment(uniform, 1), 0, 0.007));
  CHECK(near(moment(uniform, 2), 1.0 / 3, 0.004));
  const auto laplace = drawn(Family::laplace, 5, kMany);
  CHECK(near(moment(laplace, 1), 0, 0.017));
  CHECK(near(moment(laplace, 2), 2, 0.06));
  // Student's t has no fourth moment; its second is 2, and half of its mass lies within 0.7407.
  const auto student = drawn(Family::student_t4, 5, kMany);
  std::size_t inside = 0;
  for (float x : student) inside += std::fabs(x) < 0.7407f;
  CHECK(near(static_cast<double>(inside) / kMany, 0.5, 0.006));
  CHECK(near(moment(student, 2), 2, 0.35));
}

TEST_CASE("Log-uniform values fill their twelve octaves evenly, in both signs") {
  int octave[12] = {}, negative = 0;
  for (float x : drawn(Family::log_uniform, 5, kMany)) {
    const int k = std::ilogb(x) + 6;
    REQUIRE((k >= 0 && k < 12));
    ++octave[k];
    negative += std::signbit(x);
  }
  for (int n : octave) CHECK(std::abs(n - static_cast<int>(kMany) / 12) < 900);
  CHECK(std::abs(negative - static_cast<int>(kMany) / 2) < 1600);
}

TEST_CASE("Near ties of E4M3 hit every midpoint, and its neighbours") {
  std::set<std::uint32_t> seen;
  for (float x : drawn(Family::near_ties_e4m3, 1, kMany))
    seen.insert(std::bit_cast<std::uint32_t>(x) & 0x7fffffffu);
  CHECK(seen.size() == 127 * 3);
  const auto has = [&](float x) { return seen.contains(std::bit_cast<std::uint32_t>(x)); };
  CHECK(has(0x1p-10f));  // between 0 and the least subnormal
  CHECK(has(1.0625f));   // between 1 and 1.125
  CHECK(has(432.0f));    // between 416 and 448
  CHECK(has(464.0f));    // where overflow begins
  CHECK(has(std::nextafterf(432.0f, 1000.0f)));
}

TEST_CASE("Special patterns appear, all of them") {
  std::set<std::uint32_t> seen;
  for (float x : drawn(Family::specials, 1, 4096)) seen.insert(std::bit_cast<std::uint32_t>(x));
  CHECK(seen.size() == special_bits().size());
  for (std::uint32_t bits : finite_special_bits()) CHECK(std::isfinite(std::bit_cast<float>(bits)));
}

TEST_CASE("Patterns are filled in order") {
  std::vector<float> out(3);
  fill_patterns(0xffffffff - 1, std::span(out).first(2));
  CHECK(std::bit_cast<std::uint32_t>(out[1]) == 0xffffffffu);
  fill_patterns(0x3f800000, out);
  CHECK(out[0] == 1.0f);
  CHECK(out[2] == std::nextafterf(std::nextafterf(1.0f, 2.0f), 2.0f));
}
