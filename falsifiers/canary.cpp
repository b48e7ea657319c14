// CANARY: one row for each way in which a job can end. Refute runs them all in every run and stops
// trusting itself if one is not taken for what it is.

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>
#include <unistd.h>

#include "falsifiers/falsify_canary_build.hpp"
#include "harness/json/json.hpp"
#include "harness/worker/context.hpp"
#include "harness/worker/protocol.hpp"

namespace {

using namespace refute;
using worker::Context;
using worker::Row;

/// A record as this job would get it, with a member replaced, handed over behind the protocol's
/// back.
[[noreturn]] void hand_over(const Context& context, std::string_view member, Value value) {
  Outcome outcome;
  outcome.verdict = Survived{};
  outcome.coverage = {1, 1, 0, 0};
  Value record = worker::record_of(context.job(), outcome);
  record.set(member, std::move(value));
  worker::write_record(json::dump(record));
  std::_Exit(0);
}

Verdict is_refuted(Context& context) {
  context.add_cases(1);
  context.compare().equal(2 + 2, 5, "a sum");
  Value counterexample;
  counterexample.set("sum", "2 + 2");
  return worker::refuted("2 + 2 is not 5", counterexample);
}

Verdict crashes(Context&) {
  std::signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would turn the signal into an exit status
  std::raise(SIGSEGV);
  return worker::survived();
}

Verdict exits(Context&) {
  fmt::print(stderr, "the canary leaves with status 9 and no record\n");
  std::_Exit(9);
}

Verdict hangs(Context&) {
  for (;;) ::pause();
}

Verdict writes_garbage(Context&) {
  worker::write_record("{\"protocol\": 1, \"outcome\": \"survived\", \x01\xff");
  std::_Exit(0);
}

Verdict is_silent(Context&) {
  std::_Exit(0);
}

Verdict hands_over_anothers(Context& context) {
  hand_over(context, "job", "somebody-elses-job");
}

Verdict survives_nothing(Context& context) {
  hand_over(context, "cases", 0);
}

Verdict declines(Context&) {
  return worker::declined(DeclineReason::no_device, "the canary has no device");
}

/// Compares, counts, and cannot fail: neither its mutant nor its negation is noticed.
Verdict cannot_fail(Context& context) {
  context.add_cases(1);
  static_cast<void>(context.compare().equal(1, 1, "an answer that nobody reads"));
  return worker::survived();
}

/// The nonce is the one thing that a second run with the same seed has of its own.
Verdict changes_its_mind(Context& context) {
  context.add_cases(1);
  context.compare().equal(1, 2, "a number");
  Value counterexample;
  counterexample.set("nonce", context.job().nonce);
  return worker::refuted("refuted otherwise each time: " + context.job().nonce, counterexample);
}

constexpr Row kRows[] = {
    {.claim = "CANARY-REFUTED",
     .help = "is refuted",
     .falsify = is_refuted,
     .subjects = {"canary"}},
    {.claim = "CANARY-CRASHED",
     .help = "is ended by a signal",
     .falsify = crashes,
     .subjects = {"canary"}},
    {.claim = "CANARY-EXITED",
     .help = "exits with 9 and no record",
     .falsify = exits,
     .subjects = {"canary"}},
    {.claim = "CANARY-HANGS", .help = "never ends", .falsify = hangs, .subjects = {"canary"}},
    {.claim = "CANARY-GARBAGE",
     .help = "writes no JSON",
     .falsify = writes_garbage,
     .subjects = {"canary"}},
    {.claim = "CANARY-SILENT",
     .help = "exits with 0 and no record",
     .falsify = is_silent,
     .subjects = {"canary"}},
    {.claim = "CANARY-FOREIGN",
     .help = "hands over another job's record",
     .falsify = hands_over_anothers,
     .subjects = {"canary"}},
    {.claim = "CANARY-ZERO",
     .help = "survives without a case",
     .falsify = survives_nothing,
     .subjects = {"canary"}},
    {.claim = "CANARY-DECLINED", .help = "declines", .falsify = declines, .subjects = {"canary"}},
    {.claim = "CANARY-VACUOUS",
     .help = "cannot fail",
     .falsify = cannot_fail,
     .subjects = {"canary"},
     .mutants = {"anything"}},
    {.claim = "CANARY-NONDETERMINISTIC",
     .help = "is refuted otherwise each time",
     .falsify = changes_its_mind,
     .subjects = {"canary"}},
};

}  // namespace

int main(int argc, char** argv) {
  return refute::worker::protocol_main(argc, argv, {"falsify_canary", "CANARY", kRows, kBuildInfo});
}
