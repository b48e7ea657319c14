// Feeds damaged contracts to everything between a file's bytes and the findings. Built with
// -fsanitize=fuzzer only LLVMFuzzerTestOneInput is used; otherwise main below mutates the samples
// from a fixed seed.
//
//   load_fuzz [ITERATIONS [SEED]]
//   load_fuzz FILE…                   replays files

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "harness/pipeline/load/diagnostics.hpp"
#include "harness/pipeline/load/line_index.hpp"
#include "harness/pipeline/load/load_contracts.hpp"
#include "harness/pipeline/load/mutate_text.hpp"
#include "harness/pipeline/load/testing.hpp"

namespace refute::pipeline::testing {
namespace {

[[noreturn]] void fail(const char* what, const std::string& text) {
  std::fprintf(stderr, "%s, for this text:\n%s\n", what, text.c_str());
  std::abort();
}

bool is_place(const Span& s, const LineIndex& lines) {
  if (s.line == 0) return true;
  const bool ordered = s.end_line > s.line || (s.end_line == s.line && s.end_column >= s.column);
  return ordered && s.line >= 1 && s.column >= 1 && s.end_line <= lines.line_count();
}

void try_text(const std::string& text) {
  const LoadResult result = lint_text("fuzz-v1.yaml", text);
  const LineIndex lines(result.sources.at(0).text);
  for (const Diagnostic& d : result.diagnostics) {
    if (!is_place(d.span, lines)) fail("a place outside the file", text);
    if (find_code(d.code) == nullptr) fail("a code without an explanation", text);
  }
  // Whatever was in the file, the forms must come out whole.
  if (!render_text(result, {}).ends_with("file\n")) fail("no summary", text);
  if (!render_json(result, {}).ends_with("}\n")) fail("half a JSON document", text);
  if (render_github(result).empty() != result.diagnostics.empty()) fail("a finding was lost", text);
}

std::string next_text(const std::vector<std::string>& samples, Dice& dice) {
  if (dice.below(8) == 0) return mutated(random_yaml(dice), dice);
  return mutated(samples[dice.below(samples.size())], dice);
}

int fuzz(long iterations, std::uint64_t seed) {
  const std::vector<std::string> samples = sample_texts();
  Dice dice(seed);
  for (long i = 0; i < iterations; ++i) try_text(next_text(samples, dice));
  std::printf("%ld texts, seed %llu\n", iterations, static_cast<unsigned long long>(seed));
  return samples.empty() ? 1 : 0;
}

}  // namespace
}  // namespace refute::pipeline::testing

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  refute::pipeline::testing::try_text(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}

#ifndef REFUTE_LIBFUZZER
int main(int argc, char** argv) {
  using namespace refute::pipeline::testing;
  if (argc > 1 && std::string(argv[1]).find_first_not_of("0123456789") != std::string::npos) {
    for (int i = 1; i < argc; ++i) try_text(read_text(argv[i]));
    return 0;
  }
  const long iterations = argc > 1 ? std::atol(argv[1]) : 2000;
  return fuzz(iterations, argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
}
#endif
