#include "harness/cli/commands.hpp"

#include <array>

namespace refute::cli {

extern const Command kExplainCommand;
extern const Command kListCommand;
extern const Command kReplayCommand;
extern const Command kRunCommand;
extern const Command kSchemaCommand;
extern const Command kValidateCommand;

std::span<const Command* const> commands() {
  static constexpr std::array<const Command*, 6> kCommands = {
      &kValidateCommand, &kListCommand,    &kRunCommand,
      &kReplayCommand,   &kExplainCommand, &kSchemaCommand,
  };
  return kCommands;
}

}  // namespace refute::cli
