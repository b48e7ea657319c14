// `refute power` itself, which anyone may ask: that it runs what the contract freezes, with the
// contract's numbers, and says so.

#include <optional>

#include <fmt/format.h>

#include "falsifiers/crux_l_02/power_lists.hpp"
#include "harness/json/json.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/refute_command.hpp"

namespace refute::falsifiers {
namespace {

using instruments::PowerList;
using worker::Context;

const Value kNothing{};
const Value& at(const Value& record, std::string_view key) {
  const Value* found = record.find(key);
  return found != nullptr ? *found : kNothing;
}
std::string text(const Value& record, std::string_view key) {
  const std::string* s = at(record, key).as_string();
  return s != nullptr ? *s : "";
}
const Value::List& list(const Value& record, std::string_view key) {
  static const Value::List kNone;
  const Value::List* found = at(record, key).as_list();
  return found != nullptr ? *found : kNone;
}

/// What the record of one op says was run.
PowerList list_of(const Value& record, const std::string& op) {
  PowerList l;
  for (const Value& k : list(record, "wrong_kernels")) {
    l.wrong.push_back(text(k, "name"));
    const std::string where = text(k, "inert_where");
    if (!where.empty()) l.excluded.push_back(fmt::format("{}: {}", l.wrong.back(), where));
  }
  for (const Value& k : list(record, "correct_kernels")) l.correct.push_back(text(k, "name"));
  for (const Value& s : list(record, "shapes")) {
    const std::string shape = s.is_string() ? *s.as_string() : "";
    l.shapes.push_back(shape.starts_with(op + " ") ? shape.substr(op.size() + 1) : shape);
  }
  return l;
}

std::optional<Verdict> check_record(Context& context, const std::string& op, const Value& record) {
  if (auto verdict = check_lists(context, op, list_of(record, op))) return verdict;
  auto& compare = context.compare();
  const auto wrong = [&](const std::string& what) {
    return worker::refuted(fmt::format("refute power --op {}: {}: not so", op, what),
                           Value::Map{{"op", Value(op)}, {"wanted", Value(what)}});
  };
  for (const char* name :
       {"lambda", "exp_ulps", "row_rms_factor", "row_max_factor", "row_floor_factor", "row_share",
        "sign_deviations", "sign_drift", "sign_ruled"}) {
    const double* x = at(at(record, "parameters"), name).as_double();
    const std::string what = fmt::format("{} is the contract's", name);
    if (!compare.holds(x != nullptr && *x == context.real(name), what)) return wrong(what);
  }
  const auto least = worker::unsigned_from(at(at(record, "parameters"), "sign_least"));
  if (!compare.holds(least == context.count("sign_least"), "sign_least is the contract's"))
    return wrong("sign_least is the contract's");
  const Value::List& rules = list(record, "rules");
  const Value& rule = rules.empty() ? kNothing : rules.back();
  const auto count = [&](const char* key) { return worker::unsigned_from(at(rule, key)); };
  const bool holds = text(rule, "id") == "contract" && count("wrong_passed") == 0u &&
                     count("correct_refused") == 0u && count("wrong").value_or(0) > 0;
  if (!compare.holds(holds, "the rule is right everywhere")) {
    return wrong("the contract's rule passes 0 wrong and refuses 0 correct");
  }
  return std::nullopt;
}

}  // namespace

Verdict power_command(Context& context) {
  context.domain(Domain::live);
  const std::string program = worker::refute_program();
  if (program.empty()) {
    return worker::declined(DeclineReason::not_served,
                            "REFUTE_COMMAND names no command: refute has to start this worker");
  }
  for (const std::string& op : context.words("ops")) {
    context.add_cases(1);
    const worker::CommandAnswer answer = worker::run_command(
        program,
        {"power", "--op", op, "--seeds", "1", "--first-seed",
         fmt::format("{}", context.count("first_seed")), "--jobs", "1", "--json"},
        {}, context.job().limits.time_s);
    if (!context.compare().equal(static_cast<std::uint64_t>(answer.status), 0, "exit status")) {
      return worker::refuted(fmt::format("refute power --op {} exits with {}", op, answer.status),
                             Value::Map{{"op", Value(op)}, {"wanted", Value("status 0")}});
    }
    auto parsed = json::parse(answer.out, {std::size_t{4} << 20, 32, 100'000});
    const Value record = parsed && parsed->is_map() ? *std::move(parsed) : Value(Value::Map{});
    if (auto verdict = check_record(context, op, record)) return *verdict;
  }
  return worker::survived();
}

}  // namespace refute::falsifiers
