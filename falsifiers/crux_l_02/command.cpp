// `refute parity` itself, run: the option, what it says of the kernel that ran, what it refuses,
// and what it does without a GPU.

#include "falsifiers/crux_l_02/command.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "falsifiers/crux_l_02/checks.hpp"
#include "fixtures/mutants/parity_command_mutants.hpp"
#include "harness/instruments/parity.hpp"
#include "harness/json/json.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

using worker::CommandAnswer;
using worker::Context;
using Words = std::vector<std::string>;

constexpr const char* kSubject = "command";
const std::vector<std::string> kNoGpu = {"CUDA_VISIBLE_DEVICES="};

/// What was run and what is wrong with the answer.
struct Complaint {
  Words arguments;
  std::string what;
};

/// Runs the command, through the mutant that stands in for it if one does, and judges its answers.
class Session {
 public:
  explicit Session(Context& context) : context_(context), program_(worker::refute_program()) {
    const Job& job = context.job();
    if (job.arm != Arm::mutant) return;
    const auto all = mutants::parity_command_mutants();
    const auto at = std::ranges::find(all, job.mutant.text, &mutants::ParityCommandMutant::name);
    if (at == all.end()) throw worker::JobError("no command is called `" + job.mutant.text + "`");
    spoil_ = at->spoil;
  }

  bool available() const { return !program_.empty(); }

  /// Nothing more is run after a complaint.
  CommandAnswer run(Words arguments, const Words& environment = {}) {
    if (complaint_) return {};
    context_.add_cases(1);
    arguments.insert(arguments.begin(), "parity");
    last_ = arguments;
    const double limit = context_.job().limits.time_s;
    CommandAnswer answer = worker::run_command(program_, arguments, environment, limit);
    if (spoil_ != nullptr) spoil_(arguments, answer);
    return answer;
  }

  /// Records the first complaint; true if all is well so far.
  bool holds(bool ok, std::string what) {
    if (complaint_) return false;
    if (context_.compare().holds(ok, what)) return true;
    complaint_ = Complaint{last_, std::move(what)};
    return false;
  }

  Verdict verdict() const {
    if (!complaint_) return worker::survived();
    const std::string line = fmt::format("refute {}", fmt::join(complaint_->arguments, " "));
    return worker::refuted(
        fmt::format("`{}`: {}: not so", line, complaint_->what),
        Value::Map{{"command", Value(line)}, {"wanted", Value(complaint_->what)}});
  }

 private:
  Context& context_;
  std::string program_;
  void (*spoil_)(const Words&, CommandAnswer&) = nullptr;
  Words last_;
  std::optional<Complaint> complaint_;
};

Verdict not_started_by_refute() {
  return worker::declined(DeclineReason::not_served,
                          "REFUTE_COMMAND names no command: refute has to start this worker");
}

