#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "harness/model/ids.hpp"
#include "harness/model/result.hpp"
#include "harness/model/value.hpp"

namespace refute::pipeline {

/// Takes the members out of a map that came from a file, each with its type. The first thing that
/// is wrong is kept and everything after it is harmless, so that a reader can ask for all members
/// and look at `error` once.
class StrictMap {
 public:
  /// `where` begins every message: "record", "record.coverage".
  StrictMap(const Value& value, std::string where);

  std::string text(std::string_view key);
  std::int64_t integer(std::string_view key);
  std::uint64_t count(std::string_view key);  ///< not negative
  double number(std::string_view key);        ///< an integer will do
  bool truth(std::string_view key);
  Digest digest(std::string_view key);          ///< 64 lower-case hex digits
  Digest digest_or_none(std::string_view key);  ///< or the empty text
  const Value& any(std::string_view key);       ///< any type, but there
  const Value::List& list(std::string_view key);
  StrictMap map(std::string_view key);  ///< its error has to be taken over with absorb()
  std::uint64_t number_text(std::string_view key);  ///< an unsigned 64-bit number in decimal text

  /// The index of the member's text in `words`.
  template <class Words>
  std::size_t word(std::string_view key, const Words& words) {
    const std::string found = text(key);
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (words[i] == found) return i;
    }
    fail(key, "is \"" + found + "\", which is no word of this schema");
    return 0;
  }

  void absorb(const StrictMap& inner);
  void fail(std::string_view key, const std::string& what);
  /// The first error; asking also refuses members that nobody took.
  std::optional<Error> finish();
  const std::optional<Error>& error() const { return error_; }

 private:
  const Value* take(std::string_view key);

  const Value& value_;
  std::string where_;
  std::set<std::string, std::less<>> taken_;
  std::optional<Error> error_;
};

bool is_digest(std::string_view text);

}  // namespace refute::pipeline
