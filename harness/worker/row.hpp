#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string_view>

#include "harness/model/outcome.hpp"

namespace refute::worker {

class Context;
struct ParameterRule;

/// A short list of names that can stand in a constexpr table. Too many names fail to compile.
class Words {
 public:
  constexpr Words(std::initializer_list<std::string_view> words) : size_(words.size()) {
    std::size_t i = 0;
    for (std::string_view word : words) items_.at(i++) = word;
  }
  /// The names of a table's rows.
  template <class Rows>
  static constexpr Words of(const Rows& rows) {
    Words words({});
    for (const auto& row : rows) words.items_.at(words.size_++) = row.name;
    return words;
  }
  constexpr const std::string_view* begin() const { return items_.data(); }
  constexpr const std::string_view* end() const { return items_.data() + size_; }
  constexpr std::size_t size() const { return size_; }
  constexpr bool contains(std::string_view word) const {
    for (std::string_view item : *this) {
      if (item == word) return true;
    }
    return false;
  }

 private:
  std::array<std::string_view, 32> items_{};
  std::size_t size_ = 0;
};

/// Tries to break one claim against the subject that the context names.
using Falsifier = Verdict (*)(Context&);

/// One claim and what tries to break it. Tables are explicit: a static registrar in a library can
/// drop out in silence, a missing row cannot.
struct Row {
  std::string_view claim;
  std::string_view help;  ///< one line
  Falsifier falsify;
  Words subjects;
  Words mutants{};         ///< that this check is known to kill
  Words controls{};        ///< on which it survives, for a claim that expects to be refuted
  Words parameters{};      ///< that it reads from the contract
  Words fixtures{};        ///< that it needs
  Words operations{};      ///< that a subject server must serve to be put in a subject's place
  bool exclusive = false;  ///< wants every core, alone
};

/// The digests and flags that `--list` reports; made at build time by
/// harness/tools/source_closure.py.
struct BuildInfo {
  std::string_view source_cpu, source_cuda;  ///< empty when there is none
  std::string_view compiler, flags, sanitizers;
};

/// Everything that one worker executable is.
struct Table {
  std::string_view worker, contract;
  std::span<const Row> rows;
  BuildInfo build;
  std::span<const ParameterRule> parameters{};  ///< what the rows' parameters may be
};

}  // namespace refute::worker
