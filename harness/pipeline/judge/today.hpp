#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/evidence.hpp"

namespace refute::pipeline {

/// What binds a claim to a worker's row today.
struct Binding {
  std::set<SubjectName> subjects;  ///< that the row, or a subject server under it, offers
  /// Backend ("cpu", "cuda") or the name of one subject → digest of what its evidence rests on. A
  /// subject's own entry goes before its backend's: a subject server has a source of its own.
  std::map<std::string, Digest> sources;
};

/// Today's digests: what evidence must have been made from in order to count.
struct Today {
  std::map<ClaimId, Binding> bound;  ///< claims without an entry are UNBOUND
  std::map<std::string, Digest>
      fixtures;              ///< name → digest of the file; those that are not here are left out
  std::string architecture;  ///< of the GPU here ("sm_90a"); empty when there is none
};

/// "cuda" for subjects whose name starts so, else "cpu".
std::string backend_of(const SubjectName& subject);

/// Compute capability as 10·major + minor from "sm_90a"; nothing when the text is no architecture.
std::optional<int> sm_of(const std::string& architecture);

/// The architecture of the device that a run used; empty when it used none.
std::string architecture_of(const std::vector<Evidence>& run);

/// Which digest a record's freshness failed on.
enum class Part { claim, source, input, architecture };
constexpr std::array<std::string_view, 4> kPartNames = {"claim", "source", "input", "architecture"};
constexpr std::string_view to_string(Part p) {
  return kPartNames[static_cast<int>(p)];
}

/// One digest that is not today's, or that today's machine cannot tell.
struct Difference {
  Part part{};
  std::string name;  ///< of the input, or the backend; else empty
  std::string was;   ///< in the record
  std::string now;   ///< today; empty when it is unknown here
  bool operator==(const Difference&) const = default;
};

/// Stale when any digest changed. A digest that cannot be known here (the fixture is absent, there
/// is no GPU, the backend was not built) has not changed: the record still counts, and `unknown`
/// says what was not compared.
struct Freshness {
  std::vector<Difference> changed;
  std::vector<Difference> unknown;
  bool fresh() const { return changed.empty(); }
};

/// Compares a record with today. The claim must be bound; an unbound claim has nothing to be fresh
/// against.
Freshness freshness(const Digest& claim_digest, const Binding& binding, const Today& today,
                    const Evidence& evidence);

}  // namespace refute::pipeline
