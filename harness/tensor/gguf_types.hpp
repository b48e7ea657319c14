#pragma once

// Every ggml_type that a GGUF file may carry: its number, name and block (ggml.h and ggml.c of
// llama.cpp). Those without a GgmlFormat or DType of ours are known by name only.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "harness/tensor/tensor_type.hpp"

namespace refute::tensor {

struct GgufTypeRow {
  std::uint32_t id;
  std::string_view name;
  std::uint16_t block_values, block_bytes;  ///< 0: differs between versions of ggml
};

inline constexpr std::array<GgufTypeRow, 36> kGgufTypes = {{
    {0, "F32", 1, 4},         {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},
    {3, "Q4_1", 32, 20},      {4, "Q4_2", 0, 0},        {5, "Q4_3", 0, 0},
    {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},      {8, "Q8_0", 32, 34},
    {9, "Q8_1", 0, 0},        {10, "Q2_K", 256, 84},    {11, "Q3_K", 256, 110},
    {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},   {14, "Q6_K", 256, 210},
    {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66}, {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},   {20, "IQ4_NL", 32, 18},
    {21, "IQ3_S", 256, 110},  {22, "IQ2_S", 256, 82},   {23, "IQ4_XS", 256, 136},
    {24, "I8", 1, 1},         {25, "I16", 1, 2},        {26, "I32", 1, 4},
    {27, "I64", 1, 8},        {28, "F64", 1, 8},        {29, "IQ1_M", 256, 56},
    {30, "BF16", 1, 2},       {34, "TQ1_0", 256, 54},   {35, "TQ2_0", 256, 66},
    {39, "MXFP4", 32, 17},    {40, "NVFP4", 64, 36},    {41, "Q1_0", 128, 18},
}};

/// Null for a number that no row has.
const GgufTypeRow* gguf_type_row(std::uint32_t id);

/// What we make of it; UnknownType for everything that has no values here.
TensorType gguf_tensor_type(std::uint32_t id);

/// The number under which GGUF stores this type; nothing for what it has no number for (FP8, NF4,
/// unsigned integers). Unknown types keep the one they came with.
std::optional<std::uint32_t> gguf_type_id(const TensorType& type);

}  // namespace refute::tensor
