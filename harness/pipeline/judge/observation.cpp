#include "harness/pipeline/judge/observation.hpp"

#include "harness/json/json.hpp"
#include "harness/pipeline/judge/strict_map.hpp"

namespace refute::pipeline {

std::string observation_json(const Observation& o) {
  return json::dump(Value::Map{{"record", o.record.text},
                               {"started", o.started},
                               {"duration_s", o.duration_s},
                               {"environment", o.environment},
                               {"output", o.output},
                               {"from_cache", o.from_cache}});
}

Result<Observation> parse_observation(std::string_view line) {
  Result<Value> value = json::parse(line, {.bytes = 4u << 20});
  if (!value) return value.take_error();
  StrictMap map(*value, "observation");
  Observation o;
  o.record = map.digest("record");
  o.started = map.text("started");
  o.duration_s = map.number("duration_s");
  o.environment = map.any("environment");
  o.output = map.text("output");
  o.from_cache = map.truth("from_cache");
  if (std::optional<Error> error = map.finish()) return *std::move(error);
  return o;
}

}  // namespace refute::pipeline
