#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "harness/model/near_miss.hpp"
#include "harness/pipeline/load/scalar.hpp"
#include "harness/pipeline/load/schema.hpp"
#include "harness/pipeline/load/text_rules.hpp"

namespace refute::pipeline {
namespace {

std::string_view kind_name(const SpanNode& node) {
  switch (node.kind) {
    case SpanNode::Kind::null:
      return "nothing";
    case SpanNode::Kind::scalar:
      return "a text";
    case SpanNode::Kind::list:
      return "a list";
    case SpanNode::Kind::map:
      return "a map";
    case SpanNode::Kind::refused:
      return "something refused";
  }
  return "";
}

bool same_place(const Span& s) {
  return s.line == s.end_line && s.column == s.end_column;
}

class Checker {
 public:
  Checker(bool machine_read, Findings& findings)
      : machine_read_(machine_read), findings_(findings) {}

  void check_root(const SpanNode& root, bool sections_only) {
    for (const SpanMember& member : root.members) check_section(root, member);
    if (!sections_only) check_is_contract(root);
  }

 private:
  Severity graded() const { return machine_read_ ? Severity::error : Severity::warning; }

  void check_section(const SpanNode& root, const SpanMember& member) {
    const Shape& shape = contract_shape();
    if (member.key.starts_with("x-") || member.key.empty()) return;
    if (const Field* field = shape.field(member.key)) {
      check_value(*field, member);
    } else if (const std::string meant = missing_near(shape, root, member.key); !meant.empty()) {
      findings_.add("RF0201", Severity::error, member,
                    fmt::format("unknown section `{}`", member.key), did_you_mean(meant));
    } else {
      findings_.add("RF0203", Severity::info, member,
                    fmt::format("section `{}` is not refute's; it was not checked", member.key),
                    "write `x-` before its name to say that this is meant");
    }
  }

  void check_is_contract(const SpanNode& root) {
    const auto known = [](const SpanMember& m) { return contract_shape().field(m.key) != nullptr; };
    const auto judged = [](const SpanMember& m) {
      return m.key == "equations" || m.key == "falsification_tests" || m.key == "proof_obligations";
    };
    if (std::ranges::none_of(root.members, known)) {
      findings_.add(
          "RF0214", Severity::warning, Span{1, 1, 1, 1}, "no section of a contract is in this file",
          "a contract has metadata, equations, falsification_tests …; see `refute schema`");
    } else if (root.find("metadata") == nullptr) {
      const bool needed = std::ranges::any_of(root.members, judged);
      findings_.add("RF0204", needed ? Severity::error : Severity::warning, Span{1, 1, 1, 1},
                    "section `metadata` is missing",
                    "add metadata with at least version and description");
    }
  }

  void check_object(const Shape& shape, const SpanNode& node) {
    if (!node.is_map()) {
      // Older contracts put a plain text where a map belongs; it is readable, if by people only.
      const bool by_people =
          node.is_scalar() && !shape.closed && shape.name != "metadata" && shape.name != "claim";
      report_type(node, "a map", by_people ? graded() : Severity::error);
      return;
    }
    for (const SpanMember& member : node.members) check_member(shape, node, member);
    // A merge key or another refused one may have been meant to bring what is missing.
    if (node.find("") != nullptr) return;
    for (const Field& field : shape.fields) {
      if (field.need != Need::required || find_field(shape, node, field.key) != nullptr) continue;
      findings_.add(
          "RF0204", Severity::error, node,
          fmt::format("{} lacks `{}`", readable(shape.name), field.key),
          field.help.empty() ? std::string() : fmt::format("`{}`: {}", field.key, field.help));
    }
  }

  static std::string readable(std::string_view name) {
    std::string out(name);
    std::ranges::replace(out, '_', ' ');
    return out;
  }

  void check_member(const Shape& shape, const SpanNode& owner, const SpanMember& member) {
    if (member.key.starts_with("x-") || member.key.empty()) return;
    if (const Field* field = shape.field(member.key)) {
      const bool both = owner.find(field->key) != nullptr && field->key != member.key;
      if (field->key != member.key && !both) {
        findings_.add("RF0213", Severity::info, member,
                      fmt::format("`{}` is read as `{}`", member.key, field->key),
                      fmt::format("write `{}`", field->key));
      }
      if (!both) check_value(*field, member);
      return;
    }
    const std::string meant = missing_near(shape, owner, member.key);
    if (!meant.empty()) {
      findings_.add("RF0201", Severity::error, member, fmt::format("unknown key `{}`", member.key),
                    did_you_mean(meant));
    } else {
      findings_.add(
          "RF0202", shape.closed ? Severity::error : Severity::warning, member,
          fmt::format("unknown key `{}` in {}; nothing reads it", member.key, readable(shape.name)),
          "remove it, or write `x-` before its name");
    }
  }

