// NF4 codes under their absmax.

#include <algorithm>
#include <cmath>

#include "harness/instruments/quant_diff_faults.hpp"

namespace refute::instruments {
namespace {

using Values = std::span<const float>;

float largest_magnitude(Values x) {
  float most = 0;
  for (const float v : x) most = std::max(most, std::fabs(v));
  return most;
}

/// Half of the widest gap between two values of the table.
float half_gap(Values table) {
  float widest = 0;
  for (std::size_t i = 1; i < table.size(); ++i) widest = std::max(widest, table[i] - table[i - 1]);
  return 0.5f * widest;
}

}  // namespace

CodeCheck check_nf4(const tensor::ModelTensor& other, std::size_t block, std::size_t first,
                    Values x, Values y) {
  std::vector<float> table = other.codebook;
  std::ranges::sort(table);
  const float gap = half_gap(table);
  CodeCheck check{.elements = x.size()};
  for (std::size_t at = 0; at < x.size(); at += block) {
    const std::size_t count = std::min(block, x.size() - at);
    const float absmax = largest_magnitude(x.subspan(at, count));
    const float stored = companion_value(other.scales, (first + at) / block);
    ++check.blocks;
    for (std::size_t i = at; i < at + count; ++i) {
      CodeFault fault{.index = first + i,
                      .block = (first + at) / block,
                      .element = i - at,
                      .reference = x[i],
                      .value = y[i],
                      .error = std::fabs(x[i] - y[i]),
                      .limit = gap * absmax * (1.0f + 0x1p-18f)};
      if (!(fault.error <= fault.limit)) note_over_bound(check, fault);
      if (!(stored > 0)) continue;
      const float beyond = beyond_middle(table, x[i] / stored, y[i] / stored) * stored;
      const float slack = stored * 0x1p-18f;
      if (beyond <= slack) continue;
      fault.limit = std::max(0.0f, fault.error - beyond + slack);
      note_not_nearest(check, fault);
    }
  }
  return check;
}

}  // namespace refute::instruments
