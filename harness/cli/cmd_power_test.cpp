// The command as its options see it; what it measures is tested beside the instrument.

#include <cstdlib>
#include <string>

#include <CLI/CLI.hpp>

#include "harness/catch.hpp"
#include "harness/cli/command.hpp"
#include "harness/model/exit_code.hpp"

namespace refute::cli {

extern const Command kPowerCommand;

namespace {

int run(const std::string& line) {
  CLI::App app;
  const auto action = kPowerCommand.attach(app);
  app.parse(line);
  return action();
}

}  // namespace

TEST_CASE("power answers bad options before it runs anything") {
  CHECK(run("--op attention --op nothing") == static_cast<int>(ExitCode::usage));
  CHECK(run("--seeds 0") == static_cast<int>(ExitCode::usage));
  CHECK(run("--seeds 1000000000") == static_cast<int>(ExitCode::usage));
  CHECK(run("--format yaml") == static_cast<int>(ExitCode::usage));
  CHECK_THROWS_AS(run("--seeds many"), CLI::ParseError);
  CHECK_THROWS_AS(run("--unknown"), CLI::ParseError);
}

TEST_CASE("power measures, and its exit says that the contract's rule holds") {
  CHECK(run("--op softmax --op softmax --seeds 1 --json") == static_cast<int>(ExitCode::ok));
}

}  // namespace refute::cli
