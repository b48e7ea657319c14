#include "harness/pipeline/load/load_contracts.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>

#include "harness/pipeline/load/contract.hpp"
#include "harness/pipeline/load/load.hpp"
#include "harness/pipeline/load/scan.hpp"

namespace refute::pipeline {
namespace {

Result<std::string> read_bounded(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  if (!file) return Error{path + ": " + std::strerror(errno), "check its permissions"};
  // Read piece by piece, to one byte more than is allowed, so that the scan can tell; a size asked
  // for beforehand may be another one by now.
  std::string bytes;
  std::array<char, 16384> piece;
  for (std::size_t got = 1; got != 0 && bytes.size() <= kMostBytes;) {
    got = std::fread(piece.data(), 1, piece.size(), file.get());
    bytes.append(piece.data(), got);
  }
  if (std::ferror(file.get()) != 0) return Error{path + ": " + std::strerror(errno), ""};
  return bytes;
}

/// What became of one file. Filled by one thread, then only read.
struct Slot {
  explicit Slot(std::string name) : findings(name), file(std::move(name)) {}
  Findings findings;
  std::string file;
  std::unique_ptr<Document> document;
  std::optional<Error> unreadable;
};

bool carries_parameters(const Document& document) {
  return std::ranges::any_of(document.claims(),
                             [](const SpanNode* c) { return c->find("parameters") != nullptr; });
}

bool has_content(const SpanNode& root) {
  return root.kind != SpanNode::Kind::null;
}

// A tree that was cut short is checked section by section; what points from one section to another
// might point into the part that is missing.
void lint_one(const Document& document, const LoadOptions& options, Findings& findings) {
  check_schema(document.root, document.machine_read, !document.complete, findings);
  if (!options.lint || !document.root.is_map()) return;
  lint_metadata(document, findings);
  lint_parameters(document, findings);
  lint_tests(document, findings);
  lint_requires(document, findings);
  if (!document.complete) return;
  lint_references(document, findings);
  lint_ids(document, findings);
  lint_ledger(document, options.levels, findings);
  lint_summary(document, findings);
  lint_vacuity(document, findings);
  lint_files(document, findings);
}

void read_bytes(Slot& slot, std::string bytes, const LoadOptions& options) {
  slot.document = std::make_unique<Document>(slot.file, std::move(bytes));
  Document& document = *slot.document;
  if (!scan_bytes(document.text, document.lines, slot.findings)) return;
  ParsedYaml parsed = parse_yaml(document.text, document.lines, slot.findings);
  document.root = std::move(parsed.root);
  document.complete = parsed.complete;
  document.machine_read = carries_parameters(document);
  slot.findings.set_root(&document.root);
  if (has_content(document.root)) {
    lint_one(document, options, slot.findings);
  } else if (parsed.complete) {
    slot.findings.add("RF0116", Severity::error, Span{}, "the file is empty",
                      "a contract has at least metadata");
  }
}

void read_one(Slot& slot, const LoadOptions& options) {
  Result<std::string> bytes = read_bounded(slot.file);
  if (bytes) {
    read_bytes(slot, *std::move(bytes), options);
  } else {
    slot.unreadable = bytes.take_error();
  }
}

void read_all(std::vector<std::unique_ptr<Slot>>& slots, const LoadOptions& options) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < slots.size(); i = next++) read_one(*slots[i], options);
  };
  const unsigned wanted =
      options.threads != 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::jthread> helpers;
  for (unsigned t = 1; t < wanted && t < slots.size(); ++t) helpers.emplace_back(work);
  work();
}

bool is_understood(const Slot& slot) {
  return slot.document != nullptr && slot.document->complete && slot.document->root.is_map() &&
         std::ranges::none_of(slot.findings.all(), [](const Diagnostic& d) {
           return d.severity == Severity::error && d.code.starts_with("RF01");
         });
}

void check_across(std::vector<std::unique_ptr<Slot>>& slots) {
  std::vector<Checked> checked;
  for (const auto& slot : slots) {
    if (slot->document != nullptr && slot->document->complete)
      checked.push_back({*slot->document, slot->findings});
  }
  lint_across(checked);
}

void collect(std::vector<std::unique_ptr<Slot>>& slots, LoadResult& result) {
  for (const auto& slot : slots) {
    if (slot->unreadable) result.unreadable.push_back(*slot->unreadable);
    if (is_understood(*slot)) result.contracts.push_back(build_contract(*slot->document));
    std::ranges::move(slot->findings.take(), std::back_inserter(result.diagnostics));
    if (slot->document != nullptr) {
      result.sources.push_back({slot->file, std::move(slot->document->text)});
    }
  }
  sort_diagnostics(result.diagnostics);
}

}  // namespace

LoadResult load_contracts(const std::vector<std::string>& paths, const LoadOptions& options) {
  LoadResult result;
  std::vector<std::unique_ptr<Slot>> slots;
  for (std::string& file : find_contract_files(paths, result.unreadable)) {
    slots.push_back(std::make_unique<Slot>(std::move(file)));
  }
  read_all(slots, options);
  if (options.lint) check_across(slots);
  collect(slots, result);
  return result;
}

LoadResult lint_text(std::string name, std::string bytes, const LoadOptions& options) {
  LoadResult result;
  std::vector<std::unique_ptr<Slot>> slots;
  slots.push_back(std::make_unique<Slot>(std::move(name)));
  read_bytes(*slots.front(), std::move(bytes), options);
  if (options.lint) check_across(slots);
  collect(slots, result);
  return result;
}

std::vector<ExitCode> exit_codes(const LoadResult& result, bool strict) {
  const auto counts = [&](const Diagnostic& d) {
    return d.severity == Severity::error || (strict && d.severity == Severity::warning);
  };
  const auto malformed = [](const Diagnostic& d) {
    return d.severity == Severity::error && d.code.starts_with("RF01");
  };
  std::vector<ExitCode> codes;
  if (!result.unreadable.empty() || std::ranges::any_of(result.diagnostics, malformed))
    codes.push_back(ExitCode::usage);
  if (std::ranges::any_of(result.diagnostics, counts)) codes.push_back(ExitCode::findings);
  if (result.sources.empty() && result.unreadable.empty())
    codes.push_back(ExitCode::nothing_selected);
  if (codes.empty()) codes.push_back(ExitCode::ok);
  return codes;
}

}  // namespace refute::pipeline
