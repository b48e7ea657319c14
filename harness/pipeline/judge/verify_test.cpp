#include "harness/pipeline/judge/verify.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "harness/catch.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/pipeline/judge/file_text.hpp"
#include "harness/pipeline/judge/judge.hpp"
#include "harness/pipeline/judge/ledger_json.hpp"
#include "harness/pipeline/judge/promote.hpp"
#include "harness/pipeline/judge/record_json.hpp"
#include "harness/pipeline/judge/sample_test.hpp"
#include "harness/pipeline/judge/temp_folder_test.hpp"

namespace refute::pipeline {
namespace {

using namespace sample;

Promotion promoted() {
  std::vector<Evidence> run;
  for (const Evidence& e : full(encode_claim()) + full(device_claim())) {
    run.push_back(attested(e, {'1'}));
  }
  Result<Promotion> promotion = plan_promotion({contract()}, today(), {}, run);
  REQUIRE(promotion);
  return *std::move(promotion);
}

bool finds(const std::vector<VerifyFinding>& findings, Damage damage, const std::string& path) {
  return std::ranges::any_of(findings, [&](const VerifyFinding& f) {
    return f.damage == damage && f.path == path && !f.what.empty();
  });
}

/// Puts the manifest, the ledger's digest of it and the ledger's own digest right again: what
/// somebody does who edits by hand and covers it up.
void cover_up(EvidenceFiles& files, std::string& ledger) {
  std::string manifest;
  for (const auto& [path, text] : files) {
    if (path != kManifest) manifest += sha256_of(text).text + "  " + path + "\n";
  }
  files[kManifest] = manifest;
  const Result<CommittedLedger> read = parse_ledger(ledger);
  REQUIRE(read);
  ledger = ledger_json(read->ledger, sha256_of(manifest));
}

const std::string kRecords = "CRUX-B-11/FALSIFY-CRUX-B-11-004.jsonl";
const std::string kAttested = "CRUX-B-11/FALSIFY-CRUX-B-11-004.attestations.jsonl";

TEST_CASE("what promote writes verifies") {
  const Promotion p = promoted();
  CHECK(verify(p.files, p.ledger_text).empty());
  CHECK(verify({}, "").empty());
}

/// Five records and their attestations: small enough to spoil byte by byte.
Promotion small_tree() {
  std::vector<Evidence> run;
  for (const Evidence& e : full(device_claim())) run.push_back(attested(e, {'1'}));
  Result<Promotion> promotion = plan_promotion({contract()}, today(), {}, run);
  REQUIRE(promotion);
  return *std::move(promotion);
}

TEST_CASE("every flipped byte of the evidence is found, under its file's name") {
  const Promotion p = small_tree();
  for (const auto& [path, text] : p.files) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      EvidenceFiles files = p.files;
      files[path][i] = static_cast<char>(text[i] ^ (1 << (i % 8)));
      const auto findings = verify(files, p.ledger_text);
      const bool named = std::ranges::any_of(
          findings, [&](const VerifyFinding& f) { return f.path == "evidence/" + path; });
      if (!named) FAIL_CHECK(path << ": byte " << i << " changed, and nobody noticed");
    }
  }
}

TEST_CASE("every truncation of every file is found") {
  const Promotion p = small_tree();
  for (const auto& [path, text] : p.files) {
    for (std::size_t size = 0; size < text.size(); ++size) {
      EvidenceFiles files = p.files;
      files[path].resize(size);
      if (verify(files, p.ledger_text).empty()) FAIL_CHECK(path << " cut to " << size);
    }
    CHECK(finds(verify(
                    [&] {
                      EvidenceFiles files = p.files;
                      files[path].pop_back();
                      return files;
                    }(),
                    p.ledger_text),
                Damage::truncated, "evidence/" + path));
  }
}

TEST_CASE("missing and extra files are found") {
  const Promotion p = promoted();
  for (const auto& [path, text] : p.files) {
    EvidenceFiles files = p.files;
    files.erase(path);
    CHECK(finds(verify(files, p.ledger_text), Damage::missing, "evidence/" + path));
  }
  EvidenceFiles files = p.files;
  files["CRUX-B-11/notes.jsonl"] = files[kRecords];
  CHECK(finds(verify(files, p.ledger_text), Damage::extra, "evidence/CRUX-B-11/notes.jsonl"));
  CHECK(finds(verify(p.files, ""), Damage::missing, "ledger.json"));
  CHECK(finds(verify({}, p.ledger_text), Damage::missing, "evidence/MANIFEST.sha256"));
}

TEST_CASE("a ledger that was cut or spoilt is found") {
  const Promotion p = promoted();
  for (std::size_t size = 1; size < p.ledger_text.size(); ++size) {
    if (verify(p.files, p.ledger_text.substr(0, size)).empty()) FAIL_CHECK("cut to " << size);
  }
  std::string ledger = p.ledger_text;
  ledger.replace(ledger.find("DISCHARGED"), 10, "discharged");
  CHECK(finds(verify(p.files, ledger), Damage::malformed, "ledger.json"));
}

