#include "harness/instruments/bisect/stage_row.hpp"

#include <fmt/format.h>

namespace refute::bisect {

const OwnError* StageRow::own() const {
  if (!alone && !in_place) return nullptr;
  if (!alone || !in_place) return alone ? &*alone : &*in_place;
  return in_place->ratio > alone->ratio ? &*in_place : &*alone;
}

std::string to_string(StageAt at) {
  if (at.layer == tensor::kWholeModel || at.stage == Stage::embedding) {
    return std::string(tensor::to_string(at.stage));
  }
  return fmt::format("layer {}, {}", at.layer, tensor::to_string(at.stage));
}

}  // namespace refute::bisect
