#include "harness/cli/commands.hpp"

#include <array>

namespace refute::cli {

extern const Command kExplainCommand;
extern const Command kListCommand;
extern const Command kParityCommand;
extern const Command kPowerCommand;
extern const Command kPromoteCommand;
extern const Command kReplayCommand;
extern const Command kReportCommand;
extern const Command kRunCommand;
extern const Command kSchemaCommand;
extern const Command kStatusCommand;
extern const Command kValidateCommand;
extern const Command kVerifyCommand;

std::span<const Command* const> commands() {
  static constexpr std::array<const Command*, 12> kCommands = {
      &kValidateCommand, &kListCommand,   &kRunCommand,     &kStatusCommand,
      &kReportCommand,   &kReplayCommand, &kExplainCommand, &kSchemaCommand,
      &kPromoteCommand,  &kVerifyCommand, &kParityCommand,  &kPowerCommand,
  };
  return kCommands;
}

}  // namespace refute::cli