  // Only a key that is not there itself can have been meant: `tests` beside `test` is another key.
  static std::string missing_near(const Shape& shape, const SpanNode& owner, std::string_view key) {
    std::vector<std::string_view> absent;
    for (const Field& field : shape.fields) {
      // A free-form key was listed only so that it is known; another free-form key beside it is no
      // slip.
      const bool judged = field.type != Type::any || &shape == &contract_shape();
      if (judged && owner.find(field.key) == nullptr) absent.push_back(field.key);
    }
    return near_miss(key, absent, Nearness::surely_meant);
  }

  void report_type(const SpanNode& node, std::string_view wanted,
                   Severity severity = Severity::error) {
    findings_.add("RF0205", severity, node,
                  fmt::format("{} is wanted here, this is {}", wanted, kind_name(node)));
  }

  // An explicit `null` on an optional key says "none"; a key left empty says nothing.
  bool check_presence(const Field& field, const SpanMember& member) {
    const SpanNode& value = member.value;
    if (value.kind == SpanNode::Kind::refused) return false;
    const bool blank = value.is_null() || (value.is_scalar() && is_blank_text(value.text));
    if (!blank) return true;
    if (field.type == Type::any) return false;
    if (field.need == Need::required || value.is_scalar()) {
      findings_.add("RF0207", Severity::error, value, fmt::format("`{}` is blank", member.key),
                    "say it, or remove the key");
    } else if (same_place(value.span)) {
      findings_.add("RF0207", Severity::warning, member,
                    fmt::format("`{}` has no value", member.key), "give it one, or remove the key");
    }
    return false;
  }

  void check_value(const Field& field, const SpanMember& member) {
    if (!check_presence(field, member)) return;
    const SpanNode& value = member.value;
    switch (field.type) {
      case Type::any:
        return;
      case Type::object:
        return check_object(*field.shape, value);
      case Type::objects:
        return check_objects(field, value);
      case Type::named_objects:
        return check_named_objects(field, value);
      case Type::parameters:
        return check_parameters(*field.shape, value);
      case Type::texts:
        return check_texts(value);
      case Type::tolerance:
        return;  // lint_parameters judges it
      case Type::text:
      case Type::prose:
      case Type::id:
      case Type::word:
      case Type::integer:
      case Type::real:
      case Type::boolean:
      case Type::date:
      case Type::version:
        break;
    }
    if (!value.is_scalar()) {
      // Prose of older contracts is sometimes a list of lines; it is readable.
      const bool lines = value.is_list() && (field.type == Type::prose || field.type == Type::text);
      if (lines) return check_texts(value);
      return report_type(value, "one value");
    }
    check_scalar(field, value);
  }

  void check_objects(const Field& field, const SpanNode& value) {
    if (!value.is_list()) return report_type(value, "a list");
    for (const SpanNode& item : value.items) {
      if (item.kind != SpanNode::Kind::refused) check_object(*field.shape, item);
    }
  }

  void check_named_objects(const Field& field, const SpanNode& value) {
    if (value.is_list()) return check_objects(field, value);
    if (!value.is_map()) return report_type(value, "a map of names");
    for (const SpanMember& member : value.members) {
      if (member.key.starts_with("x-") || member.value.kind == SpanNode::Kind::refused) continue;
      const bool described_by_text = member.value.is_scalar() && !is_blank_text(member.value.text);
      if (described_by_text) continue;
      if (member.value.is_null()) {
        findings_.add("RF0207", Severity::error, member,
                      fmt::format("`{}` has nothing in it", member.key));
      } else {
        check_object(*field.shape, member.value);
      }
    }
  }

  void check_parameters(const Shape& shape, const SpanNode& value) {
    if (!value.is_map()) return report_type(value, "a map from names to values");
    for (const SpanMember& member : value.members) {
      if (member.value.is_map()) {
        check_object(shape, member.value);
      } else if (member.value.is_null()) {
        findings_.add("RF0207", Severity::error, member,
                      fmt::format("parameter `{}` has no value", member.key));
      }
    }
  }

  void check_texts(const SpanNode& value) {
    if (value.is_scalar() || value.is_map()) return;
    for (const SpanNode& item : value.items) {
      const bool blank = item.is_null() || (item.is_scalar() && is_blank_text(item.text));
      if (blank) {
        findings_.add("RF0207", Severity::error, item, "an entry of this list is blank",
                      "say it, or remove the entry");
      } else if (item.is_scalar() && is_placeholder(item.text)) {
        report_placeholder(item);
      } else if (item.is_list()) {
        report_type(item, "a text");
      }
    }
  }

  void report_placeholder(const SpanNode& node) {
    findings_.add("RF0208", Severity::error, node,
                  fmt::format("`{}` is a placeholder", trimmed(node.text)),
                  "write what is claimed, or remove the entry until it can be said");
  }

  void check_prose(const SpanNode& value) {
    if (is_placeholder(value.text)) {
      report_placeholder(value);
    } else if (const auto word = placeholder_word(value.text)) {
      findings_.add("RF0208", machine_read_ ? Severity::warning : Severity::info, value,
                    fmt::format("{} stands in this text", *word), "finish the sentence");
    }
  }

