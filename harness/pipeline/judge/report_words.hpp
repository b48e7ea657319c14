#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/evidence.hpp"
#include "harness/model/value.hpp"
#include "harness/pipeline/judge/store.hpp"

namespace refute::pipeline {

/// "65,536"
std::string with_thousands(std::uint64_t number);
/// "1 case", "65,536 cases"
std::string counted(std::uint64_t number, std::string_view noun);

/// The text on one line, with control characters (a worker may send anything) as \x1b. Line ends
/// become spaces.
std::string printable(std::string_view text);

/// What was measured, for a person: "relative error 2.646 %, worst row 117". Nothing measured:
/// empty.
std::string measured(const Value& measurements);

/// "mutant truncate", "negated check", "control"; empty for the subject itself.
std::string arm_words(const Evidence& evidence);

/// It crashed, hung or lied: what it printed and how to run it alone are all there is to go by.
bool gave_no_verdict(const Verdict& verdict);

/// "timed out"
std::string verdict_words(const Verdict& verdict);
/// What the verdict says beside its word: the message, the reason, the signal, the limit.
std::string verdict_detail(const Verdict& verdict);

/// The command that reproduces a refutation of this run, whole: with the store, the contracts and
/// the workers that the run was given. Null: of committed evidence.
std::string replay_command(const Evidence& evidence, const RunFacts* run);
/// The command that tries this claim on this subject alone, with the seed of the run.
std::string rerun_command(const Evidence& evidence, const RunFacts* run);

/// The text as one word of a shell's command line, quoted where it has to be.
std::string shell_word(const std::string& text);

std::string joined(const std::vector<std::string>& parts, std::string_view between);

}  // namespace refute::pipeline
