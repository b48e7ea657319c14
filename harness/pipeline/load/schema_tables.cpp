// The vocabulary of contracts: what the public ones use, and what is ours.

#include <algorithm>
#include <array>

#include "harness/pipeline/load/schema.hpp"

namespace refute::pipeline {
namespace {

using Words = std::string_view;
constexpr Need kRequired = Need::required;

constexpr Words kKinds[] = {"kernel",
                            "registry",
                            "model-family",
                            "tokenizer",
                            "training-loop",
                            "pattern",
                            "schema",
                            "beat-benchmark",
                            "kaizen",
                            "competitive-parity",
                            "pipeline",
                            "format",
                            "cli",
                            "algorithm",
                            "architecture",
                            "policy",
                            "infrastructure",
                            "benchmark",
                            "data",
                            "process"};
constexpr Words kContractStatus[] = {"draft",
                                     "proposed",
                                     "planned",
                                     "active",
                                     "accepted",
                                     "approved",
                                     "stable",
                                     "implemented",
                                     "enforced",
                                     "experimental",
                                     "deprecated",
                                     "superseded",
                                     "retired",
                                     "partial",
                                     "open",
                                     "complete",
                                     "validated",
                                     "verified",
                                     "in_progress",
                                     "pending",
                                     "production",
                                     "ratified",
                                     "released",
                                     "final",
                                     "frozen",
                                     "locked",
                                     "alpha",
                                     "beta",
                                     "live",
                                     "done",
                                     "closed",
                                     "new",
                                     "review",
                                     "wip",
                                     "ready",
                                     "completed",
                                     "passing",
                                     "green",
                                     "red",
                                     "merged",
                                     "shipped",
                                     "unbound",
                                     "partial_algorithm_level",
                                     "functional",
                                     "discharged",
                                     "refuted"};
constexpr Words kIntake[] = {"missing", "partial", "supported", "unclear"};
constexpr Words kDischarge[] = {
    "UNBOUND", "OPEN", "PARTIAL_ALGORITHM_LEVEL", "FUNCTIONAL", "DISCHARGED", "REFUTED",
    "FULL_ROUND_TRIP", "LIVE-PENDING", "BLOCKER-UPSTREAM-MISSING", "BLOCKER-FIXTURE-ABSENT",
    "BLOCKER-SPEC-OPEN", "BLOCKER-DEVICE-ABSENT",
    // words for the state of a test rather than a level
    "PENDING", "PLANNED", "PASSING", "PASS", "FAILING", "FAIL", "IMPLEMENTED", "VERIFIED", "ACTIVE",
    "PARTIAL", "BLOCKED", "DRAFT", "SKIPPED", "IGNORED", "RED", "GREEN", "DONE", "DEFERRED",
    "NOT_STARTED", "IN_PROGRESS", "TESTED", "PASSED", "FAILED", "PROPOSED", "COMPLETE", "COMPLETED",
    "READY", "CLOSED", "RESOLVED", "PROVEN", "SUPPORTED", "MISSING", "PROVED", "STUB"};
constexpr Words kObligationTypes[] = {
    "invariant",     "bound",          "equivalence",   "monotonicity",  "idempotency",
    "linearity",     "symmetry",       "associativity", "conservation",  "ordering",
    "completeness",  "soundness",      "involution",    "determinism",   "roundtrip",
    "state_machine", "classification", "independence",  "termination",   "safety",
    "liveness",      "precondition",   "postcondition", "frame",         "loop_invariant",
    "loop_variant",  "old_state",      "subcontract",   "commutativity", "injectivity",
    "surjectivity",  "continuity",     "accuracy",      "performance",   "memory_safety"};
constexpr Words kStrategies[] = {"exhaustive", "stub_float", "compositional", "bounded_int"};
constexpr Words kLeanStatus[] = {
    "proved",  "proven", "verified",    "sorry",       "stub",           "partial",  "pending",
    "planned", "wip",    "in_progress", "not_started", "axiom",          "complete", "done",
    "open",    "todo",   "unproved",    "none",        "not_applicable", "n/a"};
constexpr Words kSeverities[] = {"error", "warning", "info",     "blocker", "critical", "major",
                                 "minor", "high",    "medium",   "low",     "must",     "should",
                                 "may",   "fatal",   "advisory", "warn",    "block",    "p0",
                                 "p1",    "p2",      "p3"};
constexpr Words kExpect[] = {"survived", "refuted"};
constexpr Words kOrigins[] = {"derived", "calibrated", "chosen"};
constexpr Words kAgreements[] = {"bytewise", "exhaustive"};
constexpr Words kDevices[] = {"cuda"};

constexpr Field kMetadataFields[] = {
    {.key = "id",
     .type = Type::id,
     .help = "the contract's id, CRUX-B-11; by default made from the file's name"},
    {.key = "version",
     .type = Type::version,
     .need = kRequired,
     .help = "semantic version of the contract"},
    {.key = "description",
     .type = Type::prose,
     .need = kRequired,
     .help = "what the contract is about, in a sentence"},
    {.key = "kind",
     .type = Type::word,
     .words = kKinds,
     .help = "what the contract speaks of; kernel by default"},
    {.key = "status",
     .type = Type::word,
     .words = kContractStatus,
     .help = "state of the text, not of its claims"},
    {.key = "created", .type = Type::date},
    {.key = "updated", .type = Type::date, .old_name = "last_updated"},
    {.key = "author", .type = Type::texts, .old_name = "authors"},
    {.key = "references", .type = Type::texts, .help = "papers, issues, source files"},
    {.key = "depends_on", .type = Type::texts, .help = "file stems or ids of other contracts"},
    {.key = "parent_contracts", .type = Type::texts, .old_name = "parent_contract"},
    {.key = "registry",
     .type = Type::boolean,
     .help = "the file registers data and need not claim anything"},
    {.key = "category", .type = Type::text},
    {.key = "competitor", .type = Type::texts},
    {.key = "demand_score", .type = Type::integer, .least = 1, .most = 5},
    {.key = "intake_status", .type = Type::word, .words = kIntake},
    {.key = "enforcement_level", .type = Type::text},
    {.key = "locked_level", .type = Type::text},
    {.key = "changelog"},
    {.key = "github_issue"},
    {.key = "name", .type = Type::text, .old_name = "title"},
    {.key = "tags"},
    {.key = "owner"},
    {.key = "notes"},
    {.key = "issue"},
};
constexpr Shape kMetadata = {"metadata", kMetadataFields, false,
                             "who wrote what, when, resting on what"};

constexpr Field kEquationFields[] = {
    {.key = "formula", .type = Type::prose, .need = kRequired, .help = "the equation itself"},
    {.key = "id", .type = Type::id},
    {.key = "name", .type = Type::text},
    {.key = "description", .type = Type::prose},
    {.key = "domain", .type = Type::texts},
    {.key = "codomain", .type = Type::texts},
    {.key = "invariants", .type = Type::texts, .old_name = "invariant"},
    {.key = "preconditions", .type = Type::texts},
    {.key = "postconditions", .type = Type::texts},
    {.key = "lean_theorem", .type = Type::text},
    {.key = "float_tolerance", .type = Type::tolerance},
    {.key = "tolerance", .type = Type::tolerance},
    {.key = "assumes", .type = Type::texts},
    {.key = "guarantees", .type = Type::texts},
    {.key = "references", .type = Type::texts},
    {.key = "notes"},
    {.key = "variables"},
    {.key = "parameters"},
};
constexpr Shape kEquation = {"equation", kEquationFields, false, "an equation that claims bind to"};

constexpr Field kEvidenceByFields[] = {
    {.key = "harness", .type = Type::text},
    {.key = "tests", .type = Type::texts},
    {.key = "classifier_path", .type = Type::text},
    {.key = "cli_path", .type = Type::text},
    {.key = "e2e_path", .type = Type::text},
    {.key = "scope", .type = Type::text},
    {.key = "sub_claim", .type = Type::text},
    {.key = "full_discharge_blocked_on", .type = Type::texts},
};
constexpr Shape kEvidenceBy = {"evidence_discharged_by", kEvidenceByFields, false,
                               "what is said to discharge the claim; shown, never believed"};

constexpr Field kParameterFields[] = {
    {.key = "value", .need = kRequired, .help = "a number, a text, or a list of them"},
    {.key = "origin",
     .type = Type::word,
     .words = kOrigins,
     .help = "derived: follows from arithmetic; calibrated: measured; chosen: somebody's decision"},
    {.key = "because",
     .type = Type::prose,
     .help = "the derivation, the measurement, or the reason of the choice"},
};
constexpr Shape kParameter = {"parameter", kParameterFields, true,
                              "a number with the place it comes from"};

constexpr Field kRequirementFields[] = {
    {.key = "subjects", .type = Type::texts, .help = "the claim's subjects by default"},
    {.key = "live",
     .type = Type::boolean,
     .help = "the claim speaks of the subject's own code: a run over every input is live, a sample "
             "is not"},
    {.key = "fixture", .type = Type::id, .help = "a real file that the evidence must have read"},
    {.key = "device",
     .type = Type::word,
     .words = kDevices,
     .help = "the evidence comes from a live device"},
    {.key = "min_sm",
     .type = Type::integer,
     .least = 10,
     .most = 999,
     .help = "least compute capability: 90 is 9.0"},
    {.key = "command",
     .type = Type::prose,
     .help = "the real command that the evidence must have run"},
    {.key = "agreement",
     .type = Type::word,
     .words = kAgreements,
     .help = "with an independent oracle"},
    {.key = "machines",
     .type = Type::integer,
     .least = 1,
     .most = 1000,
     .help = "least number of machines that reproduced the record"},
};
constexpr Shape kRequirement = {"requirement", kRequirementFields, true,
                                "what evidence has to show for one level"};

constexpr Field kRequiresFields[] = {
    {.key = "PARTIAL_ALGORITHM_LEVEL", .type = Type::object, .shape = &kRequirement},
    {.key = "FUNCTIONAL", .type = Type::object, .shape = &kRequirement},
    {.key = "DISCHARGED", .type = Type::object, .shape = &kRequirement},
};
constexpr Shape kRequires = {"requires", kRequiresFields, true, "per level, what it takes"};

constexpr Field kLimitsFields[] = {
    {.key = "time_s",
     .type = Type::real,
     .least = 0.01,
     .most = 86400,
     .help = "seconds for one worker process"},
    {.key = "memory_mib", .type = Type::integer, .least = 16, .most = 1048576},
};
constexpr Shape kLimits = {"limits", kLimitsFields, true,
                           "bounds on a worker; tuning, never part of the claim"};

constexpr Field kClaimFields[] = {
    {.key = "id", .type = Type::id, .need = kRequired, .help = "FALSIFY-<contract>-NNN"},
    {.key = "rule",
     .type = Type::prose,
     .need = kRequired,
     .old_name = "description",
     .help = "the claim in one line"},
    {.key = "prediction",
     .type = Type::prose,
     .need = kRequired,
     .old_name = "expected",
     .help = "what must hold"},
    {.key = "if_fails",
     .type = Type::prose,
     .need = kRequired,
     .old_name = "fails_if",
     .help = "what a refutation means"},
    {.key = "test",
     .type = Type::texts,
     .old_name = "command",
     .help = "prose or shell text; shown, never run"},
    {.key = "binds_to", .type = Type::texts, .help = "name of an equation"},
    {.key = "obligation", .type = Type::texts, .help = "id of a proof obligation"},
    {.key = "expect", .type = Type::word, .words = kExpect, .help = "survived by default"},
    {.key = "subjects", .type = Type::texts, .help = "implementations under test"},
    {.key = "parameters",
     .type = Type::parameters,
     .shape = &kParameter,
     .help = "all numbers that the check uses"},
    {.key = "requires", .type = Type::object, .shape = &kRequires},
    {.key = "mutants",
     .type = Type::texts,
     .help = "wrong implementations, each of which must be refuted"},
    {.key = "control",
     .type = Type::id,
     .help = "with expect: refuted: a subject on which the same check survives"},
    {.key = "limits", .type = Type::object, .shape = &kLimits},
    {.key = "status",
     .type = Type::word,
     .words = kDischarge,
     .help = "compared with the computed level"},
    {.key = "discharge_status", .type = Type::word, .words = kDischarge},
    {.key = "blocked_on",
     .type = Type::texts,
     .old_name = "full_discharge_blocked_on",
     .help = "BLOCKER-FIXTURE-ABSENT: <which fixture>"},
    {.key = "evidence_discharged_by", .type = Type::object, .shape = &kEvidenceBy},
    {.key = "algorithm_evidence", .type = Type::texts},
    {.key = "functional_evidence", .type = Type::texts},
    {.key = "red_state", .type = Type::texts},
    {.key = "green_state", .type = Type::texts},
    {.key = "name", .type = Type::text},
    {.key = "severity", .type = Type::word, .words = kSeverities},
    {.key = "tolerance", .type = Type::tolerance},
    {.key = "references", .type = Type::texts},
    {.key = "notes"},
    {.key = "method"},
    {.key = "evidence"},
    {.key = "tests"},
    {.key = "type"},
};
constexpr Shape kClaim = {"claim", kClaimFields, false,
                          "a statement that somebody tries to refute"};

constexpr Field kLegacyClaimFields[] = {
    {.key = "id", .type = Type::id},
    {.key = "rule", .type = Type::prose, .old_name = "description"},
    {.key = "prediction", .type = Type::prose, .old_name = "expected"},
    {.key = "if_fails", .type = Type::prose, .old_name = "fails_if"},
    {.key = "test", .type = Type::texts, .old_name = "command"},
    {.key = "binds_to", .type = Type::texts},
    {.key = "status", .type = Type::word, .words = kDischarge},
    {.key = "name", .type = Type::text},
    {.key = "severity", .type = Type::word, .words = kSeverities},
};
constexpr Shape kLegacyClaim = {"legacy_claim", kLegacyClaimFields, false,
                                "an entry of the older `falsification` list"};

constexpr Field kLeanFields[] = {
    {.key = "theorem", .type = Type::texts},
    {.key = "module", .type = Type::text},
    {.key = "status", .type = Type::word, .words = kLeanStatus},
    {.key = "depends_on", .type = Type::texts},
    {.key = "mathlib_imports", .type = Type::texts},
    {.key = "notes"},
};
constexpr Shape kLean = {"lean", kLeanFields, false, "where the proof is"};

constexpr Field kObligationFields[] = {
    {.key = "type", .type = Type::word, .need = kRequired, .words = kObligationTypes},
    {.key = "property", .type = Type::prose, .need = kRequired, .help = "what has to be shown"},
    {.key = "id", .type = Type::id},
    {.key = "formal", .type = Type::prose},
    {.key = "tolerance", .type = Type::tolerance},
    {.key = "applies_to",
     .type = Type::texts,
     .help = "all, scalar, simd, converter, or an equation"},
    {.key = "lean", .type = Type::object, .shape = &kLean},
    {.key = "requires"},
    {.key = "parent_contract", .type = Type::text},
    {.key = "na_reason", .type = Type::prose},
    {.key = "na_owner", .type = Type::text},
    {.key = "description", .type = Type::prose},
    {.key = "status", .type = Type::text},
    {.key = "equation", .type = Type::text},
    {.key = "notes"},
};
constexpr Shape kObligation = {"proof_obligation", kObligationFields, false,
                               "a property that somebody has to prove"};

constexpr Field kKaniFields[] = {
    {.key = "id", .type = Type::id},
    {.key = "obligation", .type = Type::texts, .help = "id of a proof obligation"},
    {.key = "property", .type = Type::prose},
    {.key = "bound",
     .type = Type::integer,
     .least = 1,
     .most = 1e9,
     .help = "least 1: a bound of 0 checks nothing"},
    {.key = "strategy", .type = Type::word, .words = kStrategies},
    {.key = "solver", .type = Type::text},
    {.key = "harness", .type = Type::text},
    {.key = "unwind", .type = Type::integer, .least = 1, .most = 1e9},
    {.key = "description", .type = Type::prose},
    {.key = "status", .type = Type::text},
    {.key = "notes"},
};
constexpr Shape kKani = {"kani_harness", kKaniFields, false, "a bounded model check"};

constexpr Field kGateFields[] = {
    {.key = "id", .type = Type::id},
    {.key = "name", .type = Type::text},
    {.key = "description", .type = Type::prose},
    {.key = "checks", .type = Type::texts},
    {.key = "pass_criteria", .type = Type::texts},
    {.key = "falsification", .type = Type::texts},
    {.key = "severity", .type = Type::word, .words = kSeverities},
};
constexpr Shape kGate = {"qa_gate", kGateFields, false, "a gate that names what has to pass"};

constexpr Field kPhaseFields[] = {
    {.key = "name", .type = Type::text, .need = kRequired},
    {.key = "description", .type = Type::prose},
    {.key = "invariant", .type = Type::texts, .old_name = "invariants"},
};
constexpr Shape kPhase = {"phase", kPhaseFields, false, "one step of a kernel"};

constexpr Field kStructureFields[] = {
    {.key = "phases", .type = Type::objects, .shape = &kPhase},
};
constexpr Shape kStructure = {"kernel_structure", kStructureFields, false, "the steps of a kernel"};

constexpr Field kEnforcementFields[] = {
    {.key = "description", .type = Type::prose},
    {.key = "check", .type = Type::texts},
    {.key = "severity", .type = Type::word, .words = kSeverities},
    {.key = "id", .type = Type::id},
    {.key = "name", .type = Type::text},
    {.key = "reference", .type = Type::texts},
};
constexpr Shape kEnforcement = {"enforcement", kEnforcementFields, false,
                                "a rule and what enforces it"};

constexpr Field kLedgerFields[] = {
    {.key = "falsify_id", .type = Type::id, .need = kRequired, .old_name = "id"},
    {.key = "discharge_status", .type = Type::word, .words = kDischarge, .old_name = "status"},
    {.key = "blocked_on", .type = Type::texts, .old_name = "full_discharge_blocked_on"},
    {.key = "notes"},
};
constexpr Shape kLedger = {"ledger_entry", kLedgerFields, false,
                           "a level typed by hand; compared, never believed"};

constexpr Field kSummaryFields[] = {
    {.key = "total_obligations", .type = Type::integer, .least = 0, .most = 1e6},
    {.key = "total_claims",
     .type = Type::integer,
     .least = 0,
     .most = 1e6,
     .old_name = "total_falsification_tests"},
    {.key = "proven", .type = Type::integer, .least = 0, .most = 1e6, .old_name = "proved"},
    {.key = "tested", .type = Type::integer, .least = 0, .most = 1e6},
    {.key = "l2_property_tested", .type = Type::integer, .least = 0, .most = 1e6},
    {.key = "l3_kani_proved", .type = Type::integer, .least = 0, .most = 1e6},
    {.key = "l4_lean_proved", .type = Type::integer, .least = 0, .most = 1e6},
    {.key = "l4_sorry_count", .type = Type::integer, .least = 0, .most = 1e6},
    {.key = "l4_not_applicable", .type = Type::integer, .least = 0, .most = 1e6},
    {.key = "status", .type = Type::text},
    {.key = "notes"},
    {.key = "discharge_ledger", .type = Type::objects, .shape = &kLedger},
};
constexpr Shape kSummary = {"verification_summary", kSummaryFields, false,
                            "counts typed by hand; recomputed here"};

constexpr Field kMergeGateFields[] = {
    {.key = "g1_classifier_green"},
    {.key = "g2_cli_reachable"},
    {.key = "g3_e2e_runs"},
    {.key = "g4_contract_discharged"},
};
constexpr Shape kMergeGates = {"merge_gates", kMergeGateFields, false, ""};
constexpr Field kShipFields[] = {
    {.key = "merge_gates", .type = Type::object, .shape = &kMergeGates}};
constexpr Shape kShip = {"ship_discipline", kShipFields, false, "gates typed by hand"};

constexpr Field kContractFields[] = {
    {.key = "metadata", .type = Type::object, .shape = &kMetadata},
    {.key = "equations", .type = Type::named_objects, .shape = &kEquation},
    {.key = "falsification_tests", .type = Type::objects, .shape = &kClaim},
    {.key = "proof_obligations", .type = Type::objects, .shape = &kObligation},
    {.key = "kani_harnesses", .type = Type::objects, .shape = &kKani},
    {.key = "qa_gate", .type = Type::object, .shape = &kGate},
    {.key = "enforcement", .type = Type::named_objects, .shape = &kEnforcement},
    {.key = "kernel_structure", .type = Type::object, .shape = &kStructure},
    {.key = "simd_dispatch", .help = "per kernel, the function of each instruction set"},
    {.key = "verification_summary", .type = Type::object, .shape = &kSummary},
    {.key = "ship_discipline", .type = Type::object, .shape = &kShip},
    {.key = "falsification", .type = Type::named_objects, .shape = &kLegacyClaim},
    {.key = "pmat_work_tracking"},
    {.key = "type_invariants"},
    {.key = "coq_spec"},
    {.key = "beat"},
    {.key = "stories"},
    {.key = "name", .type = Type::text},
};
constexpr Shape kContract = {"contract", kContractFields, false,
                             "A contract: claims about numerical kernels."};

}  // namespace

const Field* Shape::field(std::string_view key) const {
  const auto it = std::ranges::find_if(fields, [&](const Field& f) {
    return f.key == key || (!f.old_name.empty() && f.old_name == key);
  });
  return it == fields.end() ? nullptr : &*it;
}

const Shape& contract_shape() {
  return kContract;
}
const Shape& claim_shape() {
  return kClaim;
}

const SpanNode* find_field(const Shape& shape, const SpanNode& node, std::string_view key) {
  if (const SpanNode* found = node.find(key)) return found;
  const Field* field = shape.field(key);
  return field == nullptr || field->old_name.empty() ? nullptr : node.find(field->old_name);
}

std::string_view field_text(const Shape& shape, const SpanNode& node, std::string_view key) {
  const SpanNode* found = find_field(shape, node, key);
  return found != nullptr && found->is_scalar() ? std::string_view(found->text)
                                                : std::string_view();
}

}  // namespace refute::pipeline
