#include "harness/cli/commands.hpp"

#include <array>

namespace refute::cli {

extern const Command kDequantizeCommand;
extern const Command kDiffCommand;
extern const Command kExplainCommand;
extern const Command kLintObservationCommand;
extern const Command kListCommand;
extern const Command kParityCommand;
extern const Command kPowerCommand;
extern const Command kPromoteCommand;
extern const Command kQuantizeCommand;
extern const Command kReplayCommand;
extern const Command kReportCommand;
extern const Command kRunCommand;
extern const Command kSchemaCommand;
extern const Command kStatusCommand;
extern const Command kValidateCommand;
extern const Command kVerifyCommand;

std::span<const Command* const> commands() {
  static constexpr std::array<const Command*, 16> kCommands = {
      &kValidateCommand, &kListCommand,   &kRunCommand,      &kStatusCommand,
      &kReportCommand,   &kReplayCommand, &kExplainCommand,  &kSchemaCommand,
      &kPromoteCommand,  &kVerifyCommand, &kQuantizeCommand, &kDequantizeCommand,
      &kParityCommand,   &kPowerCommand,  &kDiffCommand,     &kLintObservationCommand,
  };
  return kCommands;
}

}  // namespace refute::cli
