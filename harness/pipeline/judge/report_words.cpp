#include "harness/pipeline/judge/report_words.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace refute::pipeline {
namespace {

/// A line of a report has room for this many figures; `--format json` has them all.
constexpr std::size_t kShown = 2;

bool is_share(std::string_view name) {
  return name.find("relative") != std::string_view::npos ||
         name.find("fraction") != std::string_view::npos || name.ends_with("_share");
}

std::string number_words(std::string_view name, double number) {
  if (std::isfinite(number) && is_share(name)) return fmt::format("{:.4g} %", 100 * number);
  return fmt::format("{:.4g}", number);
}

std::string value_words(std::string_view name, const Value& value) {
  if (const double* d = value.as_double()) return number_words(name, *d);
  if (const std::int64_t* i = value.as_int()) return fmt::format("{}", *i);
  if (const std::string* s = value.as_string()) return printable(*s);
  if (const bool* b = value.as_bool()) return *b ? "yes" : "no";
  return "…";
}

struct Detail {
  std::string operator()(const Survived&) const { return ""; }
  std::string operator()(const Refuted& r) const { return r.message; }
  std::string operator()(const Declined& d) const {
    return d.message.empty() ? std::string(to_string(d.reason)) : d.message;
  }
  std::string operator()(const Crashed& c) const {
    const std::string how = c.signal != 0 ? fmt::format("signal {}", c.signal)
                                          : fmt::format("exit status {}", c.exit_status);
    return c.message.empty() ? how : fmt::format("{} ({})", c.message, how);
  }
  std::string operator()(const TimedOut& t) const {
    return fmt::format("over its limit of {} s", t.limit_s);
  }
  std::string operator()(const Broken& b) const { return b.message; }
  std::string operator()(const Nondeterministic& n) const { return n.message; }
};

}  // namespace

std::string with_thousands(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string counted(std::uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", with_thousands(number), noun, number == 1 ? "" : "s");
}

std::string printable(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n' || c == '\r' || c == '\t') {
      result += ' ';
    } else if (byte < 0x20 || byte == 0x7f) {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return result;
}

std::string measured(const Value& measurements) {
  std::vector<std::string> parts;
  const Value::Map* map = measurements.as_map();
  if (map == nullptr) return "";
  for (const auto& [name, value] : *map) {
    if (parts.size() == kShown) {
      parts.push_back(fmt::format("{} more", map->size() - kShown));
      break;
    }
    std::string words = printable(name);
    std::ranges::replace(words, '_', ' ');
    parts.push_back(fmt::format("{} {}", words, value_words(name, value)));
  }
  return joined(parts, ", ");
}

std::string arm_words(const Evidence& evidence) {
  switch (evidence.arm) {
    case Arm::subject:
      return "";
    case Arm::mutant:
      return "mutant " + evidence.mutant.text;
    case Arm::negated:
      return "negated check";
    case Arm::control:
      return "control";
  }
  return "";
}

bool gave_no_verdict(const Verdict& verdict) {
  return std::holds_alternative<Crashed>(verdict) || std::holds_alternative<TimedOut>(verdict) ||
         std::holds_alternative<Broken>(verdict);
}

std::string verdict_words(const Verdict& verdict) {
  std::string words(to_string(verdict));
  std::ranges::replace(words, '_', ' ');
  return words;
}

std::string verdict_detail(const Verdict& verdict) {
  return std::visit(Detail{}, verdict);
}

namespace {

/// A command line that grows by the options of a run.
class CommandLine {
 public:
  CommandLine(std::string start, const RunFacts& run)
      : text_(std::move(start)), options_(run.options) {}

  void add(std::string_view option, const Value* value) {
    const std::string* word = value == nullptr ? nullptr : value->as_string();
    if (word == nullptr || word->empty()) return;
    text_ +=
        option.empty() ? " " + shell_word(*word) : fmt::format(" {} {}", option, shell_word(*word));
  }
  void add_each(std::string_view option, std::string_view name) {
    const Value* value = options_.find(name);
    const Value::List* list = value == nullptr ? nullptr : value->as_list();
    if (list == nullptr) return;
    for (const Value& item : *list) add(option, &item);
  }
  void add_option(std::string_view option, std::string_view name) {
    add(option, options_.find(name));
  }
  void add_store() {
    const Value* store = options_.find("store");
    if (store != nullptr && *store != Value(".refute")) add("--store", store);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  const Value& options_;
};

}  // namespace

std::string replay_command(const Evidence& evidence, const RunFacts* run) {
  std::string start =
      fmt::format("refute replay {} --subject {}", evidence.claim.text, evidence.subject.text);
  if (run == nullptr) return start;
  CommandLine command(std::move(start), *run);
  command.add_each("--contracts", "paths");
  command.add_each("--worker", "workers");
  command.add_option("--worker-dir", "worker_dir");
  const Value id(run->id);
  command.add("--run", &id);
  command.add_store();
  return command.take();
}

std::string rerun_command(const Evidence& evidence, const RunFacts* run) {
  const std::string claim =
      fmt::format(" --claim {} --subject {}", evidence.claim.text, evidence.subject.text);
  if (run == nullptr) return "refute run" + claim;
  CommandLine command("refute run", *run);
  command.add_each("", "paths");
  command.add_each("--worker", "workers");
  command.add_option("--worker-dir", "worker_dir");
  std::string text = command.take() + claim;
  if (run->seed.value != 0) text += fmt::format(" --seed {}", run->seed.value);
  return text;
}

std::string shell_word(const std::string& text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./=:@%+,").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::ranges::all_of(text, plain)) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
  return fmt::format("{}", fmt::join(parts, between));
}

}  // namespace refute::pipeline
