#include <string>

#include "harness/pipeline/load/schema.hpp"

namespace refute::pipeline {
namespace {

Value type_of(std::string_view name) {
  return Value(Value::Map{{"type", Value(name)}});
}

Value any_of(Value::List options) {
  return Value(Value::Map{{"anyOf", Value(std::move(options))}});
}

// Any scalar serves as text: `domain: 1` is as readable as `domain: "1"`.
Value scalar_schema() {
  return Value(Value::Map{{"type", Value(Value::List{"string", "number", "boolean"})}});
}

Value reference_to(const Shape& shape) {
  return Value(Value::Map{{"$ref", Value("#/$defs/" + std::string(shape.name))}});
}

Value list_of(Value items) {
  return Value(Value::Map{{"type", "array"}, {"items", std::move(items)}});
}

Value map_of(Value values) {
  return Value(Value::Map{{"type", "object"}, {"additionalProperties", std::move(values)}});
}

Value words_schema(const Field& field) {
  Value::List words;
  for (const std::string_view word : field.words) words.push_back(Value(word));
  // The longer vocabularies were collected from public contracts and are compared without regard to
  // case.
  if (field.words.size() > 3)
    return Value(Value::Map{{"type", "string"}, {"examples", Value(std::move(words))}});
  return Value(Value::Map{{"enum", Value(std::move(words))}});
}

Value number_schema(const Field& field) {
  Value schema = type_of(field.type == Type::integer ? "integer" : "number");
  if (field.least == 0 && field.most == 0) return schema;
  schema.set("minimum", Value(field.least));
  schema.set("maximum", Value(field.most));
  return schema;
}

Value parameter_values(const Shape& shape) {
  return map_of(
      any_of({scalar_schema(), list_of(any_of({scalar_schema(), list_of(scalar_schema())})),
              reference_to(shape)}));
}

Value shape_of(const Field& field) {
  switch (field.type) {
    case Type::any:
      return Value(Value::Map{});
    case Type::text:
      return any_of({scalar_schema(), list_of(scalar_schema())});
    case Type::prose: {
      Value text = type_of("string");
      text.set("pattern", "\\S");
      return any_of({std::move(text), list_of(scalar_schema())});
    }
    case Type::texts:
      return any_of({scalar_schema(), type_of("object"),
                     list_of(any_of({scalar_schema(), type_of("object")}))});
    case Type::id: {
      Value text = scalar_schema();
      text.set("pattern", "^\\S+$");
      return text;
    }
    case Type::word:
      return words_schema(field);
    case Type::integer:
    case Type::real:
      return number_schema(field);
    case Type::boolean:
      return type_of("boolean");
    case Type::date: {
      Value text = type_of("string");
      text.set("pattern", "^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?$");
      return text;
    }
    case Type::version: {
      Value text = type_of("string");
      text.set("pattern", "^(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)([-+].*)?$");
      return text;
    }
    case Type::tolerance: {
      Value number = type_of("number");
      number.set("minimum", 0);
      return any_of({std::move(number), type_of("string"), type_of("object")});
    }
    case Type::object:
      return reference_to(*field.shape);
    case Type::objects:
      return list_of(reference_to(*field.shape));
    case Type::named_objects:
      return any_of({map_of(any_of({type_of("string"), reference_to(*field.shape)})),
                     list_of(reference_to(*field.shape))});
    case Type::parameters:
      return parameter_values(*field.shape);
  }
  return Value();
}

// `key: null` on an optional key says "none".
Value field_schema(const Field& field) {
  Value schema = shape_of(field);
  if (field.type == Type::any) return schema;
  if (field.need == Need::optional) schema = any_of({std::move(schema), type_of("null")});
  if (!field.help.empty()) schema.set("description", Value(field.help));
  return schema;
}

Value one_of_the_names(const Field& field) {
  Value::List options;
  for (const std::string_view name : {field.key, field.old_name}) {
    options.push_back(Value(Value::Map{{"required", Value(Value::List{Value(name)})}}));
  }
  return any_of(std::move(options));
}

Value object_schema(const Shape& shape) {
  Value schema = type_of("object");
  if (!shape.help.empty()) schema.set("description", Value(shape.help));
  Value properties(Value::Map{});
  Value::List required, either;
  for (const Field& field : shape.fields) {
    properties.set(field.key, field_schema(field));
    if (!field.old_name.empty()) {
      Value old = field_schema(field);
      old.set("deprecated", true);
      properties.set(field.old_name, std::move(old));
    }
    if (field.need == Need::required && field.old_name.empty())
      required.push_back(Value(field.key));
    if (field.need == Need::required && !field.old_name.empty())
      either.push_back(one_of_the_names(field));
  }
  schema.set("properties", std::move(properties));
  if (!required.empty()) schema.set("required", Value(std::move(required)));
  if (!either.empty()) schema.set("allOf", Value(std::move(either)));
  if (shape.closed) {
    schema.set("patternProperties", Value(Value::Map{{"^x-", Value(Value::Map{})}}));
    schema.set("additionalProperties", false);
  }
  return schema;
}

void collect(const Shape& shape, Value& definitions) {
  for (const Field& field : shape.fields) {
    if (field.shape == nullptr || definitions.find(field.shape->name) != nullptr) continue;
    definitions.set(field.shape->name, object_schema(*field.shape));
    collect(*field.shape, definitions);
  }
}

}  // namespace

Value json_schema() {
  const Shape& root = contract_shape();
  Value schema(Value::Map{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                          {"title", "refute contract"},
                          {"$comment", "Written by `refute schema`; do not edit."}});
  const Value object = object_schema(root);
  for (const Value::Member& member : *object.as_map()) schema.set(member.first, member.second);
  Value definitions(Value::Map{});
  collect(root, definitions);
  schema.set("$defs", std::move(definitions));
  return schema;
}

}  // namespace refute::pipeline
