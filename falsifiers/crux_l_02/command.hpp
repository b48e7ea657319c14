#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/worker/context.hpp"

namespace refute::falsifiers {

/// The command's own max_abs_diff and cosine_sim for each request (arguments of `refute parity`),
/// all of which `accept` has to accept. Nothing unless the job's subject is the command.
std::optional<Verdict> parity_numbers(worker::Context& context,
                                      const std::vector<std::vector<std::string>>& requests,
                                      const std::function<bool(double, double)>& accept);

}  // namespace refute::falsifiers
