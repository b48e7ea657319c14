// A linter is judged by what it accepts: each copy of the good contract holds one fault, which has
// to be found where it is.

#include <algorithm>
#include <set>

#include "harness/catch.hpp"
#include "harness/pipeline/load/codes.hpp"
#include "harness/pipeline/load/faults.hpp"
#include "harness/pipeline/load/testing.hpp"

namespace refute::pipeline::testing {
namespace {

constexpr std::string_view kGood = "fixtures/sample_contracts/valid/crux-z-01-v1.yaml";
constexpr std::string_view kGoodName = "crux-z-01-v1.yaml";

int line_of(std::string_view text, std::size_t offset) {
  return 1 + static_cast<int>(std::ranges::count(text.substr(0, offset), '\n'));
}

int expected_line(std::string_view good, std::string_view bad, const Fault& fault) {
  if (!fault.at.empty()) return line_of(bad, bad.find(fault.at));
  std::size_t at = good.find(fault.from);
  // The change begins where the two texts part.
  while (at < bad.size() && at < good.size() && good[at] == bad[at]) ++at;
  return line_of(bad, at);
}

// Beside its contract lies the one that it depends on.
LoadResult load_beside_neighbour(std::string_view text) {
  const Folder folder;
  folder.write("softmax-kernel-v1.yaml",
               read_text(source_path("fixtures/sample_contracts/valid/softmax-kernel-v1.yaml")));
  return load_contracts({folder.write(kGoodName, text)});
}

const Diagnostic* find_at(const LoadResult& result, std::string_view code, int line) {
  for (const Diagnostic& d : result.diagnostics) {
    if (d.code == code && d.span.line == line) return &d;
  }
  return nullptr;
}

TEST_CASE("the good contract is clean") {
  const LoadResult result = load_beside_neighbour(read_text(source_path(kGood)));
  INFO(listing(result));
  CHECK(result.diagnostics.empty());
  REQUIRE(result.contracts.size() == 1);
  CHECK(result.contracts[0].claims.size() == 2);
}

TEST_CASE("every fault is found where it is") {
  const std::string good = read_text(source_path(kGood));
  REQUIRE(faults().size() >= 60);
  for (const Fault& fault : faults()) {
    const std::string bad = with_fault(good, fault);
    const LoadResult result = load_beside_neighbour(bad);
    const int line = expected_line(good, bad, fault);
    INFO(fault.name << ": " << fault.code << " at line " << line << ", found\n" << listing(result));
    const Diagnostic* found = find_at(result, fault.code, line);
    CHECK(found != nullptr);
    if (found == nullptr) continue;
    CHECK(found->severity == fault.severity);
    const bool passes = exit_codes(result, true).front() == ExitCode::ok;
    CHECK(passes == (fault.severity == Severity::info));
  }
}

}  // namespace
}  // namespace refute::pipeline::testing