/// The record on stdout; an empty map for anything else.
Value record_of(const CommandAnswer& answer) {
  auto parsed = json::parse(answer.out, {std::size_t{1} << 20, 32, 10'000});
  return parsed && parsed->is_map() ? *std::move(parsed) : Value(Value::Map{});
}

bool has(const Value& record, std::string_view key) {
  const Value* found = record.find(key);
  return found != nullptr && !found->is_null();
}

std::string text(const Value& record, std::string_view key) {
  const Value* found = record.find(key);
  return found != nullptr && found->is_string() ? *found->as_string() : "";
}

/// `<publisher>:<kernel>@<40 hex digits>`, lower case.
bool is_source(std::string_view text) {
  const std::size_t colon = text.find(':'), at = text.find('@');
  if (colon == std::string_view::npos || at == std::string_view::npos ||
      !(0 < colon && colon + 1 < at)) {
    return false;
  }
  const std::string_view hex = text.substr(at + 1);
  return hex.size() == 40 && hex.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// A small measurement, so that a run costs milliseconds.
Words small(Words more) {
  Words all = {"--heads", "2", "--seq-q", "5", "--seq-kv", "70", "--json"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

void check_flash2_ran(Session& s, const CommandAnswer& answer) {
  const Value r = record_of(answer);
  s.holds(answer.status == 0, "exits with 0");
  s.holds(text(r, "attn_impl") == "flash2", "attn_impl is flash2");
  s.holds(is_source(text(r, "kernel_source")), "kernel_source is publisher:kernel@40 hex digits");
  s.holds(text(r, "kernel_source") == instruments::flash2_source(),
          "kernel_source is that of the sources built here");
  s.holds(!has(r, "fallback"), "no fallback is told");
}

void check_naive_ran(Session& s, const CommandAnswer& answer) {
  const Value r = record_of(answer);
  s.holds(answer.status == 0, "exits with 0");
  s.holds(text(r, "attn_impl") == "naive", "attn_impl is naive");
  s.holds(!has(r, "kernel_source"), "no kernel_source is told");
}

/// The command alone is what these claims are about.
template <class Check>
Verdict live(Context& context, Check check) {
  context.domain(Domain::live);
  Session session(context);
  if (!session.available()) return not_started_by_refute();
  check(session);
  return session.verdict();
}

}  // namespace

Verdict parity_option(Context& context) {
  const auto kernels = context.words("kernels");
  return live(context, [&](Session& s) {
    const CommandAnswer help = s.run({"--help"});
    s.holds(help.status == 0, "--help exits with 0");
    for (const char* option : {"--impl", "--attn"}) {
      s.holds(help.out.find(option) != std::string::npos, fmt::format("--help names {}", option));
    }
    for (const std::string& kernel : kernels) {
      s.holds(help.out.find(kernel) != std::string::npos, "--help names " + kernel);
      for (const char* option : {"--impl", "--attn"}) {
        const CommandAnswer answer = s.run(small({option, kernel, "--ref", "naive"}));
        s.holds(answer.status == 0, kernel + " is accepted");
        s.holds(text(record_of(answer), "attn_impl") == kernel, kernel + " ran");
      }
    }
    const CommandAnswer unknown = s.run(small({"--impl", "flash2x"}));
    s.holds(unknown.status == 2, "an unknown kernel is refused with status 2");
  });
}

Verdict parity_provenance(Context& context) {
  const auto dtypes = context.words("dtypes");
  return live(context, [&](Session& s) {
    for (const std::string& dtype : dtypes) {
      for (const char* subject : {"cpu_scalar", "cpu_simd"}) {
        check_flash2_ran(s, s.run(small({"--dtype", dtype, "--subject", subject})));
      }
      const CommandAnswer naive = s.run(small({"--dtype", dtype, "--impl", "naive"}));
      check_naive_ran(s, naive);
      s.holds(!has(record_of(naive), "fallback"), "naive that was asked for is no fallback");
    }
    const CommandAnswer fallen = s.run(small({"--device", "cuda", "--allow-fallback"}), kNoGpu);
    check_naive_ran(s, fallen);
    s.holds(has(record_of(fallen), "fallback"), "a fallback is told");
  });
}

Verdict parity_head_dim(Context& context) {
  const std::uint64_t highest = context.count("highest_head_dim");
  return live(context, [&](Session& s) {
    for (std::uint64_t d = 1; d <= highest; ++d) {
      const CommandAnswer answer =
          s.run({"--heads", "1", "--seq-q", "2", "--json", "--head-dim", fmt::format("{}", d)});
      if (d == 64 || d == 128) {
        check_flash2_ran(s, answer);
        continue;
      }
      const Value r = record_of(answer);
      s.holds(answer.status == 1, "exits with 1");
      s.holds(text(r, "error") == "unsupported-head-dim", "the error is unsupported-head-dim");
      s.holds(!has(r, "attn_impl") && !has(r, "max_abs_diff"), "nothing was measured");
    }
  });
}

Verdict parity_without_gpu(Context& context) {
  const auto dtypes = context.words("dtypes");
  return live(context, [&](Session& s) {
    for (const std::string& dtype : dtypes) {
      const Words asked = small({"--dtype", dtype, "--device", "cuda"});
      const CommandAnswer refused = s.run(asked, kNoGpu);
      s.holds(refused.status == 2, "without --allow-fallback it exits with 2");
      s.holds(text(record_of(refused), "error") == "no-gpu", "the error is no-gpu");
      Words allowed = asked;
      allowed.push_back("--allow-fallback");
      const CommandAnswer answer = s.run(allowed, kNoGpu);
      const Value r = record_of(answer);
      check_naive_ran(s, answer);
      s.holds(text(r, "fallback") == "no-gpu", "the fallback is no-gpu");
      s.holds(!text(r, "fallback_reason").empty(), "the fallback has a reason");
      s.holds(answer.err.find("warning") != std::string::npos &&
                  answer.err.find("no-gpu") != std::string::npos,
              "a warning on stderr names it");
    }
  });
}

std::optional<Verdict> parity_numbers(Context& context, const std::vector<Words>& requests,
                                      const std::function<bool(double, double)>& accept) {
  if (context.job().subject.text != kSubject || context.job().arm == Arm::mutant)
    return std::nullopt;
  return live(context, [&](Session& s) {
    for (const Words& request : requests) {
      Words arguments = request;
      arguments.emplace_back("--json");
      const CommandAnswer answer = s.run(arguments);
      const Value r = record_of(answer);
      const Value *max_abs = r.find("max_abs_diff"), *cosine = r.find("cosine_sim");
      s.holds(answer.status == 0, "exits with 0");
      const double* a = max_abs != nullptr ? max_abs->as_double() : nullptr;
      const double* c = cosine != nullptr ? cosine->as_double() : nullptr;
      s.holds(a != nullptr && c != nullptr && accept(*a, *c),
              "max_abs_diff and cosine_sim are within the gate");
    }
  });
}

}  // namespace refute::falsifiers