TEST_CASE("a forger who also mends the manifest is found by the records themselves") {
  const Promotion p = promoted();
  EvidenceFiles files = p.files;
  std::string ledger = p.ledger_text;
  SECTION("the control: nothing forged") {
    cover_up(files, ledger);
    CHECK(verify(files, ledger).empty());
  }
  SECTION("a changed outcome") {
    std::string& text = files[kRecords];
    const std::size_t at = text.find("65536");
    text.replace(at, 5, "95536");
    cover_up(files, ledger);
    // The record's digest is another now: the ledger and the attestation name one that is gone.
    CHECK(finds(verify(files, ledger), Damage::missing, "ledger.json"));
    CHECK(finds(verify(files, ledger), Damage::misplaced, "evidence/" + kAttested));
  }
  SECTION("a record under another claim") {
    files["CRUX-B-11/FALSIFY-CRUX-B-11-009.jsonl"] += files[kRecords];
    cover_up(files, ledger);
    CHECK(finds(verify(files, ledger), Damage::misplaced,
                "evidence/CRUX-B-11/FALSIFY-CRUX-B-11-009.jsonl"));
  }
  SECTION("a record twice") {
    const std::string first = files[kRecords].substr(0, files[kRecords].find('\n') + 1);
    files[kRecords] = first + files[kRecords];
    cover_up(files, ledger);
    CHECK(finds(verify(files, ledger), Damage::misplaced, "evidence/" + kRecords));
  }
  SECTION("an attestation of a record that is not there") {
    files[kAttested] += R"({"machine":")" + std::string(64, 'f') + R"(","record":")" +
                        std::string(64, 'f') + "\"}\n";
    cover_up(files, ledger);
    CHECK(finds(verify(files, ledger), Damage::misplaced, "evidence/" + kAttested));
  }
  SECTION("an attestation beside another claim's records") {
    const std::string other = "CRUX-B-11/FALSIFY-CRUX-B-11-009.attestations.jsonl";
    files[other] = files[kAttested];
    cover_up(files, ledger);
    CHECK(finds(verify(files, ledger), Damage::misplaced, "evidence/" + other));
  }
  SECTION("a file that is no record") {
    files["CRUX-B-11/x.jsonl"] = "hello\n";
    cover_up(files, ledger);
    CHECK(finds(verify(files, ledger), Damage::malformed, "evidence/CRUX-B-11/x.jsonl"));
  }
}

TEST_CASE("a folder of evidence verifies byte for byte on disk") {
  const TempFolder reports;
  CHECK(verify_folder(reports.path()).empty());
  REQUIRE_FALSE(write_promotion(reports.path(), promoted()));
  CHECK(verify_folder(reports.path()).empty());
  SECTION("a byte more") {
    std::ofstream(reports / "evidence/" + kRecords, std::ios::app) << "\n";
    CHECK(finds(verify_folder(reports.path()), Damage::changed, "evidence/" + kRecords));
  }
  SECTION("an empty ledger") {
    std::ofstream(reports / "ledger.json", std::ios::trunc);
    CHECK(finds(verify_folder(reports.path()), Damage::truncated, "ledger.json"));
  }
  SECTION("a link instead of a file") {
    std::filesystem::rename(reports / "evidence/" + kRecords, reports / "elsewhere");
    std::filesystem::create_symlink(reports / "elsewhere", reports / "evidence/" + kRecords);
    CHECK(finds(verify_folder(reports.path()), Damage::unreadable, "evidence"));
  }
}

TEST_CASE("a ledger comes back from its file, and only from its own spelling") {
  const Promotion p = promoted();
  const Result<CommittedLedger> back = parse_ledger(p.ledger_text);
  REQUIRE(back);
  CHECK(back->manifest == sha256_of(p.files.at(kManifest)));
  CHECK(back->ledger.find(encode_claim().id)->level == Level::discharged);
  CHECK(back->ledger.find(round_trip_claim().id)->level == Level::open);
  CHECK(ledger_json(back->ledger, back->manifest) == p.ledger_text);
  CHECK_FALSE(parse_ledger(p.ledger_text + "\n"));
  CHECK_FALSE(parse_ledger("{}"));
}

TEST_CASE("a level typed by hand does not verify") {
  Promotion p = promoted();
  const std::size_t at = p.ledger_text.find("\"OPEN\"");
  REQUIRE(at != std::string::npos);
  p.ledger_text.replace(at, 6, "\"DISCHARGED\"");
  const auto findings = verify(p.files, p.ledger_text);
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].path == "ledger.json");
  CHECK(findings[0].what.find("digest") != std::string::npos);
}

}  // namespace
}  // namespace refute::pipeline
