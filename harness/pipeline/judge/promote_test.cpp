#include "harness/pipeline/judge/promote.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/catch.hpp"
#include "harness/pipeline/judge/file_text.hpp"
#include "harness/pipeline/judge/record_json.hpp"
#include "harness/pipeline/judge/sample_test.hpp"
#include "harness/pipeline/judge/temp_folder_test.hpp"
#include "harness/pipeline/judge/verify.hpp"

namespace refute::pipeline {
namespace {

using namespace sample;
namespace fs = std::filesystem;
using Records = std::vector<Evidence>;

Promotion planned(const Records& committed, const Records& run, const Today& now = today(),
                  const std::vector<Contract>& contracts = {contract()}) {
  Result<Promotion> promotion = plan_promotion(contracts, now, committed, run);
  REQUIRE(promotion);
  return *std::move(promotion);
}

Records by(const Records& evidence, char machine) {
  Records all;
  for (const Evidence& e : evidence) all.push_back(attested(e, {machine}));
  return all;
}

Records committed_by(const Promotion& promotion) {
  Result<Records> back = from_files(promotion.files);
  REQUIRE(back);
  return *std::move(back);
}

TEST_CASE("a first promote takes what the run showed") {
  const Promotion p = planned({}, by(full(encode_claim()), '1'));
  CHECK(p.added == 6);
  CHECK(p.attested == 0);
  CHECK(p.dropped == 0);
  CHECK(p.left_out == 0);
  CHECK(p.ledger.find(encode_claim().id)->level == Level::discharged);
}

TEST_CASE("promoting the same run again changes nothing") {
  const Records run = by(full(encode_claim()), '1');
  const Promotion first = planned({}, run);
  const Promotion second = planned(committed_by(first), run);
  CHECK(second.files == first.files);
  CHECK(second.ledger_text == first.ledger_text);
  CHECK(second.added == 0);
  CHECK(second.attested == 0);
}

TEST_CASE("a second machine that reproduces the records attests them") {
  Claim claim = encode_claim();
  claim.requirements[Level::discharged] = {};
  claim.requirements[Level::discharged].machines = 2;
  const std::vector<Contract> contracts = {{{"CRUX-B-11"}, "1.0.0", "c.yaml", {claim}}};
  const Promotion first = planned({}, by(full(claim), '1'), today(), contracts);
  CHECK(first.ledger.claims[0].level == Level::functional);
  const Promotion again = planned(committed_by(first), by(full(claim), '1'), today(), contracts);
  CHECK(again.ledger.claims[0].level == Level::functional);
  const Promotion second = planned(committed_by(first), by(full(claim), '2'), today(), contracts);
  CHECK(second.added == 0);
  CHECK(second.attested == 6);
  CHECK(second.ledger.claims[0].level == Level::discharged);
}

TEST_CASE("a refutation is promoted, and demotes the ledger") {
  const Promotion good = planned({}, full(encode_claim()));
  const Evidence bad = record(encode_claim(), "cpu_simd", counterexample());
  const Promotion p = planned(committed_by(good), {bad});
  CHECK(p.added == 1);
  CHECK(p.ledger.find(encode_claim().id)->level == Level::refuted);
  // And it stays through later runs that do not refute.
  const Promotion later = planned(committed_by(p), full(encode_claim()));
  CHECK(later.ledger.find(encode_claim().id)->level == Level::refuted);
}

TEST_CASE("runs without a verdict are left out, findings are not") {
  const Claim claim = encode_claim();
  const Promotion p =
      planned({}, {record(claim, "cpu_simd", Declined{}), record(claim, "cpu_simd", TimedOut{60}),
                   record(claim, "cpu_simd", Broken{"no record"}),
                   record(claim, "cpu_simd", Crashed{11, 0, "SIGSEGV"}),
                   record(claim, "cpu_simd", Nondeterministic{"twice"})});
  CHECK(p.left_out == 3);
  CHECK(p.added == 2);
}

TEST_CASE("stale evidence gives way, fresh evidence stays") {
  const Promotion old = planned({}, full(encode_claim()) + full(device_claim()));
  Today now = today();
  for (auto& [id, binding] : now.bound) binding.sources["cpu"] = {std::string(64, '0')};
  Evidence anew = record(encode_claim(), "cpu_simd");
  anew.provenance.source = {std::string(64, '0')};
  const Promotion p = planned(committed_by(old), {with_record(anew)}, now);
  // All on the CPU went stale; the GPU's two records (survived, negated) did not.
  CHECK(p.dropped == 6 + 3);
  CHECK(p.added == 1);
  CHECK(committed_by(p).size() == 3);
}

TEST_CASE("GPU evidence survives a promote on a machine without a GPU") {
  const Promotion old = planned({}, full(device_claim()));
  Today bare = today();
  bare.architecture = "";
  const Claim claim = device_claim();
  const Promotion p =
      planned(committed_by(old),
              {record(claim, "cuda", Declined{DeclineReason::no_device, "no device"})}, bare);
  CHECK(p.files == old.files);
  CHECK(p.ledger_text == old.ledger_text);
}

TEST_CASE("a run made before an edit is not promoted after it") {
  const Records run = full(encode_claim());
  Contract edited = contract();
  for (Claim& claim : edited.claims) claim.clause.set("rule", "something else");
  const Promotion p = planned({}, run, today(), {edited});
  CHECK(p.added == 0);
  CHECK(p.left_out == 6);
}

TEST_CASE("evidence of a claim that is gone goes too") {
  const Promotion old = planned({}, full(encode_claim()) + full(device_claim()));
  Contract shorter = contract();
  shorter.claims.pop_back();
  const Promotion p = planned(committed_by(old), {}, today(), {shorter});
  CHECK(p.dropped == 5);
  CHECK_FALSE(p.files.contains("CRUX-B-11/FALSIFY-CRUX-B-11-009.jsonl"));
}

TEST_CASE("what is written is what was planned, and can be loaded") {
  const TempFolder reports;
  const Promotion p = planned({}, by(full(encode_claim()), '1'));
  REQUIRE_FALSE(write_promotion(reports / "reports", p));
  const Result<Committed> back = load_committed(reports / "reports");
  REQUIRE(back);
  CHECK(back->ledger_text == p.ledger_text);
  CHECK(*to_files(back->evidence) == p.files);
  // A smaller promotion leaves nothing of the larger one behind.
  const Promotion smaller = planned({}, {record(encode_claim(), "cpu_simd")});
  REQUIRE_FALSE(write_promotion(reports / "reports", smaller));
  CHECK(*read_evidence_folder(reports / "reports/evidence") == smaller.files);
  CHECK(std::distance(fs::directory_iterator(reports / "reports"), {}) == 2);
}

TEST_CASE("nothing committed yet is no error") {
  const TempFolder reports;
  const Result<Committed> none = load_committed(reports.path());
  REQUIRE(none);
  CHECK(none->evidence.empty());
  CHECK(none->ledger_text.empty());
}

struct State {
  EvidenceFiles files;
  std::string ledger;
  bool operator==(const State&) const = default;
};

State on_disk(const std::string& reports) {
  Result<EvidenceFiles> files = read_evidence_folder(reports + "/evidence");
  REQUIRE(files);
  const Result<std::string> ledger = read_text(reports + "/ledger.json");
  return {*files, ledger ? *ledger : ""};
}

TEST_CASE("a promote that is killed leaves the old state, the new one, or one that is repaired") {
  const TempFolder reports;
  const Promotion small = planned({}, by(full(encode_claim()), '1'));
  const Promotion large = planned({}, by(full(encode_claim()) + full(device_claim()), '2'));
  const State states[] = {{small.files, small.ledger_text}, {large.files, large.ledger_text}};
  REQUIRE_FALSE(write_promotion(reports.path(), small));
  for (int i = 0; i < 40; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (int turn = 0;; ++turn) {
        if (write_promotion(reports.path(), turn % 2 == 0 ? large : small)) ::_exit(1);
      }
    }
    ::usleep(static_cast<useconds_t>(2000 + 977 * i));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFSIGNALED(status));
    const State killed = on_disk(reports.path());
    if (killed != states[0] && killed != states[1]) {
      REQUIRE_FALSE(verify_folder(reports.path()).empty());
    }
    REQUIRE_FALSE(recover(reports.path()));
    const State repaired = on_disk(reports.path());
    REQUIRE((repaired == states[0] || repaired == states[1]));
    REQUIRE(verify_folder(reports.path()).empty());
  }
}

