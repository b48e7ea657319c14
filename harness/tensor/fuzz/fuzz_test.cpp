// The fuzzer's seeds and findings, each as it is and damaged in many ways, with a fixed seed.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "harness/catch.hpp"
#include "harness/tensor/fuzz/fuzz_target.hpp"
#include "harness/tensor/temp_folder_test.hpp"

using namespace refute;
using namespace refute::tensor;

namespace {

std::vector<std::string> contents(const std::string& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  std::vector<std::string> all;
  for (const auto& path : paths) {
    std::stringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    all.push_back(text.str());
  }
  return all;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  REQUIRE(value != nullptr);
  return value;
}

/// Bytes changed, cut out, doubled, or numbers that overflow put in their place.
void damage(std::string& bytes, std::mt19937& random) {
  if (bytes.empty()) return;
  const std::size_t at = random() % bytes.size();
  switch (random() % 6) {
    case 0:
      bytes[at] = static_cast<char>(random());
      break;
    case 1:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
      break;
    case 2:
      bytes.resize(at);
      break;
    case 3:
      bytes.erase(at, 1 + random() % 8);
      break;
    case 4:
      bytes.insert(at, bytes.substr(at, 1 + random() % 16));
      break;
    case 5:
      bytes.replace(at, 8, std::string(7, '\xFF') + (random() % 2 != 0 ? '\x7F' : '\xFF'));
      break;
  }
}

}  // namespace

TEST_CASE("seeds and findings are read without harm, whole and damaged") {
  const TempFolder folder;
  const std::string command =
      "python3 '" + environment("REFUTE_FUZZ_SEEDS") + "' '" + folder.file("") + "'";
  REQUIRE(std::system(command.c_str()) == 0);
  auto inputs = contents(folder.file(""));
  const auto findings = contents(environment("REFUTE_FUZZ_FINDINGS"));
  REQUIRE(inputs.size() == 8);
  REQUIRE_FALSE(findings.empty());
  inputs.insert(inputs.end(), findings.begin(), findings.end());
  std::mt19937 random(1);
  for (const std::string& input : inputs) {
    try_model_bytes(as_bytes(input));
    for (int round = 0; round < 1000; ++round) {
      std::string damaged = input;
      for (std::uint32_t hits = 1 + random() % 4; hits > 0; --hits) damage(damaged, random);
      try_model_bytes(as_bytes(damaged));
    }
  }
}
