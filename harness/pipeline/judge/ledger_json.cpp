#include "harness/pipeline/judge/ledger_json.hpp"

#include <fmt/format.h>

#include "harness/digest/sha256.hpp"
#include "harness/json/json.hpp"
#include "harness/pipeline/judge/strict_map.hpp"

namespace refute::pipeline {
namespace {

using Map = Value::Map;
constexpr int kLedgerSchema = 2;

Value texts(const std::vector<Digest>& digests) {
  Value list = Value::List{};
  for (const Digest& digest : digests) list.push(digest.text);
  return list;
}

Value to_value(const ClaimLedger& c) {
  Value subjects = Map{};
  for (const SubjectLedger& s : c.subjects) {
    if (s.claimed) subjects.set(s.subject.text, to_string(s.level));
  }
  return Map{{"contract", c.contract.text},
             {"claim", c.claim.text},
             {"level", to_string(c.level)},
             {"subjects", subjects},
             {"records", texts(c.records)}};
}

Level level_word(StrictMap& map, std::string_view key) {
  return static_cast<Level>(map.word(key, kLevelNames));
}

std::vector<SubjectLedger> take_subjects(StrictMap& map) {
  const Value& subjects = map.any("subjects");
  StrictMap levels(subjects, "ledger.claims.subjects");
  std::vector<SubjectLedger> result;
  if (const Map* members = subjects.as_map()) {
    for (const auto& [name, level] : *members) {
      result.push_back({{name}, level_word(levels, name), true, {}});
    }
  }
  map.absorb(levels);
  return result;
}

std::vector<Digest> take_records(StrictMap& map) {
  std::vector<Digest> records;
  for (const Value& item : map.list("records")) {
    const std::string* text = item.as_string();
    if (text == nullptr || !is_digest(*text))
      map.fail("records", "holds something that is no digest");
    records.push_back({text == nullptr ? "" : *text});
  }
  return records;
}

ClaimLedger take_claim(const Value& item, StrictMap& outer) {
  StrictMap map(item, "ledger.claims");
  ClaimLedger claim;
  claim.contract = {map.text("contract")};
  claim.claim = {map.text("claim")};
  claim.level = level_word(map, "level");
  claim.subjects = take_subjects(map);
  claim.records = take_records(map);
  map.finish();
  outer.absorb(map);
  return claim;
}

}  // namespace

std::string ledger_json(const Ledger& ledger, const Digest& manifest) {
  Value claims = Value::List{};
  for (const ClaimLedger& claim : ledger.claims) claims.push(to_value(claim));
  Value all = Map{{"schema", kLedgerSchema}, {"manifest", manifest.text}, {"claims", claims}};
  const Digest digest = sha256_of(json::dump(all));
  all.set("digest", digest.text);
  return json::dump_pretty(all);
}

Result<CommittedLedger> parse_ledger(std::string_view text) {
  Result<Value> value = json::parse(text, {.bytes = 64u << 20});
  if (!value) return value.take_error();
  StrictMap map(*value, "ledger");
  if (map.integer("schema") != kLedgerSchema) {
    map.fail("schema", fmt::format("is not {}, the one that this refute reads", kLedgerSchema));
  }
  CommittedLedger result;
  result.manifest = map.digest("manifest");
  for (const Value& item : map.list("claims")) {
    result.ledger.claims.push_back(take_claim(item, map));
  }
  const Digest digest = map.digest("digest");
  if (std::optional<Error> error = map.finish()) return *std::move(error);
  Value rest = *value;
  std::erase_if(*rest.as_map(), [](const auto& member) { return member.first == "digest"; });
  if (sha256_of(json::dump(rest)) != digest) {
    return Error{"ledger: its content is not what its digest says",
                 "levels are computed: `refute promote` writes them"};
  }
  if (ledger_json(result.ledger, result.manifest) != text) {
    return Error{"ledger: the file is not in the form that promote writes", ""};
  }
  return result;
}

}  // namespace refute::pipeline
