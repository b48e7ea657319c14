#include "harness/json/json.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace refute::json {
namespace {

/// Builds a Value from nlohmann's events. Events rather than its DOM, because the DOM lets the last
/// of two equal keys win without a word, and because bounds have to hold while reading, not
/// afterwards.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(const Bounds& bounds) : bounds_(bounds) {}

  bool null() override { return add(Value()); }
  bool boolean(bool b) override { return add(Value(b)); }
  bool number_integer(number_integer_t i) override { return add(Value(std::int64_t{i})); }
  bool number_unsigned(number_unsigned_t u) override { return add(Value(std::uint64_t{u})); }
  bool number_float(number_float_t d, const string_t& text) override {
    if (!std::isfinite(d)) return fail("the number " + text + " overflows a double");
    return add(Value(d));
  }
  bool string(string_t& s) override { return add(Value(std::move(s))); }
  bool binary(binary_t&) override { return fail("binary data is no JSON"); }

  bool start_object(std::size_t) override { return open(Value(Value::Map{})); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(Value(Value::List{})); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    if (!stack_.back().keys.insert(name).second)
      return fail("the key \"" + name + "\" stands twice in one object");
    stack_.back().key = std::move(name);
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& e) override {
    if (error_.empty()) {
      // "[json.exception.parse_error.101] parse error at line 1, column 5: …": the reader needs
      // only the end of it.
      std::string_view text = e.what();
      const auto bracket = text.find("] ");
      error_ = bracket == text.npos ? std::string(text) : std::string(text.substr(bracket + 2));
    }
    return false;
  }

  const std::string& error() const { return error_; }
  Value take() { return std::move(root_); }

 private:
  struct Frame {
    Value value;
    std::string key;
    std::unordered_set<std::string> keys;
  };

  bool fail(std::string why) {
    error_ = std::move(why);
    return false;
  }

  bool count() {
    if (++nodes_ > bounds_.nodes) return fail(fmt::format("more than {} values", bounds_.nodes));
    return true;
  }

  bool open(Value container) {
    if (!count()) return false;
    if (stack_.size() >= bounds_.depth)
      return fail(fmt::format("nested deeper than {}", bounds_.depth));
    stack_.push_back({std::move(container), {}, {}});
    return true;
  }

  bool close() {
    Value done = std::move(stack_.back().value);
    stack_.pop_back();
    place(std::move(done));
    return true;
  }

  bool add(Value value) {
    if (!count()) return false;
    place(std::move(value));
    return true;
  }

  void place(Value value) {
    if (stack_.empty()) {
      root_ = std::move(value);
    } else if (Value::Map* map = stack_.back().value.as_map()) {
      map->emplace_back(std::move(stack_.back().key), std::move(value));
    } else {
      stack_.back().value.push(std::move(value));
    }
  }

  const Bounds& bounds_;
  std::vector<Frame> stack_;
  Value root_;
  std::size_t nodes_ = 0;
  std::string error_;
};

std::string quoted(const std::string& s) {
  return nlohmann::json(s).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string number(double d) {
  if (std::isnan(d)) return "\"nan\"";
  if (std::isinf(d)) return d > 0 ? "\"inf\"" : "\"-inf\"";
  std::string text = fmt::format("{}", d);
  // "1" would come back as an integer.
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

/// `indent` below zero writes one line.
class Writer {
 public:
  explicit Writer(bool pretty) : pretty_(pretty) {}

  std::string take() { return std::move(out_); }

  void write(const Value& v) {
    if (const auto* map = v.as_map()) {
      container('{', '}', map->size(), [&](std::size_t i) {
        out_ += quoted((*map)[i].first);
        out_ += pretty_ ? ": " : ":";
        write((*map)[i].second);
      });
    } else if (const auto* list = v.as_list()) {
      container('[', ']', list->size(), [&](std::size_t i) { write((*list)[i]); });
    } else {
      scalar(v);
    }
  }

 private:
  void scalar(const Value& v) {
    if (const auto* b = v.as_bool()) {
      out_ += *b ? "true" : "false";
    } else if (const auto* i = v.as_int()) {
      out_ += fmt::format("{}", *i);
    } else if (const auto* d = v.as_double()) {
      out_ += number(*d);
    } else if (const auto* s = v.as_string()) {
      out_ += quoted(*s);
    } else {
      out_ += "null";
    }
  }

  template <class Item>
  void container(char open, char close, std::size_t count, Item item) {
    out_ += open;
    ++depth_;
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) out_ += ',';
      newline();
      item(i);
    }
    --depth_;
    if (count > 0) newline();
    out_ += close;
  }

  void newline() {
    if (!pretty_) return;
    out_ += '\n';
    out_.append(2 * depth_, ' ');
  }

  bool pretty_;
  std::size_t depth_ = 0;
  std::string out_;
};

}  // namespace

Result<Value> parse(std::string_view text, const Bounds& bounds) {
  if (text.size() > bounds.bytes) {
    return Error{
        fmt::format("JSON of {} bytes is longer than the {} allowed", text.size(), bounds.bytes),
        ""};
  }
  Builder builder(bounds);
  if (!nlohmann::json::sax_parse(text, &builder) || !builder.error().empty()) {
    return Error{"JSON: " + builder.error(), ""};
  }
  return builder.take();
}

std::string dump(const Value& value) {
  Writer writer(false);
  writer.write(value);
  return writer.take();
}

std::string dump_pretty(const Value& value) {
  Writer writer(true);
  writer.write(value);
  return writer.take() + "\n";
}

}  // namespace refute::json
