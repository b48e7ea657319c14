#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "harness/cli/command.hpp"
#include "harness/cli/cuda_presence.hpp"
#include "harness/instruments/parity.hpp"
#include "harness/json/json.hpp"
#include "harness/model/near_miss.hpp"
#include "harness/pipeline/judge/file_text.hpp"

namespace refute::cli {
namespace {

using instruments::ParityError;
using instruments::ParityRequest;
using instruments::ParityResult;
using metrics::Format;

struct Arguments {
  std::string impl = "flash2", ref = "naive", device = "auto", subject = "auto", dtype = "f32";
  std::size_t batch = 1, heads = 4, kv_heads = 0, seq_q = 256, seq_kv = 0, head_dim = 64;
  std::optional<float> scale;
  std::uint64_t seed = 1;
  bool causal = false, allow_fallback = false, allow_non_finite = false, json = false;
  std::string fixture, output, format = "text";
  std::uint64_t memory_mib = 4096;
  unsigned jobs = 0;
};

/// The index of `word` among `names`, or an error that lists them.
template <std::size_t kCount>
ParityResult<std::size_t> choice(const char* option, const std::string& word,
                                 const std::array<std::string_view, kCount>& names) {
  const auto at = std::ranges::find(names, word);
  if (at != names.end()) return static_cast<std::size_t>(at - names.begin());
  std::string all;
  for (const std::string_view name : names) all += (all.empty() ? "" : ", ") + std::string(name);
  const std::string near = near_miss(word, std::span<const std::string_view>(names));
  return ParityError{ExitCode::usage, "bad-option",
                     fmt::format("{} {}: wants one of {}{}", option, word, all,
                                 near.empty() ? "" : "; " + did_you_mean(near))};
}

constexpr std::array<std::string_view, 3> kSubjectChoices = {"auto", "cpu_scalar", "cpu_simd"};

ParityResult<ParityRequest> request_of(const Arguments& a) {
  ParityRequest r;
  const auto kernel = choice("--impl", a.impl, instruments::kAttentionKernelNames);
  if (!kernel) return kernel.error();
  const auto reference = choice("--ref", a.ref, instruments::kAttentionKernelNames);
  if (!reference) return reference.error();
  const auto device = choice("--device", a.device, instruments::kDeviceNames);
  if (!device) return device.error();
  const auto subject = choice("--subject", a.subject, kSubjectChoices);
  if (!subject) return subject.error();
  r.kernel = static_cast<instruments::AttentionKernel>(*kernel);
  r.reference = static_cast<instruments::AttentionKernel>(*reference);
  r.device = static_cast<instruments::Device>(*device);
  if (*subject != 0) r.subject = static_cast<instruments::CpuSubject>(*subject - 1);
  r.allow_fallback = a.allow_fallback;
  r.allow_non_finite = a.allow_non_finite;
  r.causal = a.causal;
  r.scale = a.scale;
  r.memory_bytes = a.memory_mib << 20;
  r.threads = a.jobs != 0 ? a.jobs : std::max(1u, std::thread::hardware_concurrency());
  return r;
}

/// On a terminal one line that is written over, and is gone at the end; elsewhere nothing.
class ProgressLine {
 public:
  ProgressLine() : terminal_(isatty(STDERR_FILENO) == 1) {}
  ~ProgressLine() {
    if (terminal_) fmt::print(stderr, "\r\x1b[K");
  }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void operator()(std::string_view what, std::optional<double> share) const {
    if (!terminal_) return;
    fmt::print(stderr, "\r\x1b[K{}{}", what, share ? fmt::format(" {:.0f} %", 100 * *share) : " …");
    std::fflush(stderr);
  }

