// C-NF4: the 4-bit NormalFloat. The table of what tries to break contracts/nf4-v1.yaml; the checks
// are in nf4/.

#include "falsifiers/falsify_nf4_build.hpp"
#include "falsifiers/nf4/checks.hpp"
#include "harness/worker/protocol.hpp"

namespace {

using namespace refute::falsifiers;
using refute::worker::Row;
using refute::worker::Words;

constexpr Words kCpu = {"cpu_scalar", "cpu_simd"};
constexpr Words kRoundTrip = {"nf4.quantize", "nf4.dequantize"};

constexpr Row kRows[] = {
    {.claim = "C-NF4-001",
     .help = "published: no element of N(0, 1) is off by 0.05 of its block's absmax",
     .falsify = nf4_error_limit,
     .subjects = kCpu,
     .controls = {"sixty_four_levels"},
     .parameters = {"max_normalised_error", "rows", "cols"},
     .operations = kRoundTrip},
    {.claim = "C-NF4-002",
     .help = "blocks run along the columns, which must be whole blocks; packed size",
     .falsify = nf4_alignment,
     .subjects = kCpu,
     .mutants = {"wrong_axis", "count_not_columns", "padded_block", "one_block_too_many"},
     .parameters = {"max_rows", "max_cols"},
     .operations = {"nf4.shape"}},
    {.claim = "C-NF4-003",
     .help = "the GEMM on packed weights within 1e-3 of the plain one on dequantised weights",
     .falsify = nf4_gemm_parity,
     .subjects = kCpu,
     .mutants = {"lane_off_by_one", "last_block_dropped", "last_element_dropped", "nibble_swap",
                 "one_layout", "one_percent_more", "transposed_result", "first_scale_only",
                 "bf16_operand"},
     .parameters = {"max_abs_error", "cases", "families", "layouts", "max_m", "max_rows",
                    "max_cols"},
     .operations = {"nf4.gemm"}},
    {.claim = "C-NF4-004",
     .help = "packed weights take at most 1/7.1 of f32",
     .falsify = nf4_compression,
     .subjects = kCpu,
     .mutants = {"padded_block", "byte_per_code", "one_block_too_many"},
     .parameters = {"min_ratio", "max_rows", "max_blocks"},
     .operations = {"nf4.pack"}},
    {.claim = "C-NF4-005",
     .help = "largest, mean and relative error of N(0, 1), each in its band",
     .falsify = nf4_error_bands,
     .subjects = kCpu,
     .mutants = {"uniform_codebook", "truncates", "wrong_axis", "identity", "absmax_ignores_sign"},
     .parameters = {"max_normalised_error", "mean_normalised_error", "relative_l2", "rows", "cols"},
     .operations = kRoundTrip},
    {.claim = "C-NF4-006",
     .help = "the 16 values, bit for bit",
     .falsify = nf4_table_exact,
     .subjects = kCpu,
     .mutants = {"uniform_codebook", "mirrored", "two_wrong_entries"},
     .parameters = {"scales"},
     .operations = {"nf4.dequantize"}},
    {.claim = "C-NF4-007",
     .help = "every f32 of magnitude 2^-6 … 1 gets the code that thresholds or distance give it",
     .falsify = nf4_decisions_all,
     .subjects = kCpu,
     .mutants = {"uniform_codebook", "mirrored", "two_wrong_entries", "truncates", "not_strict",
                 "always_nearest", "always_thresholds"},
     .parameters = {"decisions", "every_f32_from"},
     .operations = {"nf4.quantize_range"},
     .exclusive = true},
    {.claim = "C-NF4-008",
     .help = "codes, scales and values of generated tensors, bit for bit, edge blocks among them",
     .falsify = nf4_quantize_exact,
     .subjects = kCpu,
     .mutants = {"uniform_codebook", "mirrored", "two_wrong_entries", "wrong_axis",
                 "zero_block_scale", "zero_block_code", "truncates", "infinite_reciprocal",
                 "absmax_ignores_sign", "identity"},
     .parameters = {"cases", "families", "decisions", "max_rows", "max_cols"},
     .operations = kRoundTrip},
    {.claim = "C-NF4-009",
     .help = "NaN or infinity among the weights is refused before anything is written",
     .falsify = nf4_refuses_non_finite,
     .subjects = kCpu,
     .mutants = {"skips_non_finite", "last_non_finite", "writes_before_it_reports"},
     .parameters = {"cases", "families", "decisions", "max_rows", "max_cols"},
     .operations = {"nf4.quantize"}},
    {.claim = "C-NF4-010",
     .help = "packed bytes in both nibble orders, and the way back",
     .falsify = nf4_packing,
     .subjects = kCpu,
     .mutants = {"nibble_swap", "one_layout", "big_endian_scale"},
     .parameters = {"cases", "families", "layouts", "max_rows", "max_cols"},
     .operations = {"nf4.pack"}},
    {.claim = "C-NF4-011",
     .help = "the GEMM against f64 under the bound that its arithmetic derives",
     .falsify = nf4_gemm_bound,
     .subjects = kCpu,
     .mutants = {"lane_off_by_one", "last_block_dropped", "last_element_dropped", "nibble_swap",
                 "one_layout", "one_percent_more", "transposed_result", "first_scale_only",
                 "bf16_operand"},
     .parameters = {"lambda", "unit_roundoff", "cases", "families", "layouts", "max_m", "max_rows",
                    "max_cols"},
     .operations = {"nf4.gemm"}},
    {.claim = "C-NF4-012",
     .help = "the GEMM on small whole numbers, exactly",
     .falsify = nf4_gemm_integers,
     .subjects = kCpu,
     .mutants = {"lane_off_by_one", "last_block_dropped", "last_element_dropped", "nibble_swap",
                 "one_layout", "transposed_result", "first_scale_only"},
     .parameters = {"cases", "families", "layouts", "max_m", "max_rows", "max_cols"},
     .operations = {"nf4.gemm"}},
};

}  // namespace

int main(int argc, char** argv) {
  return refute::worker::protocol_main(argc, argv, {"falsify_nf4", "C-NF4", kRows, kBuildInfo});
}
