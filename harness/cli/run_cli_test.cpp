// The command as its users meet it: real contracts, real workers, exit codes and streams.

#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/catch.hpp"
#include "harness/json/json.hpp"
#include "harness/pipeline/execute/children.hpp"

namespace refute {
namespace {

namespace fs = std::filesystem;
using pipeline::ChildResult;

/// A contract for the unruly worker, a folder for its runs, and the command.
class Cli {
 public:
  Cli() : folder_(fs::temp_directory_path() / ("refute_cli_" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~Cli() { fs::remove_all(folder_); }
  Cli(const Cli&) = delete;
  Cli& operator=(const Cli&) = delete;

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  /// A worker with just these rows, which hands its jobs on to the unruly one.
  void worker(const std::vector<std::pair<std::string, std::string>>& claims) const {
    std::string rows;
    for (const auto& [id, more] : claims) {
      rows += (rows.empty() ? "" : ",") + std::string(R"({"claim": ")") + id +
              R"(", "subjects": ["cpu_scalar"], "mutants": ["truncate"], "parameters": ["cases"]})";
    }
    std::ofstream(path("worker"))
        << "#!/bin/sh\n[ \"$1\" = --run ] && exec " << UNRULY_WORKER << " --run\ncat <<'EOF'\n"
        << R"({"protocol": 1, "kind": "falsifier", "worker": "unruly", "contract": "UNRULY", "rows": [)"
        << rows << "]}\nEOF\n";
    ::chmod(path("worker").c_str(), 0755);
  }

  /// A contract with these claims, each an id and further lines of YAML, and a worker for it.
  std::string contract(const std::vector<std::pair<std::string, std::string>>& claims) const {
    worker(claims);
    std::ofstream file(path("unruly-v1.yaml"));
    file << "metadata:\n  id: UNRULY\n  version: 1.0.0\n  created: 2026-11-20\n"
            "  author: tests\n  description: Claims about a worker that misbehaves on request.\n"
            "  references: [\"harness/pipeline/execute/testdata/unruly_worker.cpp\"]\n"
            "equations:\n  identity:\n    formula: y = x\n    domain: all x\n"
            "falsification_tests:\n";
    for (const auto& [id, more] : claims) {
      file << "  - id: " << id << "\n    rule: What the row of that name does.\n"
           << "    prediction: It does that.\n    if_fails: The harness cannot tell.\n"
           << "    binds_to: identity\n    subjects: [cpu_scalar]\n"
           << "    parameters: {cases: 10}\n    limits: {time_s: 20, memory_mib: 1024}\n"
           << more;
    }
    return path("unruly-v1.yaml");
  }

  ChildResult refute(std::vector<std::string> arguments) const {
    return pipeline::run_child(
        {REFUTE, std::move(arguments), "", {"PATH=/usr/bin:/bin"}, {60, 4096}});
  }
  /// With the store in the test's folder and the test's worker beside refute's own.
  ChildResult run(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"run", "--store", path("store"), "--worker",
                                          path("worker")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return refute(std::move(arguments));
  }

