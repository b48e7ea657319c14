#include "harness/worker/refute_command.hpp"

#include <cstdlib>

#include "harness/catch.hpp"
#include "harness/worker/errors.hpp"

namespace refute::worker {
namespace {

CommandAnswer shell(const char* script, const std::vector<std::string>& environment = {},
                    double time_limit_s = 20) {
  return run_command("/bin/sh", {"-c", script}, environment, time_limit_s);
}

}  // namespace

TEST_CASE("a command's status and both its streams come back") {
  const CommandAnswer answer = shell("echo out; echo err >&2; exit 7");
  CHECK(answer.status == 7);
  CHECK(answer.out == "out\n");
  CHECK(answer.err == "err\n");
}

TEST_CASE("much output blocks nobody, and too much is a failure") {
  CHECK(shell("head -c 1000000 /dev/zero").out.size() == 1000000);
  CHECK_THROWS_AS(shell("head -c 5000000 /dev/zero"), SubjectFailure);
}

TEST_CASE("the environment is ours, with changes") {
  ::setenv("REFUTE_COMMAND_TEST", "before", 1);
  CHECK(shell("printf %s \"$REFUTE_COMMAND_TEST\"").out == "before");
  CHECK(shell("printf %s \"$REFUTE_COMMAND_TEST\"", {"REFUTE_COMMAND_TEST=after"}).out == "after");
  CHECK(shell("printf %s \"$REFUTE_COMMAND_TEST\"", {"REFUTE_COMMAND_TEST="}).out.empty());
}

TEST_CASE("a death by signal is told apart, and stdin is at its end") {
  CHECK(shell("kill -9 $$").status == 137);
  CHECK(shell("cat; echo end").out == "end\n");
}

TEST_CASE("the record's descriptor is not the command's to write to") {
  CHECK(shell("echo x >&3").status == 0);
}

TEST_CASE("what does not start or does not end is a failure") {
  CHECK_THROWS_AS(run_command("/no/such/program", {}, {}, 20), JobError);
  CHECK_THROWS_AS(shell("sleep 30", {}, 0.2), SubjectFailure);
}

TEST_CASE("outside of a job no command is named") {
  ::unsetenv("REFUTE_COMMAND");
  CHECK(refute_program().empty());
  ::setenv("REFUTE_COMMAND", "/somewhere/refute", 1);
  CHECK(refute_program() == "/somewhere/refute");
}

}  // namespace refute::worker
