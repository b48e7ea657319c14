// Properties that hold of everything that the linter says.

#include <algorithm>
#include <set>

#include "harness/catch.hpp"
#include "harness/pipeline/load/codes.hpp"
#include "harness/pipeline/load/diagnostics.hpp"
#include "harness/pipeline/load/faults.hpp"
#include "harness/pipeline/load/line_index.hpp"
#include "harness/pipeline/load/testing.hpp"

namespace refute::pipeline::testing {
namespace {

TEST_CASE("public contracts of older forms are read without an error") {
  const LoadResult result = load_contracts({source_path("fixtures/sample_contracts/valid")});
  INFO(listing(result));
  CHECK(std::ranges::none_of(result.diagnostics,
                             [](const Diagnostic& d) { return d.severity == Severity::error; }));
  CHECK(result.contracts.size() == result.sources.size());
  CHECK(result.sources.size() >= 8);
}

std::size_t code_points(std::string_view line) {
  return static_cast<std::size_t>(std::ranges::count_if(
      line, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// One column past the end of a line is a place; line 0 is the file as a whole.
bool inside(const Span& s, const LineIndex& lines) {
  if (s.line == 0) return s.column == 0;
  const auto holds = [&](int line, int column) {
    // The line break itself may be the place.
    return line >= 1 && line <= lines.line_count() && column >= 1 &&
           static_cast<std::size_t>(column) <= code_points(lines.line(line)) + 2;
  };
  const bool ordered = s.end_line > s.line || (s.end_line == s.line && s.end_column >= s.column);
  return ordered && holds(s.line, s.column) && holds(s.end_line, s.end_column);
}

void check_spans(const LoadResult& result) {
  for (const Diagnostic& d : result.diagnostics) {
    const auto source = std::ranges::find(result.sources, d.file, &SourceText::file);
    REQUIRE(source != result.sources.end());
    INFO(d.file << " " << d.code << " " << d.span.line << ":" << d.span.column << " to "
                << d.span.end_line << ":" << d.span.end_column);
    CHECK(inside(d.span, LineIndex(source->text)));
  }
}

TEST_CASE("every place lies inside its file") {
  check_spans(load_contracts({source_path("fixtures/sample_contracts")}));
  const std::string good =
      read_text(source_path("fixtures/sample_contracts/valid/crux-z-01-v1.yaml"));
  for (const Fault& fault : faults()) check_spans(load_text(with_fault(good, fault)));
}

void add_codes(const LoadResult& result, std::set<std::string>& seen) {
  for (const Diagnostic& d : result.diagnostics) seen.insert(d.code);
}

// What one file alone cannot show.
void add_codes_of_several_files(std::set<std::string>& seen) {
  const Folder folder;
  const std::string body =
      "  version: 1.0.0\n  description: one of two\nequations: {e: {formula: a = b}}\n"
      "falsification_tests:\n  - {id: FALSIFY-TWO-001, rule: r, prediction: p, if_fails: f, "
      "status: FUNCTIONAL}\n";
  folder.write("a-v1.yaml", "metadata:\n  depends_on: [b-v1]\n" + body);
  folder.write("b-v1.yaml", "metadata:\n  depends_on: [a-v1]\n" + body);
  add_codes(load_contracts({folder.path()}), seen);
}

TEST_CASE("every code is shown to be given") {
  std::set<std::string> seen;
  add_codes(load_contracts({source_path("fixtures/sample_contracts")}), seen);
  const std::string good =
      read_text(source_path("fixtures/sample_contracts/valid/crux-z-01-v1.yaml"));
  for (const Fault& fault : faults())
    add_codes(load_text(with_fault(good, fault), "crux-z-01-v1.yaml"), seen);
  add_codes_of_several_files(seen);
  const ComputedLevels levels = {{ClaimId{"FALSIFY-L-L-001"}, Level::open}};
  const Folder folder;
  add_codes(load_contracts(
                {folder.write("l-v1.yaml",
                              "metadata: {version: 1.0.0, description: d}\nfalsification_tests:\n"
                              "  - {id: FALSIFY-L-L-001, rule: r, prediction: p, if_fails: f, "
                              "status: DISCHARGED}\n")},
                {.levels = &levels}),
            seen);
  // Shown by hostile_test: these need files too large to keep.
  seen.insert({"RF0101", "RF0115", "RF0118"});
  for (const CodeRow& row : kCodes) {
    INFO(row.code << " " << row.title);
    CHECK(seen.contains(std::string(row.code)));
  }
}

TEST_CASE("two files of one claim, and contracts in a circle, are named") {
  const Folder folder;
  const std::string body =
      "  version: 1.0.0\n  description: one of three\nequations: {e: {formula: a = b}}\n";
  folder.write("a-v1.yaml", "metadata:\n  depends_on: [b-v1]\n" + body);
  folder.write("b-v1.yaml", "metadata:\n  depends_on: [c-v1]\n" + body);
  folder.write("c-v1.yaml", "metadata:\n  parent_contracts: [a-v1.yaml]\n" + body);
  const LoadResult result = load_contracts({folder.path()});
  const Diagnostic* cycle = find(result, "RF0306");
  REQUIRE(cycle != nullptr);
  CHECK(cycle->message == "contracts depend on each other: a-v1 → b-v1 → c-v1 → a-v1");
  CHECK(cycle->file.ends_with("c-v1.yaml"));
}

TEST_CASE("a level typed by hand is compared with the computed one") {
  const std::string text =
      "metadata: {version: 1.0.0, description: d}\nfalsification_tests:\n"
      "  - {id: FALSIFY-L-L-001, rule: r, prediction: p, if_fails: f, status: FUNCTIONAL}\n";
  const Folder folder;
  const std::string path = folder.write("l-v1.yaml", text);
  for (const Level level :
       {Level::unbound, Level::open, Level::partial_algorithm_level, Level::refuted}) {
    const ComputedLevels levels = {{ClaimId{"FALSIFY-L-L-001"}, level}};
    CHECK(find(load_contracts({path}, {.levels = &levels}), "RF0405") != nullptr);
  }
  for (const Level level : {Level::functional, Level::discharged}) {
    const ComputedLevels levels = {{ClaimId{"FALSIFY-L-L-001"}, level}};
    CHECK(find(load_contracts({path}, {.levels = &levels}), "RF0405") == nullptr);
  }
}

}  // namespace
}  // namespace refute::pipeline::testing
