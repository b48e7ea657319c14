// A job as it comes over stdin: every member is checked, and the first that is wrong is named.

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "harness/json/json.hpp"
#include "harness/worker/context.hpp"
#include "harness/worker/protocol.hpp"

namespace refute::worker {
namespace {

/// Reads a job's members and remembers the first that is not as it should be.
class JobReader {
 public:
  explicit JobReader(const Value& map) : map_(map) {}

  std::string text(const char* name) {
    const Value* v = map_.find(name);
    if (v && v->is_string()) return *v->as_string();
    blame(name, "text");
    return {};
  }

  std::uint64_t number(const char* name) {
    const Value* v = map_.find(name);
    const auto n = v ? unsigned_from(*v) : std::nullopt;
    if (!n) blame(name, "a whole number");
    return n.value_or(0);
  }

  Value map(const char* name) {
    const Value* v = map_.find(name);
    if (v && v->is_map()) return *v;
    blame(name, "an object");
    return Value::Map{};
  }

  void blame(const std::string& name, const char* wanted) {
    if (problem_.empty())
      problem_ = fmt::format("the job's `{}` is missing or not {}", name, wanted);
  }
  const std::string& problem() const { return problem_; }

 private:
  const Value& map_;
  std::string problem_;
};

std::optional<Arm> arm_from(std::string_view word) {
  for (std::size_t i = 0; i < kArmNames.size(); ++i) {
    if (kArmNames[i] == word) return static_cast<Arm>(i);
  }
  return std::nullopt;
}

void read_fixtures(JobReader& reader, Job& job) {
  const Value fixtures = reader.map("fixtures");
  for (const auto& [name, path] : *fixtures.as_map()) {
    if (!path.is_string()) return reader.blame("fixtures." + name, "a path");
    job.fixtures[name] = *path.as_string();
  }
}

void read_limits(JobReader& reader, Job& job) {
  const Value limits = reader.map("limits");
  if (const Value* time = limits.find("time_s")) {
    if (time->as_double()) job.limits.time_s = *time->as_double();
    if (time->as_int()) job.limits.time_s = static_cast<double>(*time->as_int());
  }
  if (const Value* memory = limits.find("memory_mib"); memory && memory->as_int()) {
    job.limits.memory_mib = *memory->as_int();
  }
}

}  // namespace

Result<Job> parse_job(std::string_view text) {
  const auto parsed = json::parse(text, {kMaxJobBytes, 32, 20'000});
  if (!parsed)
    return Error{"the job is no sound JSON: " + parsed.error().what, parsed.error().hint};
  if (!parsed->is_map()) return Error{"the job is no JSON object", "see harness/PROTOCOL.md"};
  JobReader reader(*parsed);
  if (reader.number("protocol") != kProtocolVersion) reader.blame("protocol", "version 1");
  Job job;
  job.id = reader.text("job");
  job.nonce = reader.text("nonce");
  job.contract = {reader.text("contract")};
  job.claim = {reader.text("claim")};
  job.subject = {reader.text("subject")};
  const auto arm = arm_from(reader.text("arm"));
  if (!arm) reader.blame("arm", "one of subject, mutant, negated, control");
  job.arm = arm.value_or(Arm::subject);
  job.mutant = {reader.text("mutant")};
  job.seed = {reader.number("seed")};
  job.parameters = reader.map("parameters");
  read_fixtures(reader, job);
  if (parsed->find("external_subject")) job.external_subject = reader.text("external_subject");
  job.threads = static_cast<unsigned>(std::min<std::uint64_t>(reader.number("threads"), 1024));
  if (parsed->find("limits")) read_limits(reader, job);
  if (const Value* replay = parsed->find("replay"); replay && !replay->is_null())
    job.replay = *replay;
  if (!reader.problem().empty()) return Error{reader.problem(), "see harness/PROTOCOL.md"};
  return job;
}

}  // namespace refute::worker
