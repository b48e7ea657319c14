#pragma once

#include <memory>
#include <string>

#include "falsifiers/subjects/attention_subject.hpp"

namespace refute::falsifiers {

/// Somebody's attention behind a subject server (operation attention.forward of
/// harness/PROTOCOL.md). It is one kernel, judged as flash2, and computes with or without rounded
/// probabilities as it is asked.
std::unique_ptr<AttentionSubject> make_attention_external(const std::string& path,
                                                          double time_limit_s);

}  // namespace refute::falsifiers