 private:
  bool terminal_;
};

instruments::ParityReport run_and_judge(const instruments::ParityPlan& plan,
                                        const instruments::ParityInputs& inputs) {
  const ProgressLine line;
  const instruments::ParityProgress tell = [&](auto what, auto share) { line(what, share); };
  return judge_parity(plan, inputs, run_parity(plan, inputs, tell), metrics::ContractParameters(),
                      tell);
}

ParityResult<instruments::ParityReport> measure(const Arguments& a, const ParityRequest& request) {
  const instruments::CudaPresence cuda = find_cuda();
  if (!a.fixture.empty()) {
    const auto inputs = instruments::read_fixture(a.fixture, request);
    if (!inputs) return inputs.error();
    const auto plan = plan_parity(request, inputs->shape, inputs->storage, cuda);
    if (!plan) return plan.error();
    return run_and_judge(*plan, *inputs);
  }
  const auto dtype = choice("--dtype", a.dtype, metrics::kFormatNames);
  if (!dtype) return dtype.error();
  const Format storage = static_cast<Format>(*dtype);
  const kernels::AttentionShape shape = {a.batch, a.heads,  a.kv_heads,
                                         a.seq_q, a.seq_kv, a.head_dim};
  const auto plan = plan_parity(request, shape, storage, cuda);
  if (!plan) return plan.error();
  const auto inputs = instruments::generated_inputs(shape, storage, a.seed);
  return run_and_judge(*plan, inputs);
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

/// The record in a file of its own, beside what is printed.
ExitCode write_record(const std::string& path, const Value& record, ExitCode status) {
  if (path.empty()) return status;
  const auto error = pipeline::replace_text(path, json::dump_pretty(record));
  if (!error) return status;
  fmt::print(stderr, "refute: {}\n", error->what);
  return ExitCode::no_verdict;
}

/// A folder that is not there is found before the measurement, not after it.
std::optional<ParityError> no_folder_for(const std::string& output) {
  const std::filesystem::path path = output, folder = path.parent_path();
  std::error_code error;
  const auto bad = [&](const std::string& why) {
    return ParityError{ExitCode::usage, "bad-option", fmt::format("-o {}: {}", output, why)};
  };
  if (output.empty()) return std::nullopt;
  if (std::filesystem::is_directory(path, error)) return bad("that is a folder; name a file in it");
  if (folder.empty() || std::filesystem::is_directory(folder, error)) return std::nullopt;
  return bad(fmt::format("there is no folder {}; make it first", folder.string()));
}

int refused(const Arguments& a, const std::optional<ParityRequest>& request,
            const ParityError& error) {
  fmt::print(stderr, "refute: {}\n", error.message);
  const Value record = instruments::parity_error_value(error, request);
  if (a.json) print(json::dump_pretty(record));
  return static_cast<int>(write_record(a.output, record, error.exit));
}

/// What a reader of the figures must not miss.
void warn(const instruments::ParityPlan& plan) {
  if (plan.fallback != instruments::Fallback::none) {
    fmt::print(stderr, "refute: warning: {} was asked for on {}, naive ran on the CPU ({}: {})\n",
               to_string(plan.request.kernel), to_string(plan.request.device),
               to_string(plan.fallback), plan.fallback_reason);
  }
  if (plan.same_code()) {
    fmt::print(stderr,
               "refute: warning: both sides are {} on cpu_scalar; that they agree says nothing\n",
               to_string(plan.kernel));
  }
}

int run_command(Arguments a, const std::optional<ParityError>& contradiction) {
  if (a.format != "text" && a.format != "json") {
    fmt::print(stderr, "refute: --format wants text or json\n");
    return static_cast<int>(ExitCode::usage);
  }
  a.json = a.json || a.format == "json";
  if (const auto error = no_folder_for(a.output)) {
    a.output.clear();
    return refused(a, std::nullopt, *error);
  }
  if (contradiction) return refused(a, std::nullopt, *contradiction);
  const auto request = request_of(a);
  if (!request) return refused(a, std::nullopt, request.error());
  const auto report = measure(a, *request);
  if (!report) return refused(a, *request, report.error());
  warn(report->plan);
  const Value record = parity_value(*report);
  print(a.json ? json::dump_pretty(record) : render_parity(*report));
  return static_cast<int>(write_record(
      a.output, record, expected_refused(*report) ? ExitCode::findings : ExitCode::ok));
}

/// CLI11 reads -1, and whatever is too large, as the largest unsigned number.
std::string whole_number(const std::string& text) {
  if (text.starts_with('-')) return text + " is negative";
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) return text + " is above 2^64 - 1";
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? "" : text + " is no whole number";
}

/// What a fixture says itself.
std::vector<CLI::Option*> add_shape_options(CLI::App& app, Arguments& a) {
  const std::vector<CLI::Option*> sizes = {
      app.add_option("--batch", a.batch, "batches")->capture_default_str(),
      app.add_option("--heads", a.heads, "query heads")->capture_default_str(),
      app.add_option("--kv-heads", a.kv_heads, "key/value heads; as many as --heads without it"),
      app.add_option("--seq-q", a.seq_q, "queries; 1 is a decode step")->capture_default_str(),
      app.add_option("--seq-kv", a.seq_kv, "keys; as many as --seq-q without it"),
      app.add_option("--head-dim", a.head_dim, "flash2 takes 64 and 128")->capture_default_str(),
      app.add_option("--seed", a.seed, "of the inputs, about N(0, 1)")->capture_default_str(),
  };
  for (CLI::Option* option : sizes) option->check(whole_number);
  std::vector<CLI::Option*> all = sizes;
  all.push_back(
      app.add_option("--dtype", a.dtype, "f32, f16 or bf16 storage")->capture_default_str());
  app.add_option(
      "--fixture", a.fixture,
      "safetensors or GGUF file with q, k, v and perhaps out, instead of the eight above");
  return all;
}

/// As CLI11 would exclude them, without its listing all of them in every line of the help.
std::optional<ParityError> contradicted(const Arguments& a,
                                        const std::vector<CLI::Option*>& shape) {
  if (a.fixture.empty()) return std::nullopt;
  for (const CLI::Option* option : shape) {
    if (option->count() == 0) continue;
    return ParityError{ExitCode::usage, "bad-option",
                       option->get_name() + " and --fixture exclude each other: the file says it"};
  }
  return std::nullopt;
}

std::function<int()> attach(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  app.add_option("--impl,--attn", a->impl, "the kernel to measure: flash2 or naive")
      ->capture_default_str();
  app.add_option("--ref", a->ref, "what it is compared with, on cpu_scalar: naive or flash2")
      ->capture_default_str();
  app.add_option("--device", a->device, "auto, cpu or cuda")->capture_default_str();
  app.add_option("--subject", a->subject, "cpu_scalar or cpu_simd; auto is cpu_simd")
      ->capture_default_str();
  const std::vector<CLI::Option*> shape = add_shape_options(app, *a);
  app.add_flag("--causal", a->causal, "mask aligned bottom-right");
  app.add_option("--scale", a->scale, "of the scores; 1/sqrt(head_dim) without it");
  app.add_flag("--allow-fallback", a->allow_fallback,
               "run naive on the CPU where the device is not there, and say so");
  app.add_flag("--allow-non-finite", a->allow_non_finite,
               "measure a fixture with NaN or infinities in it");
  app.add_option("--memory-mib", a->memory_mib, "what the measurement may take")
      ->capture_default_str()
      ->check(whole_number)
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40));
  app.add_option("-j,--jobs", a->jobs, "threads, all cores without it; no figure depends on them")
      ->check(CLI::Range(0u, 1024u));
  app.add_option("--format", a->format, "text or json")->capture_default_str();
  app.add_flag("--json", a->json, "short for --format json");
  app.add_option("-o,--output", a->output, "write the record (JSON) to this file as well");
  return [a, shape, &app] {
    // As many as the queries have, unless a number was given: also 0 is one, and refused.
    if (app.count("--kv-heads") == 0) a->kv_heads = a->heads;
    if (app.count("--seq-kv") == 0) a->seq_kv = a->seq_q;
    return run_command(*a, contradicted(*a, shape));
  };
}

}  // namespace

extern const Command kParityCommand;
const Command kParityCommand = {
    "parity",
    "Measure how far one attention kernel is from another, and from the exact result.",
    "  refute parity --impl flash2 --ref naive --seq-q 1024 --dtype bf16 --causal\n"
    "  refute parity --seq-q 1 --seq-kv 4000 --heads 8 --kv-heads 2 --json\n"
    "  refute parity --device cuda --allow-fallback --json | refute lint-observation -\n"
    "  refute parity --fixture qkv.safetensors -o parity.json",
    attach,
};

}  // namespace refute::cli
