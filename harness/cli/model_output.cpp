#include "harness/cli/model_output.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "harness/cli/progress.hpp"
#include "harness/tensor/text.hpp"

namespace refute::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using instruments::Failure;

constexpr std::chrono::milliseconds kRedraw{50};
constexpr std::size_t kBarWidth = 32;

/// One line that is written over; nothing where nobody watches.
class Bar {
 public:
  void show(std::size_t done, std::size_t total) {
    if (!terminal_ || Clock::now() - last_ < kRedraw) return;
    last_ = Clock::now();
    const double share = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
    fmt::print(stderr, "\r\x1b[K[{}] {:3.0f} %", bar(done, total, kBarWidth), 100 * share);
    std::fflush(stderr);
  }
  ~Bar() {
    if (terminal_) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  Clock::time_point last_{};
};

int exit_status(const Failure& failure, const pipeline::StopSignal& stop) {
  switch (failure.kind) {
    case Failure::Kind::input:
      return fail(ExitCode::usage, failure.error);
    case Failure::Kind::world:
      return fail(ExitCode::no_verdict, failure.error);
    case Failure::Kind::stopped:
      fmt::print(stderr, "refute: interrupted; nothing was written\n");
      return 128 + stop.signal().value_or(0);
  }
  return static_cast<int>(ExitCode::internal);
}

}  // namespace

std::string name_beside(const std::string& input, const std::string& infix,
                        const std::string& extension) {
  std::error_code ignored;
  fs::path path(input);
  if (fs::is_directory(path, ignored)) path /= "model.safetensors";
  if (path.filename() == "model.safetensors.index.json") path.replace_filename("model.safetensors");
  return (path.parent_path() / (path.stem().string() + "." + infix + extension)).string();
}

std::optional<Error> wrong_ending(const std::string& path, const std::string& format,
                                  const std::string& ending) {
  constexpr std::array<const char*, 4> kEndings = {".safetensors", ".gguf", ".npz", ".npy"};
  const std::string given = fs::path(path).extension().string();
  if (given == ending || std::ranges::find(kEndings, given) == kEndings.end()) return std::nullopt;
  return Error{fmt::format("-o {}: {} is stored as {}, not as {}", path, format, ending.substr(1),
                           given.substr(1)),
               "end the name with " + ending};
}

Result<tensor::NewFile> open_output(const tensor::ModelFile& model, const std::string& path,
                                    bool force) {
  std::error_code ignored;
  for (const std::string& source : model.files()) {
    if (fs::equivalent(source, path, ignored))
      return Error{path + ": is the input itself", "choose another name with -o"};
  }
  return tensor::NewFile::create(path, {.overwrite = force});
}

int write_model(const tensor::ModelFile& model, tensor::NewFile file, unsigned threads,
                const std::function<std::optional<Failure>(const instruments::BatchOptions&,
                                                           tensor::NewFile&)>& work) {
  const pipeline::StopSignal stop;
  instruments::BatchOptions options{
      .threads = threads != 0 ? threads : std::max(1u, std::thread::hardware_concurrency()),
      .progress = {},
      .stopped = [&stop] { return stop.signal().has_value(); }};
  std::optional<Failure> failure;
  {
    Bar bar;
    options.progress = [&bar](std::size_t done, std::size_t total) { bar.show(done, total); };
    failure = work(options, file);
  }
  // The last look before the result gets its name.
  if (auto damage = model.damaged(); damage && !failure)
    failure = Failure{Failure::Kind::world, *std::move(damage)};
  if (!failure && stop.signal()) failure = Failure{Failure::Kind::stopped, {}};
  if (failure) return exit_status(*failure, stop);
  if (const auto error = file.commit()) return fail(ExitCode::no_verdict, *error);
  return static_cast<int>(ExitCode::ok);
}

int fail(ExitCode code, const Error& error) {
  fmt::print(stderr, "refute: {}{}{}\n", tensor::escaped(error.what),
             error.hint.empty() ? "" : "; ", tensor::escaped(error.hint));
  return static_cast<int>(code);
}

std::string show_bytes(std::size_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"bytes", "kB", "MB", "GB", "TB"};
  if (bytes < 1000) return fmt::format("{} bytes", bytes);
  double size = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (size >= 999.95 && unit + 1 < kUnits.size()) size /= 1000, ++unit;
  return fmt::format("{:.1f} {}", size, kUnits[unit]);
}

}  // namespace refute::cli
