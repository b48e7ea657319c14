#pragma once

// Inputs that the tests of the block formats share: golden files, and floats of every kind that a
// quantiser can stumble over.

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "kernels/ggml.hpp"

namespace refute::kernels::ggml_test {

using Bytes = std::vector<std::uint8_t>;
using Floats = std::vector<float>;

/// A file of fixtures/data, which must exist.
Bytes read_bytes(const std::string& path_below_data);
Floats read_floats(const std::string& path_below_data);

Floats gaussian(std::size_t count, std::uint64_t seed);
Bytes random_bytes(std::size_t count, std::uint64_t seed);

/// Number of kinds below.
inline constexpr int kKinds = 20;
const char* kind_name(int kind);
/// `count` finite values of one kind: plain, integers and so ties, constants, mixed zeros,
/// subnormals, near overflow, any finite bit pattern, outliers, just below powers of two, ….
Floats hard_values(int kind, std::size_t count, std::uint64_t seed);

/// Equal bits, or NaN on both sides.
bool same_value(float a, float b);

}  // namespace refute::kernels::ggml_test
