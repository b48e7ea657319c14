#pragma once

// Two captures of one model on the same tokens, stage by stage in forward order. What kept other
// tools from being believed is a finding here: files that are missing, left over from another run,
// exchanged or edited, stages that nothing computed.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/instruments/stage_values.hpp"
#include "harness/model/result.hpp"
#include "harness/tensor/capture.hpp"

namespace refute::instruments {

enum class StageFindingKind : std::uint8_t {
  missing,         ///< A has the stage, B has not
  extra,           ///< B has it, A has not
  not_as_written,  ///< the file is gone, damaged, exchanged or edited: not what its manifest says
  stale,           ///< a stage file that the folder's manifest does not list
  shape,           ///< the two sides differ in shape
  all_zero,
  constant,
  same_as_another,  ///< the bits of an earlier stage of the same capture
  non_finite,
  above_tolerance,
  changed_meanwhile,  ///< the file was changed while it was read
};
inline constexpr std::array<std::string_view, 11> kStageFindingNames = {
    "missing",    "extra",           "not-as-written",   "stale",
    "shape",      "all-zero",        "constant",         "same-as-another",
    "non-finite", "above-tolerance", "changed-meanwhile"};
constexpr std::string_view to_string(StageFindingKind k) {
  return kStageFindingNames[static_cast<std::size_t>(k)];
}

struct StageFinding {
  StageFindingKind kind{};
  std::string side;  ///< "A", "B", or "" for both
  std::string message;
};

struct StageDiffRow {
  tensor::Stage stage{};
  std::uint32_t layer = 0;
  std::vector<std::size_t> shape;     ///< A's, or B's where A has none
  std::optional<StageValues> values;  ///< none where there was nothing to compare
  StageJudgement judgement;           ///< of values
  std::vector<StageFinding> findings;
  std::string note;  ///< why the other side has none, where that is no finding

  std::string file() const { return tensor::stage_file(stage, layer); }
};

struct CaptureDiffOptions {
  StageLimits limits = {};
  std::size_t top = 3;
  unsigned threads = 1;
  bool across_models = false;  ///< compare captures of two models, labelled so
};

struct CaptureDiff {
  std::string folder_a, folder_b;
  tensor::CaptureManifest a, b;
  std::vector<std::string> labels;     ///< what the two runs did differently, one clause each
  std::vector<StageDiffRow> rows;      ///< in forward order
  std::vector<StageFinding> findings;  ///< of the folders

  bool has_findings() const;
  std::size_t compared() const;
  /// The first row, in forward order, with a finding or a difference beyond its limit.
  const StageDiffRow* first_bad() const;
  bool any(StageVerdict verdict) const;
};

/// An error for a folder that is no capture, and for captures that are not comparable: another
/// model, other tokens. It says which.
Result<CaptureDiff> diff_captures(const std::string& folder_a, const std::string& folder_b,
                                  const CaptureDiffOptions& options);

/// Two files, of which no manifest speaks. An error where one is damaged, or they are of different
/// layers or lengths.
struct StageFileDiff {
  std::string path_a, path_b;
  std::uint32_t layer = 0;
  StageValues values;
  StageJudgement judgement;
};
struct FileDiffOptions {
  StageLimits limits = {};
  std::size_t top = 10;
  unsigned threads = 1;
};
Result<StageFileDiff> diff_stage_files(const std::string& path_a, const std::string& path_b,
                                       const FileDiffOptions& options);

}  // namespace refute::instruments
