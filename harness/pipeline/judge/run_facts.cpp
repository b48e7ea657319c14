#include "harness/pipeline/judge/run_facts.hpp"

#include "harness/json/json.hpp"
#include "harness/pipeline/judge/strict_map.hpp"

namespace refute::pipeline {
namespace {

constexpr int kRunSchema = 1;

}  // namespace

std::string run_facts_json(const RunFacts& f) {
  Value value = Value::Map{{"schema", kRunSchema},
                           {"id", f.id},
                           {"seed", std::to_string(f.seed.value)},
                           {"options", f.options},
                           {"toolchain", f.toolchain},
                           {"machine", f.machine.text},
                           {"finished", f.finished},
                           {"interrupted", f.interrupted}};
  if (f.records) value.set("records", *f.records);
  return json::dump_pretty(value);
}

Result<RunFacts> parse_run_facts(std::string_view text) {
  Result<Value> value = json::parse(text, {.bytes = 4u << 20});
  if (!value) return value.take_error();
  StrictMap map(*value, "run");
  if (map.integer("schema") != kRunSchema)
    map.fail("schema", "is not the one that this refute reads");
  RunFacts f;
  f.id = map.text("id");
  f.seed = {map.number_text("seed")};
  f.options = map.any("options");
  f.toolchain = map.any("toolchain");
  f.machine = map.digest_or_none("machine");
  f.finished = map.truth("finished");
  f.interrupted = map.truth("interrupted");
  // Runs of before it was told have none.
  if (value->find("records") != nullptr) f.records = map.count("records");
  if (std::optional<Error> error = map.finish()) return *std::move(error);
  return f;
}

}  // namespace refute::pipeline
