#include "falsifiers/trace_save_tensor/session.hpp"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>
#include <fmt/ranges.h>

// Not called here, but what the commands are made of belongs to the digest of their evidence.
#include "harness/forward/decode.hpp"
#include "harness/forward/trace.hpp"
#include "harness/instruments/stage_diff_report.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/expand.hpp"
#include "harness/worker/refute_command.hpp"

namespace refute::falsifiers {
namespace {

using worker::Context;

constexpr double kTimeLimit = 60;  // seconds for one run of a command on small files
constexpr std::size_t kTokens = 7;

std::optional<std::uint64_t> replayed_seed(const Context& context) {
  const Value* seed = context.replay() ? context.replay()->find("seed") : nullptr;
  return seed ? worker::unsigned_from(*seed) : std::nullopt;
}

}  // namespace

Session::Session(Context& context, const std::string& refute, std::uint64_t seed)
    : context_(context), refute_(std::filesystem::absolute(refute)), seed_(seed) {
  std::string name = (std::filesystem::temp_directory_path() / "refute-trace-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    throw worker::JobError("no temporary folder can be made: " + name);
  folder_ = std::filesystem::canonical(name);
  before_ = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  tokens_ = tokens(seed, kTokens, fixtures::TinyDecoder().vocab);
  const Job& job = context.job();
  if (job.arm != Arm::mutant) return;
  mutant_ = mutants::trace_command_mutant(job.mutant.text);
  if (!mutant_) throw worker::JobError("there is no command called `" + job.mutant.text + "`");
}

Session::~Session() {
  std::error_code ignored;
  std::filesystem::current_path(before_, ignored);
  std::filesystem::remove_all(folder_, ignored);
}

CommandRun Session::execute(Words arguments) {
  worker::CommandAnswer answer =
      worker::run_command(refute_, arguments, {"NO_COLOR=1"}, kTimeLimit);
  return {std::move(arguments), answer.status, std::move(answer.out), std::move(answer.err), ""};
}

CommandRun Session::run(Words arguments) {
  CommandRun run = execute(std::move(arguments));
  const auto option = std::ranges::find(run.arguments, "-o");
  if (run.is("trace") && option != run.arguments.end()) run.folder = *(option + 1);
  if (mutant_) mutant_->spoil(run);
  return run;
}

CommandRun Session::trace(const std::string& model, const std::string& out, Words more) {
  more.insert(more.begin(), {"trace", model, "--tokens", joined(tokens_), "-o", out});
  return run(std::move(more));
}

CommandRun Session::prepare(Words arguments) {
  CommandRun run = execute(std::move(arguments));
  if (run.status != 0)
    throw worker::JobError(shown(fmt::format("`refute {}` exits {}: {}",
                                             fmt::join(run.arguments, " "), run.status, run.err)));
  return run;
}

void Session::capture(const std::string& model, const std::string& out, const Words& more) {
  Words arguments = {"trace", model, "--tokens", joined(tokens_), "-o", out};
  arguments.insert(arguments.end(), more.begin(), more.end());
  prepare(std::move(arguments));
}

std::vector<std::uint32_t> Session::tokens(std::uint64_t seed, std::size_t count,
                                           std::size_t vocab) {
  std::vector<std::uint32_t> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back(static_cast<std::uint32_t>(worker::derive_seed(seed, i) % vocab));
  return out;
}

std::string Session::shown(std::string text) const {
  const std::string own = folder_.string();
  for (std::size_t at = text.find(own); at != std::string::npos; at = text.find(own, at))
    text.replace(at, own.size(), "FOLDER");
  return text;
}

bool Session::holds(bool ok, const std::string& what) {
  return context_.compare().holds(ok, what);
}

bool Session::exits(const CommandRun& run, int status) {
  return context_.compare().equal(
      static_cast<std::uint64_t>(run.status), static_cast<std::uint64_t>(status),
      fmt::format("exit status of `refute {}`", fmt::join(run.arguments, " ")));
}

bool Session::says(const CommandRun& run, const Words& words) {
  const std::string said = run.out + run.err;
  return std::ranges::all_of(words, [&](const std::string& word) {
    return holds(said.find(word) != std::string::npos,
                 fmt::format("`refute {}` says `{}`", fmt::join(run.arguments, " "), word));
  });
}

Verdict check_live(Context& context, const SessionCheck& check) {
  const std::uint64_t cases = context.count("cases");
  const std::string refute = worker::refute_program();
  if (refute.empty()) {
    return worker::declined(DeclineReason::not_served,
                            "REFUTE_COMMAND does not say which refute to run");
  }
  context.domain(Domain::live);
  const auto replayed = replayed_seed(context);
  for (std::uint64_t k = 0; k < (replayed ? 1 : cases); ++k) {
    const std::uint64_t seed = replayed ? *replayed : worker::derive_seed(context.seed(), k);
    context.add_cases(1);
    Session session(context, refute, seed);
    if (check(session)) continue;
    const auto& mismatch = context.compare().mismatch();
    return worker::refuted(
        session.shown(mismatch ? mismatch->sentence() : "no comparison was made"),
        Value::Map{{"seed", std::to_string(seed)}});
  }
  return worker::survived();
}

fixtures::TinyDecoder tiny(const std::string& family, std::uint64_t seed) {
  fixtures::TinyDecoder model;
  model.family = family;
  model.seed = seed;
  model.tied = family == "qwen2";
  return model;
}

std::string written(Session& session, const std::string& name, const fixtures::TinyDecoder& model) {
  fixtures::write_tiny(session / name, model);
  return session / name;
}

std::string joined(const std::vector<std::uint32_t>& tokens) {
  return fmt::format("{}", fmt::join(tokens, ","));
}

}  // namespace refute::falsifiers
