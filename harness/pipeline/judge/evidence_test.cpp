#include "harness/pipeline/judge/evidence.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "harness/catch.hpp"
#include "harness/pipeline/judge/file_text.hpp"
#include "harness/pipeline/judge/machine.hpp"
#include "harness/pipeline/judge/record_json.hpp"
#include "harness/pipeline/judge/sample_test.hpp"
#include "harness/pipeline/judge/temp_folder_test.hpp"

namespace refute::pipeline {
namespace {

using namespace sample;
namespace fs = std::filesystem;

std::vector<Evidence> attested_evidence() {
  std::vector<Evidence> all;
  for (const Evidence& e : full(encode_claim()) + full(round_trip_claim())) {
    all.push_back(attested(e, {'1', '2'}));
  }
  return all;
}

EvidenceFiles files_of(const std::vector<Evidence>& evidence) {
  Result<EvidenceFiles> files = to_files(evidence);
  REQUIRE(files);
  return *std::move(files);
}

void put(const std::string& folder, const EvidenceFiles& files) {
  for (const auto& [path, text] : files) {
    fs::create_directories(fs::path(folder + "/" + path).parent_path());
    REQUIRE_FALSE(write_text(folder + "/" + path, text));
  }
}

TEST_CASE("evidence becomes one file for each claim, attestations beside it") {
  const EvidenceFiles files = files_of(attested_evidence());
  std::vector<std::string> paths;
  for (const auto& [path, text] : files) paths.push_back(path);
  CHECK(paths == std::vector<std::string>{
                     "CRUX-B-11/FALSIFY-CRUX-B-11-001.attestations.jsonl",
                     "CRUX-B-11/FALSIFY-CRUX-B-11-001.jsonl",
                     "CRUX-B-11/FALSIFY-CRUX-B-11-004.attestations.jsonl",
                     "CRUX-B-11/FALSIFY-CRUX-B-11-004.jsonl",
                     "MANIFEST.sha256",
                 });
}

TEST_CASE("the same evidence gives the same bytes, whatever its order and copies") {
  std::vector<Evidence> evidence = attested_evidence();
  const EvidenceFiles files = files_of(evidence);
  std::ranges::reverse(evidence);
  CHECK(files_of(evidence) == files);
  CHECK(files_of(evidence + evidence) == files);
}

TEST_CASE("evidence comes back from its files, attestations attached") {
  const EvidenceFiles files = files_of(attested_evidence());
  const TempFolder folder;
  put(folder / "evidence", files);
  const Result<EvidenceFiles> read = read_evidence_folder(folder / "evidence");
  REQUIRE(read);
  CHECK(*read == files);
  const Result<std::vector<Evidence>> back = from_files(*read);
  REQUIRE(back);
  CHECK(back->size() == attested_evidence().size());
  for (const Evidence& e : *back) CHECK(e.attestations.size() == 2);
  CHECK(files_of(*back) == files);
}

TEST_CASE("sha256sum checks the manifest") {
  const TempFolder folder;
  put(folder.path(), files_of(attested_evidence()));
  const std::string command =
      "cd " + folder.path() + " && sha256sum --quiet --strict -c MANIFEST.sha256";
  CHECK(std::system(command.c_str()) == 0);
  std::ofstream(folder / "CRUX-B-11/FALSIFY-CRUX-B-11-004.jsonl", std::ios::app) << " ";
  CHECK(std::system((command + " >/dev/null 2>&1").c_str()) != 0);
}

TEST_CASE("ids that would leave the folder, or collide in it, are refused") {
  for (const char* id : {"", ".", "..", "../up", "a/b", "a b", "é", ".hidden", "x.attestations"}) {
    CAPTURE(id);
    Evidence e = record(encode_claim(), "cpu_simd");
    e.claim = {id};
    CHECK_FALSE(to_files({with_record(e)}));
  }
  Evidence e = record(encode_claim(), "cpu_simd");
  e.contract = {kManifest};
  CHECK_FALSE(to_files({with_record(e)}));
  CHECK(is_file_safe(std::string(120, 'a')));
  CHECK_FALSE(is_file_safe(std::string(121, 'a')));
}

TEST_CASE("damaged files are errors with file and line") {
  const std::string path = "CRUX-B-11/FALSIFY-CRUX-B-11-004.jsonl";
  const auto error = [&](auto spoil) {
    EvidenceFiles files = files_of(full(encode_claim()));
    spoil(files);
    const auto evidence = from_files(files);
    return evidence ? std::string() : evidence.error().what;
  };
  CHECK(error([](EvidenceFiles&) {}).empty());
  CHECK(error([&](EvidenceFiles& f) { f[path] += "{}\n"; }).starts_with(path + ":7: record."));
  CHECK(error([&](EvidenceFiles& f) { f[path].pop_back(); }).starts_with(path + ":6: "));
  CHECK(error([&](EvidenceFiles& f) { f[path] += "\n"; }).starts_with(path + ":7: "));
  CHECK(error([&](EvidenceFiles& f) {
          f["CRUX-B-11/another.jsonl"] = f[path];
        }).find("belongs into " + path) != std::string::npos);
}

TEST_CASE("only plain files are read as evidence") {
  const TempFolder folder;
  put(folder.path(), files_of(full(encode_claim())));
  fs::create_symlink("/etc/passwd", folder / "CRUX-B-11/link.jsonl");
  const auto files = read_evidence_folder(folder.path());
  REQUIRE_FALSE(files);
  CHECK(files.error().what.find("link.jsonl") != std::string::npos);
  CHECK(read_evidence_folder(folder / "absent")->empty());
}

TEST_CASE("a machine has one fingerprint, and another machine has another") {
  const MachineFacts facts{"8f1c", "GenuineIntel", "Xeon", "avx2 fma", {"GPU-b", "GPU-a"}};
  const Digest digest = fingerprint(facts);
  const auto moves = [&](auto change) {
    MachineFacts other = facts;
    change(other);
    return fingerprint(other) != digest;
  };
  CHECK_FALSE(moves([](MachineFacts& f) { std::ranges::reverse(f.gpu_uuids); }));
  CHECK(moves([](MachineFacts& f) { f.machine_id = "8f1d"; }));
  CHECK(moves([](MachineFacts& f) { f.cpu_vendor = "AuthenticAMD"; }));
  CHECK(moves([](MachineFacts& f) { f.cpu_model = "EPYC"; }));
  CHECK(moves([](MachineFacts& f) { f.cpu_flags = "avx2"; }));
  CHECK(moves([](MachineFacts& f) { f.gpu_uuids.pop_back(); }));
  // A field that grows into its neighbour is not the same machine.
  CHECK(moves([](MachineFacts& f) {
    f.machine_id = "8f1cG";
    f.cpu_vendor = "enuineIntel";
  }));
  CHECK(fingerprint(read_machine()) == fingerprint(read_machine()));
  CHECK_FALSE(read_machine().cpu_flags.empty());
}

}  // namespace
}  // namespace refute::pipeline
