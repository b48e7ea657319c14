#include "harness/cli/earlier_run.hpp"

namespace refute::cli {
namespace {

std::string text_at(const Value& options, std::string_view key) {
  const Value* value = options.find(key);
  const std::string* text = value == nullptr ? nullptr : value->as_string();
  return text == nullptr ? "" : *text;
}

std::vector<std::string> texts_at(const Value& options, std::string_view key) {
  std::vector<std::string> texts;
  const Value* value = options.find(key);
  const Value::List* list = value == nullptr ? nullptr : value->as_list();
  if (list == nullptr) return texts;
  for (const Value& item : *list) {
    if (const std::string* text = item.as_string()) texts.push_back(*text);
  }
  return texts;
}

}  // namespace

EarlierRun earlier_run(const Value& options) {
  EarlierRun run;
  run.project.paths = texts_at(options, "paths");
  run.project.workers = texts_at(options, "workers");
  run.project.worker_folder = text_at(options, "worker_dir");
  run.require = texts_at(options, "require");
  run.min_level = level_from(text_at(options, "min_level"));
  return run;
}

void adopt(ProjectOptions& options, const EarlierRun& run) {
  if (options.paths.empty()) options.paths = run.project.paths;
  if (options.workers.empty()) options.workers = run.project.workers;
  if (options.worker_folder.empty()) options.worker_folder = run.project.worker_folder;
}

}  // namespace refute::cli
