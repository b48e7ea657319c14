#include "harness/catch.hpp"
#include "harness/digest/claim_digest.hpp"
#include "harness/pipeline/load/explain.hpp"
#include "harness/pipeline/load/testing.hpp"

namespace refute::pipeline::testing {
namespace {

std::string good_text() {
  return read_text(source_path("fixtures/sample_contracts/valid/crux-z-01-v1.yaml"));
}

Claim first_claim(const std::string& text) {
  const LoadResult result = load_text(text, "crux-z-01-v1.yaml");
  REQUIRE(result.contracts.size() == 1);
  REQUIRE(!result.contracts[0].claims.empty());
  return result.contracts[0].claims[0];
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST_CASE("a claim is read with all its parts") {
  const Claim c = first_claim(good_text());
  CHECK(c.id.text == "FALSIFY-CRUX-Z-01-001");
  CHECK(c.subjects.size() == 2);
  CHECK(c.mutants.size() == 2);
  CHECK(c.machine_read);
  CHECK(c.limits.time_s == 20);
  CHECK(c.limits.memory_mib == 512);
  REQUIRE(c.parameters.size() == 4);
  CHECK(*c.parameters[0].value.as_int() == 20000);
  CHECK(c.parameters[2].origin == Origin::derived);
  CHECK(c.parameters[3].value.as_list()->size() == 2);
  REQUIRE(c.requirements.contains(Level::functional));
  CHECK(c.requirements.at(Level::functional).live);
  CHECK(c.requirements.at(Level::functional).subjects == c.subjects);
  CHECK(c.requirements.at(Level::discharged).agreement == "exhaustive");
  CHECK(c.span.line == 30);
}

TEST_CASE("the contract's id comes from metadata, else from the file's name") {
  const std::string body = "  version: 1.0.0\n  description: d\nequations: {e: {formula: a = b}}\n";
  CHECK(load_text("metadata:\n  id: C-NF4\n" + body, "nf4-v1.yaml").contracts.at(0).id.text ==
        "C-NF4");
  CHECK(load_text("metadata:\n" + body, "crux-B-11-v1.yaml").contracts.at(0).id.text ==
        "CRUX-B-11");
  CHECK(load_text("metadata:\n" + body, "softmax-vector.yaml").contracts.at(0).id.text ==
        "SOFTMAX-VECTOR");
}

TEST_CASE("whatever the claim says changes its digest") {
  const Digest before = claim_digest(first_claim(good_text()));
  const std::pair<const char*, const char*> changes[] = {
      {"{value: 0.5, origin", "{value: 0.6, origin"},
      {"origin: derived, because: half", "origin: chosen, because: half"},
      {"stays below half a step", "stays below a step"},
      {"cases: 20000", "cases: 20001"},
      {"[ties_away, truncate]", "[ties_away]"},
      {"ties to even\"", "ties to odd\""},
      {"FUNCTIONAL: {live: true}", "FUNCTIONAL: {device: cuda}"},
      {"[cpu_scalar, cpu_simd]\n    parameters", "[cpu_scalar]\n    parameters"},
  };
  for (const auto& [from, to] : changes) {
    INFO(from << " → " << to);
    CHECK(claim_digest(first_claim(replaced(good_text(), from, to))) != before);
  }
}

TEST_CASE("tuning, layout and other claims leave the digest alone") {
  const Digest before = claim_digest(first_claim(good_text()));
  const std::pair<const char*, const char*> changes[] = {
      {"time_s: 20", "time_s: 40"},
      {"rule: Encoding rounds to the nearest code.",
       "rule: >\n      Encoding rounds\n      to the nearest code."},
      {"cmp out.codes want.codes", "diff out.codes want.codes"},
      {"version: 1.2.0", "version: 1.3.0"},
      {"at most 0.001.", "at most 0.002."},
      {"    binds_to: encode\n", "    status: OPEN\n    binds_to: encode\n"},
  };
  for (const auto& [from, to] : changes) {
    INFO(from << " → " << to);
    CHECK(claim_digest(first_claim(replaced(good_text(), from, to))) == before);
  }
}

TEST_CASE("a file that was not understood gives no contract") {
  CHECK(load_text(replaced(good_text(), "bound: 8", "bound: !!int 8")).contracts.empty());
}

TEST_CASE("a claim is explained with its numbers and their reasons") {
  const LoadResult result = load_text(good_text(), "crux-z-01-v1.yaml");
  const std::string page = explain_claim(result.contracts[0], result.contracts[0].claims[0]);
  for (const char* part :
       {"Encoding rounds to the nearest code.", "max_error = 0.5", "derived: half a step",
        "ties_away, truncate", "DISCHARGED: on cpu_scalar, cpu_simd, exhaustive agreement"}) {
    INFO(page);
    CHECK(page.find(part) != std::string::npos);
  }
  const std::string refuted = explain_claim(result.contracts[0], result.contracts[0].claims[1]);
  CHECK(refuted.find("the same check has to survive on twelve_bit_codec") != std::string::npos);
}

TEST_CASE("every code has a page that says why, wrong and right") {
  for (const CodeRow& row : kCodes) {
    INFO(row.code);
    const Explanation& e = explanation_of(row);
    CHECK(e.why.size() > 20);
    CHECK(!e.wrong.empty());
    CHECK(e.wrong != e.right);
    CHECK(explain_code(row).starts_with(row.code));
  }
}

}  // namespace
}  // namespace refute::pipeline::testing
