#pragma once

#include <functional>
#include <string_view>

namespace CLI {
class App;
}

namespace refute::cli {

/// One row of the command table. `attach` declares the command's options on its own sub-app and
/// returns what to run once they are parsed; that returns an exit status
/// (harness/model/exit_code.hpp).
struct Command {
  std::string_view name;
  std::string_view help;      ///< one sentence
  std::string_view examples;  ///< lines shown under the options
  std::function<int()> (*attach)(CLI::App& app);
};

}  // namespace refute::cli
