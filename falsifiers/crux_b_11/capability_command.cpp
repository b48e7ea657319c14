#include "falsifiers/crux_b_11/capability_command.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "falsifiers/crux_b_11/support.hpp"
#include "fixtures/mutants/command_mutants.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/refute_command.hpp"

namespace refute::falsifiers {
namespace {

namespace fs = std::filesystem;
using worker::Context;

/// A folder of its own that goes at the end.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "refute-gate-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      throw worker::JobError("no temporary folder can be made: " + name);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

/// A model that can be quantised: one matrix of 64 × 64 ones in safetensors.
void write_model(const fs::path& path) {
  std::string header = R"({"w":{"dtype":"F32","shape":[64,64],"data_offsets":[0,16384]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(header.size());
  bytes += header;
  for (int i = 0; i < 64 * 64; ++i) bytes += std::string("\0\0\x80\x3F", 4);
  if (!(std::ofstream(path, std::ios::binary) << bytes).flush())
    throw worker::JobError("the model for the command cannot be written");
}

constexpr double kTimeLimit = 20;  // seconds for one run, of a command that takes milliseconds

/// Runs `refute` with these arguments, or what stands in for it.
worker::CommandAnswer run(const Context& context, const std::string& refute,
                          std::vector<std::string> arguments, int sm) {
  const std::vector<std::string> told = {fmt::format("REFUTE_CUDA_SM_OVERRIDE={}", sm)};
  const auto* mutant = context.job().arm == Arm::mutant
                           ? mutants::command_mutant(context.job().mutant.text)
                           : nullptr;
  if (mutant == nullptr) return worker::run_command(refute, arguments, told, kTimeLimit);
  arguments.insert(arguments.begin(), {"-c", std::string(mutant->script), "refute"});
  return worker::run_command("/bin/sh", arguments, told, kTimeLimit);
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return text;
}

bool names_one(const std::string& said, const std::vector<std::string>& words) {
  const std::string all = lower(said);
  return std::ranges::any_of(words,
                             [&](const std::string& w) { return all.find(lower(w)) != all.npos; });
}

/// Whether it ended as it has to; if not, the comparator knows what was wrong.
bool ends_rightly(Context& context, int sm, int capable_from, const worker::CommandAnswer& end,
                  bool left_a_file) {
  const auto refusal = context.count("refusal_status");
  const auto words = context.words("refusal_names");
  auto& compare = context.compare();
  const auto status = static_cast<std::uint64_t>(end.status);
  if (sm >= capable_from) return compare.holds(status != refusal, "does not refuse");
  return compare.equal(status, refusal, "exit status") &&
         compare.holds(names_one(end.out + end.err, words), "names the device that it takes") &&
         compare.holds(!left_a_file, "leaves no file");
}

}  // namespace

std::optional<Verdict> quantize_command_gate(Context& context, int capable_from) {
  const auto sms = context.counts("command_sms");
  const std::string refute = worker::refute_program();
  if (refute.empty()) return std::nullopt;
  const Folder folder;
  const fs::path model = folder / "model.safetensors", made = folder / "made.safetensors";
  write_model(model);
  context.domain(Domain::live);
  for (const std::uint64_t sm : sms) {
    const worker::CommandAnswer end = run(context, refute,
                                          {"quantize", model.string(), "--format", "fp8-e4m3",
                                           "--device", "cuda", "-o", made.string()},
                                          static_cast<int>(sm));
    context.add_cases(1);
    if (ends_rightly(context, static_cast<int>(sm), capable_from, end, fs::exists(made))) continue;
    Value where;
    where.set("command_sm", sm);
    return refuted_by(context.compare(), fmt::format("refute quantize, told sm_{}", sm), where);
  }
  return std::nullopt;
}

}  // namespace refute::falsifiers
