#include "harness/pipeline/execute/ending.hpp"

#include <fmt/format.h>
#include <string.h>

namespace refute::pipeline {
namespace {

struct Describe {
  const Limits& limits;

  std::string operator()(const Exited& e) const {
    return fmt::format("exited with status {}", e.status);
  }
  std::string operator()(const Signalled& s) const {
    const char* name = ::sigabbrev_np(s.signal);
    const char* text = ::sigdescr_np(s.signal);
    if (name == nullptr) return fmt::format("was killed by signal {}", s.signal);
    return fmt::format("was killed by SIG{} ({})", name, text);
  }
  std::string operator()(const OverTime&) const {
    return fmt::format("was still running after {} s and was killed", limits.time_s);
  }
  std::string operator()(const OverMemory&) const {
    return fmt::format("held more than {} MiB of memory and was killed", limits.memory_mib);
  }
  std::string operator()(const Stopped&) const { return "was stopped with the run"; }
  std::string operator()(const NotStarted& n) const {
    return fmt::format("did not start: {}", n.error.what);
  }
};

}  // namespace

std::string describe_end(const ChildEnd& end, const Limits& limits) {
  return std::visit(Describe{limits}, end);
}

}  // namespace refute::pipeline
