#include "falsifiers/crux_b_20/diff_tool.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

// Not called here, but what the command is made of belongs to the digest of its evidence.
#include "harness/instruments/quant_diff.hpp"
#include "harness/instruments/quantize.hpp"
#include "harness/json/json.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/expand.hpp"
#include "harness/worker/refute_command.hpp"

namespace refute::falsifiers {
namespace {

using worker::Context;

constexpr double kTimeLimit = 60;  // seconds for one run of a command on small files

Value seed_value(std::uint64_t seed) {
  Value v;
  v.set("seed", std::to_string(seed));
  return v;
}

std::optional<std::uint64_t> replayed_seed(const Context& context) {
  const Value* seed = context.replay() ? context.replay()->find("seed") : nullptr;
  return seed ? worker::unsigned_from(*seed) : std::nullopt;
}

Verdict run_cases(DiffTool& tool, std::uint64_t cases, const DiffCheck& check) {
  Context& context = tool.context();
  const auto replayed = replayed_seed(context);
  for (std::uint64_t k = 0; k < (replayed ? 1 : cases); ++k) {
    const std::uint64_t seed = replayed ? *replayed : worker::derive_seed(context.seed(), k);
    context.add_cases(1);
    if (check(tool, seed)) continue;
    const auto& mismatch = context.compare().mismatch();
    return worker::refuted(mismatch ? mismatch->sentence() : "no comparison was made",
                           seed_value(seed));
  }
  return worker::survived();
}

}  // namespace

DiffTool::DiffTool(Context& context, std::string refute)
    : context_(context), refute_(std::move(refute)) {}

QuantDiffAnswer DiffTool::diff(std::vector<std::string> arguments) {
  return tampered(honest_diff(std::move(arguments)));
}

QuantDiffAnswer DiffTool::quantize(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "quantize");
  const worker::CommandAnswer end =
      worker::run_command(refute_, arguments, {"NO_COLOR=1"}, kTimeLimit);
  return tampered({.exit_status = end.status, .said = end.out + end.err, .rows = {}});
}

QuantDiffAnswer DiffTool::tampered(QuantDiffAnswer answer) const {
  if (context_.job().arm != Arm::mutant) return answer;
  const auto* mutant = mutants::quant_diff_mutant(context_.job().mutant.text);
  if (!mutant)
    throw worker::JobError("there is no diff called `" + context_.job().mutant.text + "`");
  mutant->tamper(answer);
  return answer;
}

QuantDiffAnswer DiffTool::honest_diff(std::vector<std::string> arguments) {
  const std::string written = folder_ / "rows.json";
  std::filesystem::remove(written);
  arguments.insert(arguments.begin(), "diff");
  arguments.insert(arguments.end(), {"--output", "json=" + written});
  const worker::CommandAnswer end =
      worker::run_command(refute_, arguments, {"NO_COLOR=1"}, kTimeLimit);
  QuantDiffAnswer answer{.exit_status = end.status, .said = end.out + end.err, .rows = {}};
  if (std::filesystem::exists(written)) {
    auto rows = json::parse(read_bytes(written));
    if (rows) answer.rows = *std::move(rows);
  }
  return answer;
}

void DiffTool::run(std::vector<std::string> arguments) {
  const worker::CommandAnswer end =
      worker::run_command(refute_, arguments, {"NO_COLOR=1"}, kTimeLimit);
  if (end.status != 0)
    throw worker::JobError(
        fmt::format("`refute {}` exits {}: {}", arguments[0], end.status, end.out + end.err));
}

Verdict check_command(Context& context, const DiffCheck& check) {
  const std::uint64_t cases = context.count("cases");
  const std::string refute = worker::refute_program();
  if (refute.empty()) {
    return worker::declined(DeclineReason::not_served,
                            "REFUTE_COMMAND does not say which refute to run");
  }
  context.domain(Domain::live);
  DiffTool tool(context, refute);
  return run_cases(tool, cases, check);
}

const Value* row_of(const QuantDiffAnswer& answer, const std::string& tensor) {
  const Value::List* rows = answer.rows.as_list();
  if (!rows) return nullptr;
  const auto row =
      std::ranges::find_if(*rows, [&](const Value& r) { return text_of(&r, "tensor") == tensor; });
  return row == rows->end() ? nullptr : &*row;
}

namespace {

template <class Test>
bool any_finding(const Value* row, Test test) {
  const Value* findings = row ? row->find("findings") : nullptr;
  const Value::List* list = findings ? findings->as_list() : nullptr;
  return list && std::ranges::any_of(*list, test);
}

}  // namespace

bool has_finding(const Value* row, const std::string& kind) {
  return any_finding(row, [&](const Value& f) { return text_of(&f, "kind") == kind; });
}

bool finding_says(const Value* row, const std::string& text) {
  return any_finding(
      row, [&](const Value& f) { return text_of(&f, "message").find(text) != std::string::npos; });
}

std::size_t row_count(const QuantDiffAnswer& answer) {
  const Value::List* rows = answer.rows.as_list();
  return rows ? rows->size() : 0;
}

std::string text_of(const Value* row, const std::string& key) {
  const Value* v = row ? row->find(key) : nullptr;
  return v && v->as_string() ? *v->as_string() : std::string();
}

double number_of(const Value* row, const std::string& key) {
  const Value* v = row ? row->find(key) : nullptr;
  if (v && v->as_double()) return *v->as_double();
  if (v && v->as_int()) return static_cast<double>(*v->as_int());
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace refute::falsifiers
