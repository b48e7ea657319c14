#include "harness/pipeline/load/scalar.hpp"

#include <algorithm>
#include <charconv>

namespace refute::pipeline {
namespace {

constexpr std::string_view kDigits = "0123456789";

bool all_of(std::string_view text, std::string_view set) {
  return !text.empty() && text.find_first_not_of(set) == std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_odd(std::string_view unsigned_text) {
  if (unsigned_text.size() < 2 || kDigits.find(unsigned_text[0]) == std::string_view::npos)
    return false;
  const std::string text = lower(unsigned_text);
  const bool prefixed = text.starts_with("0x") || text.starts_with("0o") || text.starts_with("0b");
  if (prefixed) return all_of(text.substr(2), "0123456789abcdef_");
  if (text[0] == '0' && all_of(text, kDigits)) return true;
  return text.find('_') != std::string::npos && all_of(text, "0123456789_.e");
}

// The decimal reals of YAML 1.2's core schema.
bool is_real(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t start = i;
    while (i < text.size() && kDigits.find(text[i]) != std::string_view::npos) ++i;
    return i - start;
  };
  std::size_t mantissa = digits();
  if (i < text.size() && text[i] == '.') {
    ++i;
    mantissa += digits();
  }
  if (mantissa == 0) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

Scalar read_integer(std::string_view text, std::string_view digits) {
  std::int64_t value = 0;
  const std::string_view signless = text.starts_with('+') ? digits : text;
  const auto [end, error] =
      std::from_chars(signless.data(), signless.data() + signless.size(), value);
  if (error != std::errc() || end != signless.data() + signless.size()) return Infinite{};
  return value;
}

Scalar read_real(std::string_view text, std::string_view unsigned_text) {
  double value = 0;
  const std::string_view signless = text.starts_with('+') ? unsigned_text : text;
  const auto [end, error] =
      std::from_chars(signless.data(), signless.data() + signless.size(), value);
  if (error != std::errc()) return Infinite{};
  return value;
}

Scalar read_plain(std::string_view text) {
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  std::string_view unsigned_text = text;
  if (text.starts_with('+') || text.starts_with('-')) unsigned_text.remove_prefix(1);
  const std::string word = lower(unsigned_text);
  if (word == ".inf") return Infinite{};
  if (word == ".nan") return NotANumber{};
  if (is_odd(unsigned_text)) return OddNumber{};
  if (all_of(unsigned_text, kDigits)) return read_integer(text, unsigned_text);
  if (is_real(unsigned_text)) return read_real(text, unsigned_text);
  return text;
}

struct ToValue {
  std::string_view text;
  Value operator()(std::string_view s) const { return Value(s); }
  Value operator()(bool b) const { return Value(b); }
  Value operator()(std::int64_t i) const { return Value(i); }
  Value operator()(double d) const { return Value(d); }
  Value operator()(NotANumber) const { return Value(text); }
  Value operator()(Infinite) const { return Value(text); }
  Value operator()(OddNumber) const { return Value(text); }
};

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

}  // namespace

Scalar read_scalar(const SpanNode& node) {
  if (node.style != SpanNode::Style::plain) return std::string_view(node.text);
  return read_plain(node.text);
}

Scalar read_plain_scalar(std::string_view text) {
  return read_plain(text);
}

Value to_value(const SpanNode& node) {
  switch (node.kind) {
    case SpanNode::Kind::null:
    case SpanNode::Kind::refused:
      return Value();
    case SpanNode::Kind::scalar:
      return std::visit(ToValue{node.text}, read_scalar(node));
    case SpanNode::Kind::list: {
      Value::List list;
      for (const SpanNode& item : node.items) list.push_back(to_value(item));
      return Value(std::move(list));
    }
    case SpanNode::Kind::map: {
      Value::Map map;
      for (const SpanMember& member : node.members)
        map.emplace_back(member.key, to_value(member.value));
      return Value(std::move(map));
    }
  }
  return Value();
}

const double* as_number(const Scalar& scalar, double& storage) {
  if (const auto* i = std::get_if<std::int64_t>(&scalar)) {
    storage = static_cast<double>(*i);
    return &storage;
  }
  return std::get_if<double>(&scalar);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string folded(std::string_view text) {
  std::string out;
  bool gap = false;
  for (const char c : trimmed(text)) {
    if (is_blank(c)) {
      gap = true;
      continue;
    }
    if (gap) out += ' ';
    gap = false;
    out += c;
  }
  return out;
}

}  // namespace refute::pipeline
