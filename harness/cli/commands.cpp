#include "harness/cli/commands.hpp"

#include <array>

namespace refute::cli {

extern const Command kValidateCommand;

std::span<const Command* const> commands() {
  static constexpr std::array<const Command*, 1> kCommands = {
      &kValidateCommand,
  };
  return kCommands;
}

}  // namespace refute::cli
