#pragma once

#include <array>
#include <string_view>

namespace refute::pipeline {

/// One kind of finding about workers and bindings. `refute explain` shows these rows.
struct DiagnosticCode {
  std::string_view code, title, explanation;
};

inline constexpr std::array<DiagnosticCode, 21> kExecuteCodes = {{
    {"RF0801", "worker cannot be started",
     "The file is missing, not executable, or not a program for this machine. Workers are the "
     "files falsify_* in the "
     "worker folder and those named with --worker."},
    {"RF0802", "worker failed to list itself",
     "`WORKER --list` crashed, exited with a non-zero status, or took longer than ten seconds."},
    {"RF0803", "worker's list is malformed",
     "`WORKER --list` must print one JSON object as harness/PROTOCOL.md describes, and nothing "
     "else."},
    {"RF0804", "two workers for one contract",
     "A contract's falsifiers live in one worker: with two, nobody could say which of them a "
     "claim "
     "rests on."},
    {"RF0805", "two subject servers of one name",
     "Evidence names its subject, so two subjects of one contract cannot share a name, also not "
     "with a built-in one."},
    {"RF0806", "worker for an unknown contract",
     "A worker named with --worker speaks of a contract that was not loaded, so nothing of it "
     "would run."},
    {"RF0807", "worker folder cannot be read",
     "The folder of the workers is missing, or holds none. It is `falsifiers` beside the refute "
     "executable "
     "unless "
     "--worker-dir says "
     "otherwise."},
    {"RF0808", "subject server binds to nothing",
     "No row of the contract's worker asks only for operations that this server serves."},
    {"RF0811", "claim without a falsifier",
     "No row of the contract's worker carries this id, so nothing tries to refute it. An error "
     "where the claim has "
     "machine-read parameters, a warning elsewhere."},
    {"RF0812", "row without a claim",
     "The worker has a falsifier for an id that its contract does not list: a claim was removed "
     "or "
     "its id misspelt."},
    {"RF0813", "unknown mutant",
     "The claim names a mutant that the falsifier's row cannot stand in."},
    {"RF0814", "mutant not asked for",
     "The falsifier's row offers a mutant that the claim does not name."},
    {"RF0815", "unknown subject",
     "The claim names a subject that the falsifier's row does not offer."},
    {"RF0816", "subject not asked for",
     "The falsifier's row offers a subject that the claim does not name."},
    {"RF0817", "parameter missing",
     "The falsifier reads a parameter that the claim does not give. Falsifiers hold no numbers of "
     "their own."},
    {"RF0818", "parameter not read",
     "The claim gives a parameter that its falsifier does not read: the number in the contract "
     "has "
     "no effect."},
    {"RF0819", "unknown control",
     "The claim's positive control is not among the controls that the row offers."},
    {"RF0820", "claim without subjects",
     "The claim is bound but names no subject, so there is nothing to run."},
    {"RF0821", "fixture differs from its index",
     "The file's SHA-256 is not the one in fixtures/index.json. It is not used; fetch it again, "
     "or "
     "correct the index."},
    {"RF0822", "fixtures index is malformed",
     "fixtures/index.json must be a list of {\"name\": …, \"path\": …, \"sha256\": …}, paths from "
     "the folder above."},
    {"RF0823", "parameter value that its falsifier cannot take",
     "The falsifier knows what each of its parameters may be: which words, numbers of which range, "
     "a list that is not empty. Every job of the claim would fail on this value, so nothing is "
     "run."},
}};

}  // namespace refute::pipeline
