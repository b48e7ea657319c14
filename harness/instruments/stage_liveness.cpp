#include "harness/instruments/stage_liveness.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace refute::instruments {
namespace {

using tensor::CapturedFile;
using tensor::Stage;

bool rotated_by_nothing(Stage before, Stage after, std::size_t tokens) {
  if (tokens != 1) return false;
  return (before == Stage::q_norm && after == Stage::q_post_rope) ||
         (before == Stage::k_norm && after == Stage::k_post_rope);
}

bool same_values(const std::string& folder, const CapturedFile& x, const CapturedFile& y) {
  const auto a = tensor::AprtFile::open(folder + "/" + x.path());
  const auto b = tensor::AprtFile::open(folder + "/" + y.path());
  if (!a || !b || a->values().size() != b->values().size()) return false;
  return std::memcmp(a->values().data(), b->values().data(), a->values().size_bytes()) == 0;
}

}  // namespace

Sameness sameness_of(std::span<const float> values) {
  const auto is_zero = [](float x) { return x == 0; };
  if (!values.empty() && std::ranges::all_of(values, is_zero)) return Sameness::zeros;
  if (values.size() < 2) return Sameness::varied;
  const auto first = std::bit_cast<std::uint32_t>(values[0]);
  const auto is_first = [&](float x) { return std::bit_cast<std::uint32_t>(x) == first; };
  return std::ranges::all_of(values, is_first) ? Sameness::constant : Sameness::varied;
}

void TwinFinder::add(const CapturedFile& file, double rms) {
  seen_.push_back({&file, rms});
}

std::vector<Twins> TwinFinder::find(const std::string& folder, std::size_t tokens) const {
  std::vector<Twins> found;
  for (std::size_t j = 1; j < seen_.size(); ++j) {
    for (std::size_t i = 0; i < j; ++i) {
      const CapturedFile &x = *seen_[i].file, &y = *seen_[j].file;
      if (seen_[i].rms != seen_[j].rms || x.count() != y.count()) continue;
      if (x.layer == y.layer && rotated_by_nothing(x.stage, y.stage, tokens)) continue;
      if (!same_values(folder, x, y)) continue;
      found.push_back({&x, &y});
      break;  // the earliest twin says it
    }
  }
  return found;
}

bool may_be_constant(Stage stage, std::size_t tokens) {
  return stage == Stage::attn_softmax && tokens == 1;
}

}  // namespace refute::instruments