TEST_CASE("the one state between the two steps is refused, and repaired to the old one") {
  const TempFolder reports;
  const Promotion old = planned({}, by(full(encode_claim()), '1'));
  const Promotion anew = planned({}, by(full(device_claim()), '1'));
  REQUIRE_FALSE(write_promotion(reports.path(), old));
  // As after a kill between the exchange of the folders and the ledger.
  fs::rename(reports / "evidence", reports / ".evidence.new");
  const TempFolder other;
  REQUIRE_FALSE(write_promotion(other.path(), anew));
  fs::copy(other / "evidence", reports / "evidence", fs::copy_options::recursive);
  CHECK_FALSE(verify_folder(reports.path()).empty());
  REQUIRE_FALSE(recover(reports.path()));
  CHECK(verify_folder(reports.path()).empty());
  CHECK(on_disk(reports.path()) == State{old.files, old.ledger_text});
}

TEST_CASE("a promote that cannot be written keeps what was there") {
  const TempFolder reports;
  const Promotion small = planned({}, {record(encode_claim(), "cpu_simd")});
  const Promotion large = planned({}, by(full(encode_claim()) + full(device_claim()), '2'));
  REQUIRE_FALSE(write_promotion(reports.path(), small));
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  for (const rlim_t bytes : {10u, 1000u, 3000u}) {
    const rlimit limit{bytes, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const auto error = write_promotion(reports.path(), large);
    ::setrlimit(RLIMIT_FSIZE, &before);
    REQUIRE(error);
    CHECK(error->what.find("File too large") != std::string::npos);
    CHECK(on_disk(reports.path()) == State{small.files, small.ledger_text});
    CHECK(std::distance(fs::directory_iterator(reports.path()), {}) == 2);
  }
  std::signal(SIGXFSZ, handler);
}

TEST_CASE("a ledger that cannot be written takes the evidence back with it") {
  const TempFolder reports;
  const Promotion p = planned({}, by(full(encode_claim()), '1'));
  fs::create_directories(reports / "ledger.json/in_the_way");
  const auto error = write_promotion(reports.path(), p);
  REQUIRE(error);
  CHECK(error->what.find("ledger.json") != std::string::npos);
  CHECK_FALSE(fs::exists(reports / "evidence"));
  CHECK_FALSE(fs::exists(reports / ".evidence.new"));
}

}  // namespace
}  // namespace refute::pipeline
