#include "harness/pipeline/load/schema.hpp"

#include <cstdlib>
#include <fstream>
#include <set>

#include "harness/catch.hpp"
#include "harness/json/json.hpp"
#include "harness/pipeline/load/testing.hpp"

namespace refute::pipeline::testing {
namespace {

TEST_CASE("the schema beside the contracts is today's") {
  const std::string path = source_path("contracts/schema/contract.schema.json");
  const std::string text = json::dump_pretty(json_schema());
  if (std::getenv("REFUTE_APPROVE") != nullptr) std::ofstream(path, std::ios::binary) << text;
  INFO("refute schema > contracts/schema/contract.schema.json");
  CHECK(text == read_text(path));
}

void check_references(const Value& node, const Value& definitions) {
  if (const Value* reference = node.find("$ref")) {
    const std::string name = reference->as_string()->substr(std::string("#/$defs/").size());
    INFO(name);
    CHECK(definitions.find(name) != nullptr);
  }
  if (const Value::Map* map = node.as_map()) {
    for (const Value::Member& member : *map) check_references(member.second, definitions);
  }
  if (const Value::List* list = node.as_list()) {
    for (const Value& item : *list) check_references(item, definitions);
  }
}

TEST_CASE("every reference in the schema leads somewhere") {
  const Value schema = json_schema();
  check_references(schema, *schema.find("$defs"));
}

void check_shape(const Shape& shape, std::set<const Shape*>& seen) {
  if (!seen.insert(&shape).second) return;
  std::set<std::string_view> names;
  for (const Field& field : shape.fields) {
    INFO(shape.name << "." << field.key);
    CHECK(names.insert(field.key).second);
    if (!field.old_name.empty()) CHECK(names.insert(field.old_name).second);
    CHECK((field.type == Type::word) == !field.words.empty());
    const bool holds_shape = field.type == Type::object || field.type == Type::objects ||
                             field.type == Type::named_objects || field.type == Type::parameters;
    CHECK(holds_shape == (field.shape != nullptr));
    if (field.shape != nullptr) check_shape(*field.shape, seen);
  }
}

TEST_CASE("the tables are sound") {
  std::set<const Shape*> seen;
  check_shape(contract_shape(), seen);
  CHECK(seen.size() > 10);
}

}  // namespace
}  // namespace refute::pipeline::testing
