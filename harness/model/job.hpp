#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "harness/model/contract.hpp"
#include "harness/model/ids.hpp"
#include "harness/model/value.hpp"

namespace refute {

/// Which way a falsifier is run. All but the first ask whether the check itself has power.
enum class Arm {
  subject,  ///< the implementation under test
  mutant,   ///< a wrong implementation, which must be refuted
  negated,  ///< the right one with the check negated where elements are compared: must be refuted
  control,  ///< for `expect: refuted`: an implementation on which the same check survives
};
constexpr std::array<std::string_view, 4> kArmNames = {"subject", "mutant", "negated", "control"};
constexpr std::string_view to_string(Arm a) {
  return kArmNames[static_cast<int>(a)];
}

/// What one worker process is asked. Serialised as harness/PROTOCOL.md says.
struct Job {
  std::string id;     ///< digest of contract, claim, subject, arm, variant and seed
  std::string nonce;  ///< drawn anew for each process; the record must echo it
  ContractId contract;
  ClaimId claim;
  SubjectName subject;
  Arm arm = Arm::subject;
  MutantName mutant;  ///< set when arm is mutant; the control's name stands in `subject`
  Seed seed;
  Value parameters;                             ///< map: name → plain value
  std::map<std::string, std::string> fixtures;  ///< name → path; absent ones are left out
  std::string external_subject;                 ///< path of a subject server, or empty
  unsigned threads = 1;
  Limits limits;
  std::optional<Value> replay;  ///< a counterexample to run instead of generating
};

}  // namespace refute