 private:
  fs::path folder_;
};

int status_of(const ChildResult& result) {
  const auto* exited = std::get_if<pipeline::Exited>(&result.end);
  return exited == nullptr ? -1 : exited->status;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The claim that the row of that name in the unruly worker answers to.
std::string id(const std::string& row) {
  return "FALSIFY-UNRULY-" + row + "-001";
}

const std::string kGood = "    mutants: [truncate]\n";

}  // namespace

TEST_CASE("a claim that survives, with its mutant dead, is green; the canary is told apart") {
  const Cli cli;
  const std::string contract = cli.contract({{id("POWERFUL"), kGood}});
  const ChildResult result = cli.run({contract, "--claim", id("POWERFUL")});
  INFO(result.out.text() + result.err.text());
  CHECK(status_of(result) == 0);
  CHECK(contains(result.out.text(), "3 passed, 0 failed, 0 skipped"));
  CHECK(contains(result.err.text(), "canary caught"));
}

TEST_CASE("machine-read output has stdout for itself") {
  const Cli cli;
  const ChildResult result =
      cli.run({cli.contract({{id("POWERFUL"), kGood}}), "--claim", id("POWERFUL"), "--json"});
  CHECK(result.out.text().starts_with("{"));
  CHECK(contains(result.err.text(), "3 passed, 0 failed, 0 skipped"));
}

TEST_CASE("where nothing is run, machine-read output says so as well") {
  const Cli cli;
  const std::string good = cli.contract({{id("POWERFUL"), kGood}});
  const auto error_of = [&](std::vector<std::string> arguments, int status) {
    arguments.push_back("--json");
    const ChildResult result = cli.run(arguments);
    INFO(result.out.text() + result.err.text());
    CHECK(status_of(result) == status);
    const auto document = json::parse(result.out.text());
    REQUIRE(document);
    REQUIRE(document->find("error"));
    CHECK(*document->find("exit_code")->as_int() == status);
    return *document->find("error")->as_string() + json::dump(*document->find("findings"));
  };
  CHECK(contains(error_of({cli.path("nope.yaml")}, 2), "nope.yaml"));
  CHECK(contains(error_of({good, "--claim", "NOPE"}, 4), "NOPE"));
  const std::string faulty = cli.contract({{id("POWERFUL"), "    mutants: [no_such_mutant]\n"}});
  CHECK(contains(error_of({faulty}, 1), "\"RF0813\""));
}

TEST_CASE("a contract cannot speak to the terminal") {
  const Cli cli;
  std::ifstream file(cli.contract({{id("POWERFUL"), kGood}}));
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t at = text.find("rule: ");
  REQUIRE(at != std::string::npos);
  text.replace(at, text.find('\n', at) - at, "rule: \"clears \\x1b[2J the screen\"");
  std::ofstream(cli.path("unruly-v1.yaml")) << text;
  const std::string contract = cli.path("unruly-v1.yaml");
  for (const ChildResult& result :
       {cli.refute({"list", contract, "--worker", cli.path("worker")}),
        cli.refute({"explain", id("POWERFUL"), "--contracts", contract})}) {
    INFO(result.out.text());
    CHECK(contains(result.out.text(), "clears \\x1b[2J the screen"));
    CHECK_FALSE(contains(result.out.text(), "\x1b["));
  }
}

TEST_CASE("each way to fail has its exit code") {
  const Cli cli;
  const auto code_of = [&](const std::string& claim, const std::string& more,
                           std::vector<std::string> options = {}) {
    options.insert(options.begin(), {cli.contract({{claim, more}}), "--claim", claim});
    const ChildResult result = cli.run(options);
    UNSCOPED_INFO(claim + ":\n" + result.out.text() + result.err.text());
    return status_of(result);
  };
  CHECK(code_of(id("REFUTED"), kGood) == 1);
  CHECK(code_of(id("ABORTS"), kGood) == 1);
  CHECK(code_of(id("WAVERS"), kGood) == 1);
  CHECK(code_of(id("SURVIVED"), kGood) == 8);  // its mutant survives too
  CHECK(code_of(id("SILENT"), kGood) == 3);
  CHECK(code_of(id("DECLINED"), kGood) == 5);  // nothing at all ran
}

TEST_CASE("a broken worker is told once, and nothing that follows from it") {
  const Cli cli;
  const std::string contract = cli.contract({{id("POWERFUL"), kGood}});
  std::ofstream(cli.path("worker")) << "#!/bin/sh\necho no such library >&2\nexit 127\n";
  const ChildResult result = cli.run({contract});
  CHECK(status_of(result) == 2);
  CHECK(contains(result.err.text(), "it printed: no such library"));
  CHECK_FALSE(contains(result.err.text(), "RF0811"));
}

TEST_CASE("a job that cannot be done as it is stated is no crash of the kernel") {
  const Cli cli;
  const std::string contract = cli.contract({{id("POWERFUL"), kGood}});
  const std::string listing = cli.path("listing");
  fs::rename(cli.path("worker"), listing);
  std::ofstream(cli.path("worker"))
      << "#!/bin/sh\n[ \"$1\" = --list ] && exec sh " << listing
      << " --list\necho 'worker: parameter `cases` is not a whole number' >&2\nexit 64\n";
  ::chmod(cli.path("worker").c_str(), 0755);
  const ChildResult result = cli.run({contract});
  INFO(result.out.text() + result.err.text());
  CHECK(status_of(result) == 3);
  CHECK(contains(result.out.text(), "parameter `cases` is not a whole number"));
  CHECK_FALSE(contains(result.out.text(), "crashed"));
}

TEST_CASE("a decline beside a survival is the tester's to weigh, unless it was required") {
  const Cli cli;
  const std::string contract = cli.contract({{id("POWERFUL"), kGood}, {id("DECLINED"), kGood}});
  const auto code_with = [&](std::vector<std::string> options) {
    options.insert(options.begin(),
                   {contract, "--claim", id("POWERFUL"), "--claim", id("DECLINED")});
    const ChildResult result = cli.run(options);
    UNSCOPED_INFO(result.out.text() + result.err.text());
    return status_of(result);
  };
  CHECK(code_with({}) == 0);
  CHECK(code_with({"--require", id("DECLINED")}) == 5);
}

TEST_CASE("a mistake on the command line runs nothing") {
  const Cli cli;
  const std::string contract = cli.contract({{id("POWERFUL"), kGood}});
  CHECK(status_of(cli.run({contract, "--shard", "3/2"})) == 2);
  CHECK(status_of(cli.run({contract, "--require", "nonsense"})) == 2);
  CHECK(status_of(cli.run({contract, "--worker", "/nonexistent/worker"})) == 2);
  CHECK(status_of(cli.run({cli.path("nowhere.yaml")})) == 2);
  const ChildResult mistyped = cli.run({contract, "--claim", id("POWERFULL")});
  CHECK(status_of(mistyped) == 4);
  CHECK(contains(mistyped.err.text(), "did you mean `" + id("POWERFUL") + "`?"));
  fs::create_directories(cli.path("empty"));
  const ChildResult empty = cli.run({cli.path("empty")});
  CHECK(status_of(empty) == 4);
  CHECK(contains(empty.err.text(), "there is no contract in " + cli.path("empty")));
  CHECK(status_of(cli.run({contract, "--jobs", "0"})) == 2);
  CHECK(status_of(cli.run({contract, "--jobs", "100000"})) == 2);
  CHECK(status_of(cli.run({contract, "--output", "md=" + cli.path("empty")})) == 2);
  CHECK_FALSE(fs::exists(cli.path("store/latest")));
}

TEST_CASE("rows that no claim asks for stop the run and are named") {
  const Cli cli;
  const std::string contract = cli.contract({{id("POWERFULL"), kGood}});
  cli.worker({{id("POWERFUL"), kGood}});
  const ChildResult result = cli.run({contract});
  CHECK(status_of(result) == 1);
  CHECK(contains(result.err.text(), "RF0812"));
  CHECK(contains(result.err.text(), "RF0811"));
}

TEST_CASE("a refutation is replayed bit for bit, and a wavering one is not") {
  const Cli cli;
  const std::string contract = cli.contract({{id("REFUTED"), kGood}});
  REQUIRE(status_of(cli.run({contract, "--claim", id("REFUTED")})) == 1);
  const std::vector<std::string> replay = {
      "replay",          id("REFUTED"), "--contracts",    contract,   "--store",
      cli.path("store"), "--evidence",  cli.path("none"), "--worker", cli.path("worker")};
  const ChildResult again = cli.refute(replay);
  INFO(again.out.text() + again.err.text());
  CHECK(status_of(again) == 1);
  CHECK(contains(again.out.text(), "bit for bit"));
  CHECK(contains(again.out.text(), "about to run " + id("REFUTED")));
}

TEST_CASE("Ctrl-C ends the run, leaves no worker behind and keeps what had finished") {
  const Cli cli;
  const std::string contract = cli.contract({{id("POWERFUL"), kGood}, {id("HANGS"), kGood}});
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int log = ::open(cli.path("log").c_str(), O_WRONLY | O_CREAT, 0644);
    ::dup2(log, 1), ::dup2(log, 2);
    ::execl(REFUTE, REFUTE, "run", contract.c_str(), "--claim", "*", "-j", "2", "--store",
            cli.path("store").c_str(), "--worker", cli.path("worker").c_str(), nullptr);
    ::_exit(99);
  }
  // The record shows when the quick claim is done and the other hangs.
  const auto recorded = [&] {
    for (const auto& entry : fs::recursive_directory_iterator(cli.path(""))) {
      if (entry.path().filename() == "record.jsonl" && fs::file_size(entry.path()) > 0) return true;
    }
    return false;
  };
  for (int i = 0; i < 1000 && !recorded(); ++i) ::usleep(10'000);
  CHECK(recorded());
  ::kill(pid, SIGINT);
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 130);
  std::ifstream log(cli.path("log"));
  const std::string said{std::istreambuf_iterator<char>(log), {}};
  CHECK(contains(said, "interrupted (exit 130)"));
}

}  // namespace refute
