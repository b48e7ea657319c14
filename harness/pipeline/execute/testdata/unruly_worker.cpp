// A worker whose rows each do one thing to their record, right or wrong, so that the harness has
// something to catch.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>

#include <unistd.h>

#include "harness/json/json.hpp"

namespace {

using refute::Value;

void write_record(const std::string& text) {
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t n = ::write(3, rest.data(), rest.size());
    if (n <= 0) std::exit(9);
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string text_of(const Value& job, std::string_view name) {
  return *job.find(name)->as_string();
}

Value record_for(const Value& job, const char* outcome) {
  Value record;
  record.set("protocol", 1);
  for (const char* name : {"job", "nonce", "claim", "subject"})
    record.set(name, text_of(job, name));
  record.set("outcome", outcome);
  record.set("message", std::string_view(outcome) == "survived" ? "" : "element 3 is wrong");
  record.set("cases", 10);
  record.set("comparisons", 10);
  record.set("domain", "generated");
  record.set("agreement", "tolerance");
  if (std::string_view(outcome) == "refuted")
    record.set("counterexample", Value(Value::List{Value("0x1p-3")}));
  if (std::string_view(outcome) == "declined") record.set("reason", "no_fixture");
  Value read{Value::List{}};
  for (const auto& [name, value] : *job.find("parameters")->as_map()) read.push(name);
  record.set("parameters_read", read);
  return record;
}

int give(Value record) {
  write_record(refute::json::dump(record));
  return 0;
}

struct Row {
  const char* claim;
  int (*run)(const Value& job);
};

int drop(const Value& job, std::string_view member) {
  const Value whole = record_for(job, "survived");
  Value record;
  for (const auto& [name, value] : *whole.as_map()) {
    if (name != member) record.set(name, value);
  }
  return give(record);
}

int set(const Value& job, std::string_view member, Value value) {
  Value record = record_for(job, "survived");
  record.set(member, std::move(value));
  return give(record);
}

constexpr Row kRows[] = {
    {"SURVIVED", [](const Value& job) { return give(record_for(job, "survived")); }},
    {"REFUTED", [](const Value& job) { return give(record_for(job, "refuted")); }},
    {"DECLINED", [](const Value& job) { return give(record_for(job, "declined")); }},
    // A good check: survives on the subject, refutes its mutants and its negation.
    {"POWERFUL",
     [](const Value& job) {
       return give(record_for(job, text_of(job, "arm") == "subject" ? "survived" : "refuted"));
     }},
    {"ABORTS", [](const Value&) -> int { std::abort(); }},
    {"EXITS-7", [](const Value&) { return 7; }},
    {"SILENT", [](const Value&) { return 0; }},
    {"GARBAGE", [](const Value&) { return write_record("PASS"), 0; }},
    {"TWO-RECORDS",
     [](const Value& job) {
       return give(record_for(job, "survived")), give(record_for(job, "survived"));
     }},
    {"FLOODS-RECORD", [](const Value&) { return write_record(std::string(2u << 20, '{')), 0; }},
    {"SURVIVED-EXIT-1", [](const Value& job) { return give(record_for(job, "survived")), 1; }},
    {"REFUTED-EXIT-1", [](const Value& job) { return give(record_for(job, "refuted")), 1; }},
    {"SURVIVED-ABORTS",
     [](const Value& job) -> int {
       give(record_for(job, "survived"));
       std::abort();
     }},
    {"FOREIGN-JOB", [](const Value& job) { return set(job, "job", "another"); }},
    {"FOREIGN-NONCE", [](const Value& job) { return set(job, "nonce", "00"); }},
    {"FOREIGN-CLAIM", [](const Value& job) { return set(job, "claim", "FALSIFY-OTHER"); }},
    {"FOREIGN-SUBJECT", [](const Value& job) { return set(job, "subject", "cuda"); }},
    {"OLD-PROTOCOL", [](const Value& job) { return set(job, "protocol", 0); }},
    {"NO-CASES", [](const Value& job) { return set(job, "cases", 0); }},
    {"NO-COMPARISONS", [](const Value& job) { return set(job, "comparisons", 0); }},
    {"NEGATIVE-CASES", [](const Value& job) { return set(job, "cases", -1); }},
    {"CASES-AS-TEXT", [](const Value& job) { return set(job, "cases", "10"); }},
    {"CASES-AS-FRACTION", [](const Value& job) { return set(job, "cases", 10.5); }},
    {"UNKNOWN-OUTCOME", [](const Value& job) { return set(job, "outcome", "passed"); }},
    {"CRASHED-BY-WORD", [](const Value& job) { return set(job, "outcome", "crashed"); }},
    {"UNKNOWN-DOMAIN", [](const Value& job) { return set(job, "domain", "everything"); }},
    {"UNKNOWN-MEMBER", [](const Value& job) { return set(job, "comparision", 3); }},
    {"BAD-DIGEST", [](const Value& job) { return set(job, "result_digest", "abc"); }},
    {"FIXTURE-WITHOUT-INPUT", [](const Value& job) { return set(job, "domain", "fixture"); }},
    {"READS-NOTHING",
     [](const Value& job) { return set(job, "parameters_read", Value(Value::List{})); }},
    {"DISCARDS-MOST", [](const Value& job) { return set(job, "discards", 101); }},
    {"DISCARDS-MANY", [](const Value& job) { return set(job, "discards", 100); }},
    {"LIST", [](const Value&) { return write_record("[]"), 0; }},
    {"WITHOUT-NONCE", [](const Value& job) { return drop(job, "nonce"); }},
    {"WITHOUT-CASES", [](const Value& job) { return drop(job, "cases"); }},
    {"WITHOUT-COMPARISONS", [](const Value& job) { return drop(job, "comparisons"); }},
    {"WITHOUT-DOMAIN", [](const Value& job) { return drop(job, "domain"); }},
    {"REFUTED-WITHOUT-COUNTEREXAMPLE",
     [](const Value& job) {
       Value record = record_for(job, "refuted");
       record.set("counterexample", Value());
       return give(record);
     }},
    {"DECLINED-FOR-NO-REASON",
     [](const Value& job) {
       Value record = record_for(job, "declined");
       record.set("reason", "tired");
       return give(record);
     }},
    // The nonce is the only thing that differs between two runs of a job.
    {"WAVERS",
     [](const Value& job) {
       Value record = record_for(job, "refuted");
       record.set("counterexample", text_of(job, "nonce"));
       return give(record);
     }},
    {"HANGS",
     [](const Value&) -> int {
       for (;;) ::pause();
     }},
};

int list() {
  Value rows{Value::List{}};
  for (const Row& row : kRows) {
    Value value;
    value.set("claim", row.claim);
    value.set("subjects", Value::List{Value("cpu_scalar"), Value("cpu_simd")});
    value.set("mutants", Value::List{Value("truncate")});
    rows.push(value);
  }
  Value listing;
  listing.set("protocol", 1);
  listing.set("kind", "falsifier");
  listing.set("worker", "unruly_worker");
  listing.set("contract", "UNRULY");
  listing.set("rows", rows);
  std::cout << refute::json::dump(listing) << "\n";
  return 0;
}

// In contracts, which are linted, the row's claim is FALSIFY-UNRULY-<row>-001.
std::string row_name(std::string claim) {
  constexpr std::string_view kPrefix = "FALSIFY-UNRULY-", kSuffix = "-001";
  if (!claim.starts_with(kPrefix) || !claim.ends_with(kSuffix)) return claim;
  return claim.substr(kPrefix.size(), claim.size() - kPrefix.size() - kSuffix.size());
}

int run() {
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  const auto job = refute::json::parse(text);
  if (!job) return 2;
  std::cerr << "about to run " << text_of(*job, "claim") << "\n";
  for (const Row& row : kRows) {
    if (row_name(text_of(*job, "claim")) == row.claim) return row.run(*job);
  }
  return 64;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--list") return list();
  if (argc == 2 && std::string_view(argv[1]) == "--run") return run();
  return 64;
}
