#include "harness/cli/commands.hpp"

#include <array>

namespace refute::cli {

extern const Command kBisectCommand;
extern const Command kDecodeCommand;
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
extern const Command kTraceCommand;
extern const Command kValidateCommand;
extern const Command kVerifyCommand;

std::span<const Command* const> commands() {
  // In the order in which `refute --help` lists them.
  static constexpr auto kCommands = std::to_array<const Command*>({
      &kValidateCommand,
      &kListCommand,
      &kRunCommand,
      &kStatusCommand,
      &kReportCommand,
      &kReplayCommand,
      &kExplainCommand,
      &kSchemaCommand,
      &kPromoteCommand,
      &kVerifyCommand,
      &kQuantizeCommand,
      &kDequantizeCommand,
      &kDiffCommand,
      &kTraceCommand,
      &kDecodeCommand,
      &kBisectCommand,
      &kParityCommand,
      &kPowerCommand,
      &kLintObservationCommand,
  });
  return kCommands;
}

}  // namespace refute::cli
