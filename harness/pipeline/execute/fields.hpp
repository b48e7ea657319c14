#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/ids.hpp"
#include "harness/model/value.hpp"

namespace refute::pipeline {

/// Reads the members of a JSON object that somebody else wrote. Nothing is trusted and nothing is
/// defaulted in silence: the first thing that is wrong is kept in problem(), and what was read is
/// then of no use.
class Fields {
 public:
  /// `where` goes in front of member names in messages: "rows/3/".
  explicit Fields(const Value& object, std::string where = "");

  // Required members.
  std::string text(std::string_view name);
  std::string filled_text(std::string_view name);  ///< and not empty
  std::uint64_t count(std::string_view name);
  std::size_t word(std::string_view name,
                   std::span<const std::string_view> words);  ///< index of the word
  const Value::List& list(std::string_view name);
  Digest digest(std::string_view name);

  // Members that may be left out.
  std::string optional_text(std::string_view name);
  std::uint64_t optional_count(std::string_view name);
  bool optional_flag(std::string_view name);
  std::vector<std::string> optional_texts(std::string_view name);  ///< no two alike, none empty
  const Value& optional_map(std::string_view name);
  const Value::List& optional_list(std::string_view name);
  const Value& any(std::string_view name);

  /// Names the first member that nobody asked for. To be called after the last read.
  void close();
  void fail(std::string problem);
  const std::string& problem() const { return problem_; }
  bool good() const { return problem_.empty(); }

 private:
  const Value* find(std::string_view name, bool required);
  void wrong(std::string_view name, std::string_view wanted);

  const Value& object_;
  std::string where_;
  std::vector<std::string_view> asked_;
  std::string problem_;
};

/// 64 lower-case hex digits.
bool looks_like_digest(std::string_view text);

}  // namespace refute::pipeline
