#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "harness/model/ids.hpp"
#include "harness/model/value.hpp"

namespace refute {

/// Why a worker gave no verdict though nothing failed.
enum class DeclineReason {
  no_device,           ///< the device that the subject needs is not there
  wrong_architecture,  ///< it is there and cannot do this
  no_fixture,          ///< a real file that the claim speaks of is absent
  no_power,            ///< the inputs cannot tell right from wrong
  zero_cases,          ///< nothing was generated, or all of it was discarded
  not_served,          ///< the subject does not offer this operation
  no_memory,           ///< too little memory to run at all
};

constexpr std::array<std::string_view, 7> kDeclineReasonNames = {
    "no_device",  "wrong_architecture", "no_fixture", "no_power",
    "zero_cases", "not_served",         "no_memory"};
constexpr std::string_view to_string(DeclineReason r) {
  return kDeclineReasonNames[static_cast<int>(r)];
}

/// The check held on every case.
struct Survived {
  bool operator==(const Survived&) const = default;
};
/// The check failed. `counterexample` is the shrunk input: with the job's seed it replays bit for
/// bit.
struct Refuted {
  std::string message;   ///< one sentence: which element, got, wanted
  Value counterexample;  ///< exact values as hex-floats or hex bits
  bool operator==(const Refuted&) const = default;
};
/// Did not run, or could not have failed.
struct Declined {
  DeclineReason reason{};
  std::string message;
  bool operator==(const Declined&) const = default;
};
/// Ended by a signal, or with a non-zero status, while the subject ran.
struct Crashed {
  int signal = 0;  ///< 0: it exited by itself, with `exit_status`
  int exit_status = 0;
  std::string message;
  bool operator==(const Crashed&) const = default;
};
struct TimedOut {
  double limit_s = 0;
  bool operator==(const TimedOut&) const = default;
};
/// No record, somebody else's record, or one that contradicts itself.
struct Broken {
  std::string message;
  bool operator==(const Broken&) const = default;
};
/// Refuted, and with the same seed not refuted again, or with another result.
struct Nondeterministic {
  std::string message;
  bool operator==(const Nondeterministic&) const = default;
};

using Verdict =
    std::variant<Survived, Refuted, Declined, Crashed, TimedOut, Broken, Nondeterministic>;
constexpr std::array<std::string_view, 7> kVerdictNames = {
    "survived", "refuted", "declined", "crashed", "timed_out", "broken", "nondeterministic"};
inline std::string_view to_string(const Verdict& v) {
  return kVerdictNames[v.index()];
}

/// What the inputs were.
enum class Domain {
  generated,   ///< drawn from a generator
  exhaustive,  ///< every member of a stated finite space
  fixture,     ///< read from a real file
  live,        ///< a real command, or the real device, was exercised
};
constexpr std::array<std::string_view, 4> kDomainNames = {"generated", "exhaustive", "fixture",
                                                          "live"};
constexpr std::string_view to_string(Domain d) {
  return kDomainNames[static_cast<int>(d)];
}

/// How the subject's results were compared with the oracle's.
enum class Agreement { none, tolerance, bytewise };
constexpr std::array<std::string_view, 3> kAgreementNames = {"none", "tolerance", "bytewise"};
constexpr std::string_view to_string(Agreement a) {
  return kAgreementNames[static_cast<int>(a)];
}

/// How much was tried. A survival with zero cases or zero comparisons is no survival.
struct Coverage {
  std::uint64_t cases = 0;        ///< inputs on which the subject ran
  std::uint64_t comparisons = 0;  ///< elements that were compared, and could have differed
  std::uint64_t discards = 0;     ///< generated and not used
  std::uint64_t shrinks = 0;      ///< steps from the first failing input to the one reported
  bool operator==(const Coverage&) const = default;
};

/// A file that the worker read.
struct InputDigest {
  std::string name;
  Digest sha256;
  bool operator==(const InputDigest&) const = default;
};

/// What came of a job. Everything here is reproducible from the job on another machine, but for
/// `environment`.
struct Outcome {
  Verdict verdict;
  Coverage coverage;
  Domain domain = Domain::generated;
  Agreement agreement = Agreement::none;
  Digest result_digest;  ///< over what the subject computed, in a fixed order; may be empty
  std::vector<InputDigest> inputs;  ///< sorted by name
  Value measurements;               ///< map: name → number or text that a report shows
  std::vector<std::string>
      parameters_read;  ///< names, sorted: shows which of the contract's numbers were used
  Value environment;  ///< map: device name, sm, driver, SIMD target; kept beside the record, not in
                      ///< it
};

}  // namespace refute
