#include "harness/instruments/fault_locator_order.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "harness/instruments/fault_locator_misfit.hpp"

namespace refute::instruments {
namespace {

/// More wrong rows than this are not searched for, as each may be compared with all.
constexpr std::size_t kMostWrong = 2000;
/// One line is confused with another too easily where a line is an element or two.
constexpr std::size_t kLeastLength = 4;

bool holds(const FaultObservation& o, std::size_t at, std::size_t source) {
  const double low = metrics::nearest(o.format, o.exact[source] - o.bound[source]);
  const double high = metrics::nearest(o.format, o.exact[source] + o.bound[source]);
  return low <= o.actual[at] && o.actual[at] <= high;
}

/// Lines of an output: its rows, or its columns over all rows.
struct Lines {
  std::size_t count, length, step_of_line, step_inside;

  /// Whether one line of the output is what belongs in another.
  bool hold(const FaultObservation& o, std::size_t line, std::size_t source) const {
    for (std::size_t i = 0; i < length; ++i) {
      const std::size_t inside = i * step_inside;
      if (!holds(o, line * step_of_line + inside, source * step_of_line + inside)) return false;
    }
    return true;
  }
};

Lines rows_of(const FaultObservation& o) {
  const std::size_t d = o.problem.head_dim;
  return {o.actual.size() / d, d, d, 1};
}
Lines columns_of(const FaultObservation& o) {
  const std::size_t d = o.problem.head_dim;
  return {d, o.actual.size() / d, 1, d};
}

std::vector<std::size_t> wrong_lines(const FaultObservation& o, const Lines& lines) {
  std::vector<std::size_t> wrong;
  for (std::size_t line = 0; line < lines.count && wrong.size() <= kMostWrong; ++line) {
    if (!lines.hold(o, line, line)) wrong.push_back(line);
  }
  return wrong;
}

/// A way in which lines can be misplaced: which line may stand where.
struct Disorder {
  const char* name;
  const char* sentence;
  Lines (*lines)(const FaultObservation&);
  bool (*may_hold)(const oracles::AttentionProblem&, std::size_t line, std::size_t source);
  std::size_t exactly;  ///< so many lines are wrong; 0: any number
};

bool one_before(const oracles::AttentionProblem&, std::size_t line, std::size_t source) {
  return source + 1 == line;
}
bool other_head(const oracles::AttentionProblem& p, std::size_t line, std::size_t source) {
  return line % p.seq_q == source % p.seq_q &&
         line / p.seq_q / p.heads_q == source / p.seq_q / p.heads_q;
}
bool other_entry(const oracles::AttentionProblem& p, std::size_t line, std::size_t source) {
  return line % (p.seq_q * p.heads_q) == source % (p.seq_q * p.heads_q);
}
bool any(const oracles::AttentionProblem&, std::size_t, std::size_t) {
  return true;
}

/// The narrower ones first.
constexpr Disorder kDisorders[] = {
    {"stale_row", "a row repeats the one before", rows_of, one_before, 0},
    {"rows_swapped", "two rows are swapped", rows_of, any, 2},
    {"heads_misplaced", "heads are written in each other's place", rows_of, other_head, 0},
    {"batches_misplaced", "entries of the batch are in each other's place", rows_of, other_entry,
     0},
    {"rows_misplaced", "rows hold the results of other rows", rows_of, any, 0},
    {"columns_misplaced", "columns hold the results of other columns", columns_of, any, 0},
};

std::optional<std::size_t> source_of(const FaultObservation& o, const Lines& lines,
                                     const Disorder& disorder, std::size_t line) {
  for (std::size_t source = 0; source < lines.count; ++source) {
    if (source == line || !disorder.may_hold(o.problem, line, source)) continue;
    if (lines.hold(o, line, source)) return source;
  }
  return std::nullopt;
}

/// The first line that is misplaced, and whose it holds.
struct Example {
  std::size_t line, source;
};

/// False unless every wrong line is explained; sets the example if there is none yet. Lines of an
/// element or two can contradict, and are no example.
bool explains(const Disorder& disorder, const FaultObservation& o,
              std::optional<Example>& example) {
  const Lines lines = disorder.lines(o);
  const std::vector<std::size_t> wrong = wrong_lines(o, lines);
  if (wrong.size() > kMostWrong) return false;
  if (!wrong.empty() && disorder.exactly != 0 && wrong.size() != disorder.exactly) return false;
  for (const std::size_t line : wrong) {
    const auto source = source_of(o, lines, disorder, line);
    if (!source) return false;
    if (!example && lines.length >= kLeastLength) example = Example{line, *source};
  }
  return true;
}

}  // namespace

std::vector<FaultName> misplaced(std::span<const FaultObservation> observations) {
  for (const Disorder& disorder : kDisorders) {
    std::optional<Example> example;
    const bool all = std::ranges::all_of(
        observations, [&](const FaultObservation& o) { return explains(disorder, o, example); });
    if (!all || !example) continue;
    const char* line = disorder.lines == columns_of ? "column" : "row";
    return {{disorder.name,
             fmt::format("{} ({} {} holds that of {})", disorder.sentence, line, example->line,
                         example->source),
             1}};
  }
  return {};
}

}  // namespace refute::instruments
