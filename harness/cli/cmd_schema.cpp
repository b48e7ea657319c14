#include <cstdio>

#include <CLI/CLI.hpp>

#include "harness/cli/command.hpp"
#include "harness/json/json.hpp"
#include "harness/model/exit_code.hpp"
#include "harness/pipeline/load/schema.hpp"

namespace refute::cli {
namespace {

int print_schema() {
  const std::string schema = json::dump_pretty(pipeline::json_schema());
  std::fwrite(schema.data(), 1, schema.size(), stdout);
  return static_cast<int>(ExitCode::ok);
}

}  // namespace

extern const Command kSchemaCommand;
const Command kSchemaCommand = {
    "schema",
    "Print the JSON Schema of contracts, for editors.",
    "  refute schema > contract.schema.json\n",
    [](CLI::App&) -> std::function<int()> { return print_schema; },
};

}  // namespace refute::cli
