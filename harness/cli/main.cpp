// Reads the command line, finds the command's row, runs it. Everything else is in the command's own
// file.

#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "harness/cli/commands.hpp"
#include "harness/model/exit_code.hpp"
#include "harness/model/near_miss.hpp"

namespace refute::cli {
namespace {

std::string exit_code_table() {
  std::string text = "Exit status:\n";
  for (auto row = kExitCodes.rbegin(); row != kExitCodes.rend(); ++row) {
    text += fmt::format("  {:>3}  {}\n", static_cast<int>(row->code), row->meaning);
  }
  return text + "  130, 143  interrupted; the record is complete up to there";
}

/// CLI11 says only that a word is unexpected; the reader wants to know what was meant.
std::string unknown_command_hint(int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return "";
  std::vector<std::string> names;
  for (const Command* command : commands()) {
    if (command->name == argv[1]) return "";
    names.emplace_back(command->name);
  }
  const std::string near = near_miss(argv[1], names);
  return near.empty()
             ? fmt::format("there is no command '{}'; `refute --help` lists them\n", argv[1])
             : fmt::format("there is no command '{}'; {}\n", argv[1], did_you_mean(near));
}

int run(int argc, char** argv) {
  CLI::App app{"Refute tries to break the claims that people make about numerical kernels.",
               "refute"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "refute " REFUTE_VERSION);
  app.footer(exit_code_table());

  std::function<int()> chosen;
  std::vector<std::function<int()>> actions;
  actions.reserve(commands().size());
  for (const Command* command : commands()) {
    CLI::App* sub = app.add_subcommand(std::string(command->name), std::string(command->help));
    sub->footer("Examples:\n" + std::string(command->examples));
    actions.push_back(command->attach(*sub));
    sub->callback([&chosen, action = &actions.back()] { chosen = *action; });
  }

  if (const std::string hint = unknown_command_hint(argc, argv); !hint.empty()) {
    fmt::print(stderr, "refute: {}", hint);
    return static_cast<int>(ExitCode::usage);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool asked_for_help = error.get_exit_code() == 0;
    if (asked_for_help) return app.exit(error);
    fmt::print(stderr, "refute: {}\nRun with --help for usage.\n", error.what());
    return static_cast<int>(ExitCode::usage);
  }
  return chosen();
}

}  // namespace
}  // namespace refute::cli

int main(int argc, char** argv) {
  // A reader that went away (`refute … | head`) must not look like a crash of refute.
  std::signal(SIGPIPE, SIG_IGN);
  // Beyond a limit on file sizes a write fails, as on a full disk, and is reported like it.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    const int status = refute::cli::run(argc, argv);
    const bool lost = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
    if (lost && status == 0) {
      std::fprintf(stderr, "refute: the output could not be written in full\n");
      return static_cast<int>(refute::ExitCode::no_verdict);
    }
    return status;
  } catch (const std::system_error& error) {
    // A full disk or a reader that went away, met while printing.
    std::fprintf(stderr, "refute: the output could not be written in full: %s\n", error.what());
    return static_cast<int>(refute::ExitCode::no_verdict);
  } catch (const std::exception& error) {
    std::fprintf(stderr,
                 "refute: internal error: %s\nThis is a bug in refute; nothing it printed can be "
                 "relied on.\n",
                 error.what());
    return static_cast<int>(refute::ExitCode::internal);
  }
}
