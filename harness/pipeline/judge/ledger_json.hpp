#pragma once

#include <string>
#include <string_view>

#include "harness/model/result.hpp"
#include "harness/pipeline/judge/ledger.hpp"

namespace refute::pipeline {

/// reports/ledger.json: what the committed evidence gives. No clock and nothing of this machine:
/// the levels, the levels per subject, the records behind them, the digest of the evidence's
/// manifest, and one of all that: a level typed by hand does not verify.
std::string ledger_json(const Ledger& ledger, const Digest& manifest);

/// What reads back: levels and records; blockers, caps and staleness are not in the file.
struct CommittedLedger {
  Ledger ledger;
  Digest manifest;
};
/// Strict: unknown members, wrong words and a spelling that ledger_json would not have written are
/// errors.
Result<CommittedLedger> parse_ledger(std::string_view text);

}  // namespace refute::pipeline
