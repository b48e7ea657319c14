#pragma once

// Whether stages of one capture look as if something had computed them. A buffer that nobody wrote,
// or that holds an earlier stage's values, compares well with another of its kind.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/tensor/capture.hpp"

namespace refute::instruments {

enum class Sameness : std::uint8_t { varied, zeros, constant };

/// Constant: the same bits throughout, in more than one value; zeros of either sign are zeros.
Sameness sameness_of(std::span<const float> values);

/// Stages of one capture that hold the same bits, besides those that have to, as the rotation by
/// position 0 leaves what it is given. `first` is the earlier one in forward order. Constant stages
/// are no twins: that they are constant says it.
struct Twins {
  const tensor::CapturedFile* first;
  const tensor::CapturedFile* second;
};

/// Takes stages one by one, so that each file is read while it is open anyway.
class TwinFinder {
 public:
  /// `rms` is of the values: equal values have equal ones, which spares comparing all with all.
  void add(const tensor::CapturedFile& file, double rms);
  /// Reads the candidates again. Files that cannot be read are somebody else's finding.
  std::vector<Twins> find(const std::string& folder, std::size_t tokens) const;

 private:
  struct Seen {
    const tensor::CapturedFile* file;
    double rms;
  };
  std::vector<Seen> seen_;
};

/// Whether a constant stage is as it should be: probabilities of a lone token are all 1.
bool may_be_constant(tensor::Stage stage, std::size_t tokens);

}  // namespace refute::instruments
