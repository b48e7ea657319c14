#pragma once

// The commands that the claims are about, run for real in a folder of their own, or through the
// mutant that stands in for them.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fixtures/generators/tiny_decoder.hpp"
#include "fixtures/mutants/trace_command_mutants.hpp"
#include "harness/worker/context.hpp"

namespace refute::falsifiers {

using mutants::CommandRun;
using Words = std::vector<std::string>;

class Session {
 public:
  Session(worker::Context& context, const std::string& refute, std::uint64_t seed);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  std::string operator/(const std::string& name) const { return (folder_ / name).string(); }
  std::uint64_t seed() const { return seed_; }
  worker::Context& context() { return context_; }

  /// Runs `refute ARGUMENTS` in the session's folder, where the process is as long as it lives.
  CommandRun run(Words arguments);
  /// `refute trace MODEL --tokens … -o OUT MORE`, for the tokens of this session.
  CommandRun trace(const std::string& model, const std::string& out, Words more);
  /// Runs a command that no mutant touches, and demands that it succeeds.
  CommandRun prepare(Words arguments);
  /// Demands that a trace succeeds where nothing is claimed of it.
  void capture(const std::string& model, const std::string& out, const Words& more);

  /// Tokens below `vocab`, the same for the whole session; `count` of them.
  static std::vector<std::uint32_t> tokens(std::uint64_t seed, std::size_t count,
                                           std::size_t vocab);
  void use_tokens(std::vector<std::uint32_t> tokens) { tokens_ = std::move(tokens); }
  const std::vector<std::uint32_t>& tokens() const { return tokens_; }

  /// The text with FOLDER for the session's folder, whose name is another one in every run: a
  /// record depends on its job alone, and names no path of the machine it was made on.
  std::string shown(std::string text) const;

  // Comparisons; false where one does not pass.
  bool holds(bool ok, const std::string& what);
  bool exits(const CommandRun& run, int status);
  /// Whether the run's stdout or stderr has every one of these words.
  bool says(const CommandRun& run, const Words& words);

 private:
  worker::Context& context_;
  std::string refute_;
  std::uint64_t seed_;
  std::filesystem::path folder_, before_;  ///< its own, and where the worker was
  std::vector<std::uint32_t> tokens_;
  const mutants::TraceCommandMutant* mutant_ = nullptr;
  CommandRun execute(Words arguments);
};

/// One case of a claim; false after a comparison that did not pass.
using SessionCheck = std::function<bool(Session& session)>;

/// Runs the contract's `cases` cases, or the one that is to be replayed. Declines where there is no
/// refute to run.
Verdict check_live(worker::Context& context, const SessionCheck& check);

/// A model for a case; what differs from case to case is its seed.
fixtures::TinyDecoder tiny(const std::string& family, std::uint64_t seed);
std::string written(Session& session, const std::string& name, const fixtures::TinyDecoder& model);

std::string joined(const std::vector<std::uint32_t>& tokens);

}  // namespace refute::falsifiers
