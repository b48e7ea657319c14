#include "harness/pipeline/execute/job_wire.hpp"

#include <array>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/random.h>

#include "harness/json/json.hpp"
#include "harness/pipeline/execute/worker_info.hpp"

namespace refute::pipeline {
namespace {

Value fixtures_value(const Job& job) {
  Value fixtures{Value::Map{}};
  for (const auto& [name, path] : job.fixtures) fixtures.set(name, path);
  return fixtures;
}

}  // namespace

std::string job_json(const Job& job) {
  Value limits;
  limits.set("time_s", job.limits.time_s);
  limits.set("memory_mib", job.limits.memory_mib);
  Value value;
  value.set("protocol", kProtocol);
  value.set("job", job.id);
  value.set("nonce", job.nonce);
  value.set("contract", job.contract.text);
  value.set("claim", job.claim.text);
  value.set("subject", job.subject.text);
  value.set("arm", to_string(job.arm));
  value.set("mutant", job.mutant.text);
  value.set("seed", std::to_string(job.seed.value));
  value.set("parameters", job.parameters.is_null() ? Value(Value::Map{}) : job.parameters);
  value.set("fixtures", fixtures_value(job));
  value.set("external_subject", job.external_subject);
  value.set("threads", job.threads);
  value.set("limits", std::move(limits));
  value.set("replay", job.replay ? *job.replay : Value());
  return json::dump(value) + "\n";
}

std::string draw_nonce() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw std::runtime_error("the kernel gives no random bytes");
  }
  return fmt::format("{:02x}", fmt::join(bytes, ""));
}

}  // namespace refute::pipeline
