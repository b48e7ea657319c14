#pragma once

#include <string>
#include <string_view>

#include "harness/model/evidence.hpp"
#include "harness/model/result.hpp"

namespace refute::pipeline {

/// The schema of a record. A reader refuses any other.
constexpr int kRecordSchema = 1;

/// One line of canonical JSON, without the newline: members in a fixed order, no clock, host, path,
/// duration, nonce or environment, so that another machine can reproduce it byte for byte. `record`
/// and `attestations` stand beside it.
std::string record_json(const Evidence& evidence);

/// SHA-256 of those bytes.
Digest record_digest(const Evidence& evidence);

/// The evidence with its `record` filled in: what comes out of a run before it goes to the judge or
/// the store.
Evidence with_record(Evidence evidence);

/// Reads one line back, strictly: an unknown or missing member, a wrong word, a wrong type, a
/// digest that is none or a spelling that record_json would not have written is an error that names
/// the member. Fills in `record`.
Result<Evidence> parse_record(std::string_view line);

}  // namespace refute::pipeline
