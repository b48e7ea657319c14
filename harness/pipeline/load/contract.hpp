#pragma once

#include "harness/model/contract.hpp"
#include "harness/pipeline/load/document.hpp"

namespace refute::pipeline {

/// The contract as the rest of the pipeline uses it. Never fails: what could not be read has been
/// reported, and claims without an id are left out.
Contract build_contract(const Document& document);

/// The normalised clause of a claim with the equation that it binds to; prose is folded, so that
/// re-wrapping a text changes no digest.
Value build_clause(const Document& document, const SpanNode& node, const Claim& claim);

}  // namespace refute::pipeline
