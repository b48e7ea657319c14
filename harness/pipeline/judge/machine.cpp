#include "harness/pipeline/judge/machine.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "harness/digest/sha256.hpp"

namespace refute::pipeline {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// "model name\t: Some CPU" → "Some CPU", from the first processor listed.
std::string cpuinfo_field(const std::string& text, const std::string& name) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    const std::size_t colon = line.find(':');
    if (line.starts_with(name) && colon != std::string::npos) {
      const std::size_t start = line.find_first_not_of(" \t", colon + 1);
      return start == std::string::npos ? "" : line.substr(start);
    }
    at = end + 1;
  }
  return "";
}

/// The driver lists each GPU with its UUID in /proc, so no CUDA call is needed here.
std::vector<std::string> read_gpu_uuids() {
  std::vector<std::string> uuids;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc/driver/nvidia/gpus", ignored)) {
    std::ifstream file(entry.path() / "information");
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    const std::string uuid = cpuinfo_field(text, "GPU UUID");
    if (!uuid.empty()) uuids.push_back(uuid);
  }
  return uuids;
}

}  // namespace

MachineFacts read_machine() {
  MachineFacts facts;
  facts.machine_id = first_line("/etc/machine-id");
  if (facts.machine_id.empty()) facts.machine_id = first_line("/sys/class/dmi/id/product_uuid");
  std::ifstream file("/proc/cpuinfo");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  facts.cpu_vendor = cpuinfo_field(text, "vendor_id");
  facts.cpu_model = cpuinfo_field(text, "model name");
  facts.cpu_flags = cpuinfo_field(text, "flags");
  facts.gpu_uuids = read_gpu_uuids();
  return facts;
}

Digest fingerprint(const MachineFacts& facts) {
  std::vector<std::string> gpus = facts.gpu_uuids;
  std::ranges::sort(gpus);
  Sha256 hash;
  hash.field("refute machine v1")
      .field(facts.machine_id)
      .field(facts.cpu_vendor)
      .field(facts.cpu_model)
      .field(facts.cpu_flags)
      .field(std::uint64_t{gpus.size()});
  for (const std::string& gpu : gpus) hash.field(gpu);
  return hash.finish();
}

}  // namespace refute::pipeline