  void check_id(const SpanNode& value) {
    const std::string_view id = trimmed(value.text);
    if (id.find_first_of(" \t\n") != std::string_view::npos) {
      findings_.add("RF0309", graded(), value, fmt::format("id `{}` holds a blank", id),
                    "an id is one word");
    } else if (id.find_first_of("/\\") != std::string_view::npos || id.starts_with('.')) {
      // Evidence lies in files that are named by ids.
      findings_.add("RF0309", graded(), value, fmt::format("id `{}` reads as a path", id),
                    "write letters, digits, dashes and dots, the first a letter or a digit");
    } else if (is_placeholder(id)) {
      report_placeholder(value);
    }
  }

  // The words of public contracts were collected, not agreed: far from all of them is doubtful,
  // near to one is a slip.
  void check_word(const Field& field, const SpanNode& value) {
    std::string_view word = trimmed(value.text);
    if (word.starts_with("BLOCKER-")) word = trimmed(word.substr(0, word.find_first_of(": (")));
    for (const std::string_view known : field.words) {
      if (same_word(known, word)) return;
    }
    const std::string meant = near_miss(word, field.words, Nearness::surely_meant);
    std::string help = did_you_mean(meant);
    if (help.empty() && field.words.size() <= 12)
      help = fmt::format("one of: {}", fmt::join(field.words, ", "));
    const bool ours = field.words.size() <= 3;
    findings_.add("RF0206", meant.empty() && !ours ? graded() : Severity::error, value,
                  fmt::format("`{}` is no word for `{}`", word, field.key), std::move(help));
  }

  void check_number(const Field& field, const SpanNode& value) {
    const Scalar scalar = read_scalar(value);
    if (std::holds_alternative<OddNumber>(scalar)) {
      findings_.add("RF0215", Severity::error, value,
                    fmt::format("`{}` is read differently by different programs", value.text),
                    "write the number in plain decimals, without leading zeros or `_`");
      return;
    }
    double storage = 0;
    const double* number = as_number(scalar, storage);
    const bool whole = std::holds_alternative<std::int64_t>(scalar);
    if (number == nullptr || (field.type == Type::integer && !whole)) {
      findings_.add("RF0205", Severity::error, value,
                    fmt::format("`{}` wants {}, this is `{}`", field.key,
                                field.type == Type::integer ? "a whole number" : "a finite number",
                                trimmed(value.text)));
      return;
    }
    const bool limited = field.least != 0 || field.most != 0;
    if (limited && !(*number >= field.least && *number <= field.most)) {
      findings_.add("RF0212", Severity::error, value,
                    fmt::format("`{}` is {}, outside {} to {}", field.key, value.text, field.least,
                                field.most));
    }
  }

  void check_version(const SpanNode& value) {
    const std::string_view version = trimmed(value.text);
    if (is_semantic_version(version)) return;
    const std::string_view bare = version.starts_with('v') ? version.substr(1) : version;
    const bool nearly = is_semantic_version(bare) || is_semantic_version(std::string(bare) + ".0");
    findings_.add("RF0209", nearly && !machine_read_ ? Severity::warning : Severity::error, value,
                  fmt::format("`{}` is no semantic version", version),
                  "write MAJOR.MINOR.PATCH, such as 1.2.0");
  }

  void check_scalar(const Field& field, const SpanNode& value) {
    switch (field.type) {
      case Type::prose:
        return check_prose(value);
      case Type::id:
        return check_id(value);
      case Type::word:
        return check_word(field, value);
      case Type::integer:
      case Type::real:
        return check_number(field, value);
      case Type::boolean:
        if (std::holds_alternative<bool>(read_scalar(value))) return;
        findings_.add(
            "RF0205", Severity::error, value,
            fmt::format("`{}` wants true or false, this is `{}`", field.key, trimmed(value.text)),
            "write true or false, unquoted; yes and no are texts");
        return;
      case Type::date:
        if (is_date(trimmed(value.text))) return;
        findings_.add("RF0210", Severity::error, value,
                      fmt::format("`{}` is no date", trimmed(value.text)), "write YYYY-MM-DD");
        return;
      case Type::version:
        return check_version(value);
      case Type::text:
      case Type::any:
      case Type::texts:
      case Type::tolerance:
      case Type::object:
      case Type::objects:
      case Type::named_objects:
      case Type::parameters:
        return;
    }
  }

  bool machine_read_;
  Findings& findings_;
};

}  // namespace

void check_schema(const SpanNode& root, bool machine_read, bool sections_only, Findings& findings) {
  if (root.kind == SpanNode::Kind::refused) return;
  if (!root.is_map()) {
    findings.add("RF0205", Severity::error, root,
                 fmt::format("a contract is a map, this is {}", kind_name(root)));
    return;
  }
  Checker(machine_read, findings).check_root(root, sections_only);
}

}  // namespace refute::pipeline
