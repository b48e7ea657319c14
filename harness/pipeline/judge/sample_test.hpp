#pragma once

// What the tests of this folder judge: a contract on FP8 as it is written in practice, and records
// about it.

#include <string>
#include <vector>

#include "harness/model/contract.hpp"
#include "harness/model/evidence.hpp"
#include "harness/pipeline/judge/today.hpp"

namespace refute::pipeline::sample {

inline const std::string kCpuSource(64, 'c');
inline const std::string kCudaSource(64, 'd');
inline const std::string kMiniLm(64, 'e');

/// FALSIFY-CRUX-B-11-004: PARTIAL on both CPU subjects, FUNCTIONAL live, DISCHARGED exhaustive; two
/// mutants.
Claim encode_claim();
/// FALSIFY-CRUX-B-11-001: expected to be refuted, on the real weights, with a positive control.
Claim round_trip_claim();
/// FALSIFY-CRUX-B-11-009: PARTIAL on the CPU, FUNCTIONAL on a live device of sm_90 or higher; one
/// mutant.
Claim device_claim();
Contract contract();

/// Everything is here: both backends, the fixture, an H100.
Today today();

/// A fresh record of the claim's subject that survived 65,536 exhaustive cases bytewise.
Evidence record(const Claim& claim, const std::string& subject, Verdict verdict = Survived{},
                Arm arm = Arm::subject, const std::string& mutant = "");
/// What shows a claim's power: all mutants dead and the negated check refuted on each subject, or
/// the control alive.
std::vector<Evidence> power(const Claim& claim);
/// All that the claim needs for the highest level that its contract asks for.
std::vector<Evidence> full(const Claim& claim);

std::vector<Evidence> operator+(std::vector<Evidence> a, const std::vector<Evidence>& b);
std::vector<Evidence> operator+(std::vector<Evidence> a, const Evidence& b);

Refuted counterexample();
Evidence attested(Evidence evidence, const std::vector<char>& machines);

}  // namespace refute::pipeline::sample
