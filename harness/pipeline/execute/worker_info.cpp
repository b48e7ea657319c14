#include "harness/pipeline/execute/worker_info.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "harness/digest/sha256.hpp"
#include "harness/json/json.hpp"
#include "harness/pipeline/execute/fields.hpp"

namespace refute::pipeline {
namespace {

constexpr std::array<std::string_view, 2> kKinds = {"falsifier", "subject"};

template <class Tagged>
std::vector<Tagged> names(std::vector<std::string> texts) {
  std::vector<Tagged> out;
  for (std::string& text : texts) out.push_back({std::move(text)});
  return out;
}

Row read_row(Fields& fields) {
  Row row;
  row.claim = {fields.filled_text("claim")};
  row.help = fields.optional_text("help");
  row.subjects = names<SubjectName>(fields.optional_texts("subjects"));
  row.mutants = names<MutantName>(fields.optional_texts("mutants"));
  row.controls = names<SubjectName>(fields.optional_texts("controls"));
  row.parameters = fields.optional_texts("parameters");
  row.fixtures = fields.optional_texts("fixtures");
  row.operations = fields.optional_texts("operations");
  row.exclusive = fields.optional_flag("exclusive");
  if (fields.good() && row.subjects.empty())
    fields.fail(fmt::format("the row of {} names no subject", row.claim.text));
  fields.close();
  return row;
}

void read_rows(Fields& fields, WorkerInfo& info) {
  const Value::List& rows = fields.list("rows");
  for (std::size_t i = 0; i < rows.size() && fields.good(); ++i) {
    Fields row_fields(rows[i], fmt::format("rows/{}/", i));
    Row row = read_row(row_fields);
    if (!row_fields.good()) fields.fail(row_fields.problem());
    if (info.row(row.claim) != nullptr) fields.fail(fmt::format("two rows for {}", row.claim.text));
    info.rows.push_back(std::move(row));
  }
  if (fields.good() && rows.empty()) fields.fail("\"rows\" is empty");
}

void read_source(Fields& fields, WorkerInfo& info) {
  const Value& source = fields.optional_map("source");
  for (const auto& [backend, value] : *source.as_map()) {
    const std::string* text = value.as_string();
    if (text == nullptr || !looks_like_digest(*text)) {
      return fields.fail(
          fmt::format("\"source/{}\" must be a SHA-256 in 64 lower-case hex digits", backend));
    }
    info.source[backend] = {*text};
  }
}

void read_falsifier(Fields& fields, WorkerInfo& info) {
  info.name = fields.filled_text("worker");
  read_source(fields, info);
  info.toolchain = fields.optional_map("toolchain");
  read_rows(fields, info);
  info.parameters = read_parameter_rules(fields);
}

void read_server(Fields& fields, WorkerInfo& info) {
  info.subject = {fields.filled_text("subject")};
  info.name = info.subject.text;
  info.operations = fields.optional_texts("operations");
  if (fields.good() && info.operations.empty())
    fields.fail("\"operations\" is empty: the server serves nothing");
}

const char* backend_of(const SubjectName& subject) {
  return subject.text.starts_with("cuda") ? "cuda" : "cpu";
}

}  // namespace

const Row* WorkerInfo::row(const ClaimId& claim) const {
  const auto at = std::ranges::find(rows, claim, &Row::claim);
  return at == rows.end() ? nullptr : &*at;
}

const ParameterRule* WorkerInfo::parameter(std::string_view name) const {
  const auto at = std::ranges::find(parameters, name, &ParameterRule::name);
  return at == parameters.end() ? nullptr : &*at;
}

Digest source_of(const WorkerInfo& worker, const SubjectName& subject) {
  const auto at = worker.source.find(backend_of(subject));
  return at == worker.source.end() ? worker.file : at->second;
}

bool declares_source(const WorkerInfo& worker, const SubjectName& subject) {
  return worker.source.contains(backend_of(subject));
}

Digest source_of(const WorkerInfo& worker, const WorkerInfo& server) {
  return Sha256()
      .field("refute served subject v1")
      .field(source_of(worker, SubjectName{"cpu"}).text)
      .field(server.file.text)
      .finish();
}

Result<WorkerInfo> parse_listing(std::string_view text) {
  auto document = json::parse(text);
  if (!document) return document.take_error();
  Fields fields(*document);
  WorkerInfo info;
  if (const std::uint64_t protocol = fields.count("protocol");
      fields.good() && protocol != kProtocol) {
    return Error{fmt::format("it speaks protocol {}, refute speaks {}", protocol, kProtocol),
                 "rebuild the worker against this version's harness/PROTOCOL.md"};
  }
  info.kind = static_cast<WorkerKind>(fields.word("kind", kKinds));
  info.contract = {fields.filled_text("contract")};
  if (!fields.good()) return Error{fields.problem(), ""};
  switch (info.kind) {
    case WorkerKind::falsifier:
      read_falsifier(fields, info);
      break;
    case WorkerKind::subject:
      read_server(fields, info);
      break;
  }
  fields.close();
  if (!fields.good()) return Error{fields.problem(), ""};
  return info;
}

}  // namespace refute::pipeline
