#include "falsifiers/crux_l_02/power_lists.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace refute::falsifiers {
namespace {

using instruments::PowerList;
using worker::Context;
using Names = std::vector<std::string>;

/// What stands in one list and not in the other.
Names missing(const Names& from, const Names& in) {
  Names all;
  for (const std::string& name : from) {
    if (std::ranges::find(in, name) == in.end()) all.push_back(name);
  }
  return all;
}

/// Both ways, and the order of shapes and seeds is part of what is frozen.
std::optional<Verdict> differ(Context& context, const std::string& list, const Names& frozen,
                              const Names& run) {
  context.add_cases(1);
  if (context.compare().holds(frozen == run, list + " is what the contract freezes"))
    return std::nullopt;
  const Names gone = missing(frozen, run), more = missing(run, frozen);
  const std::string what =
      !gone.empty()   ? fmt::format("`{}` is not run", gone.front())
      : !more.empty() ? fmt::format("`{}` is run, and the contract does not name it", more.front())
                      : "its order is another";
  return worker::refuted(fmt::format("{}: {}", list, what),
                         Value::Map{{"list", Value(list)}, {"what", Value(what)}});
}

}  // namespace

std::optional<Verdict> check_lists(Context& context, const std::string& op, const PowerList& run) {
  for (const auto& [kind, names] : {std::pair{"wrong", &run.wrong},
                                    {"correct", &run.correct},
                                    {"shapes", &run.shapes},
                                    {"excluded", &run.excluded}}) {
    const std::string list = fmt::format("{}_{}", kind, op);
    if (auto verdict = differ(context, list, context.words(list), *names)) return verdict;
  }
  return std::nullopt;
}

}  // namespace refute::falsifiers
