#include "harness/cli/run_options.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <sys/random.h>

#include "harness/model/near_miss.hpp"

namespace refute::cli {
namespace {

Seed random_seed() {
  Seed seed;
  if (::getrandom(&seed.value, sizeof seed.value, 0) != static_cast<ssize_t>(sizeof seed.value)) {
    throw std::runtime_error("the kernel gives no random bytes");
  }
  return seed;
}

/// Collects every complaint, so that the user corrects the command line once.
class Complaints {
 public:
  void add(const std::string& what) { text_ += (text_.empty() ? "" : "\n") + what; }
  void add(const Error& error) {
    add(error.hint.empty() ? error.what : error.what + "; " + error.hint);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

Seed parse_seed(const RunWords& words, Complaints& complaints) {
  if (words.nightly && words.seed != "0" && words.seed != "random") {
    complaints.add(fmt::format("--nightly draws its own seed: leave out --seed {}", words.seed));
  }
  if (words.nightly || words.seed == "random") return random_seed();
  Seed seed;
  const char* end = words.seed.data() + words.seed.size();
  const auto [stop, error] = std::from_chars(words.seed.data(), end, seed.value);
  if (error != std::errc() || stop != end) {
    complaints.add(
        fmt::format("--seed {}: give a whole number from 0 to 2^64-1, or random", words.seed));
  }
  return seed;
}

std::optional<Level> parse_level(const char* option, const std::string& word,
                                 Complaints& complaints) {
  if (word.empty()) return std::nullopt;
  const auto level = level_from(word);
  if (level) return level;
  const std::string near = near_miss(word, kLevelNames);
  complaints.add(fmt::format("{} {}: no such level; {}", option, word,
                             near.empty()
                                 ? fmt::format("there are {}", fmt::join(kLevelNames, ", "))
                                 : did_you_mean(near)));
  return std::nullopt;
}

pipeline::Shard parse_shard(const std::string& word, Complaints& complaints) {
  if (word.empty()) return {};
  const auto shard = pipeline::parse_shard(word);
  if (shard) return *shard;
  complaints.add(shard.error());
  return {};
}

/// Workers are processes: more of them than a machine has room for only make each other time out.
unsigned jobs_of(const RunWords& words, Complaints& complaints) {
  constexpr unsigned kMost = 1024;
  if (!words.jobs) return std::max(1u, std::thread::hardware_concurrency());
  if (*words.jobs >= 1 && *words.jobs <= kMost) return *words.jobs;
  complaints.add(fmt::format("--jobs {}: give a number from 1 to {}", *words.jobs, kMost));
  return 1;
}

void parse_reports(const RunWords& words, RunOptions& options, Complaints& complaints) {
  options.format = words.json ? "json" : words.format;
  if (!is_report_format(options.format)) {
    complaints.add(fmt::format("--format {}: there are {}", options.format, report_format_names()));
  }
  for (const std::string& word : words.outputs) {
    auto output = parse_output(word);
    if (output) {
      if (const auto error = check_output(*output)) complaints.add(*error);
      options.outputs.push_back(std::move(*output));
    } else {
      complaints.add(output.error());
    }
  }
}

Value list(const std::vector<std::string>& texts) {
  return Value::List(texts.begin(), texts.end());
}

}  // namespace

void add_run_options(CLI::App& app, RunWords& words) {
  add_project_options(app, words.project);
  app.add_option("--claim", words.claims, "Only claims whose id matches GLOB (repeatable)")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  app.add_option("--subject", words.subjects, "Only this subject (repeatable)")
      ->type_name("NAME")
      ->allow_extra_args(false);
  app.add_option("--level", words.level, "Only claims that ask for this level")->type_name("LEVEL");
  app.add_option("--shard", words.shard, "Part K of N, by claim: adding claims moves no other")
      ->type_name("K/N");
  app.add_option("--seed", words.seed, "Seed of the run: a number, or random (default 0)")
      ->type_name("N");
  app.add_flag("--nightly", words.nightly, "The same as --seed random; the seed is recorded");
  app.add_option("-j,--jobs", words.jobs, "Processes at once (default: one per core)")
      ->type_name("N");
  app.add_flag("--fail-fast", words.fail_fast, "Stop at the first outcome that is not as expected");
  app.add_option(
         "--require", words.require,
         "A subject (cuda), fixture or claim glob that may not be declined: exit 5 (repeatable)")
      ->type_name("WORD");
  app.add_option("--min-level", words.min_level, "Level that every selected claim must reach")
      ->type_name("LEVEL");
  app.add_option("--store", words.store, "Folder for the record of the run (default .refute)")
      ->type_name("DIR");
  app.add_flag("--no-cache", words.no_cache,
               "Run mutants and negated checks again, though nothing changed");
  app.add_option("--format", words.format, "Report on stdout: " + report_format_names())
      ->type_name("FORMAT");
  app.add_flag("--json", words.json, "Short for --format json");
  app.add_option("--output", words.outputs,
                 "Write a report to a file as well, and make its folder (repeatable)")
      ->type_name("FORMAT=PATH")
      ->allow_extra_args(false);
}

Result<RunOptions> parse_run_options(const RunWords& words) {
  Complaints complaints;
  RunOptions options;
  options.project = words.project;
  options.selection = {words.claims, words.subjects,
                       parse_level("--level", words.level, complaints),
                       parse_shard(words.shard, complaints)};
  options.seed = parse_seed(words, complaints);
  options.jobs = jobs_of(words, complaints);
  options.fail_fast = words.fail_fast;
  options.use_cache = !words.no_cache;
  options.require = words.require;
  options.min_level = parse_level("--min-level", words.min_level, complaints);
  options.store = words.store;
  if (words.store.empty()) complaints.add("--store names no folder");
  parse_reports(words, options, complaints);
  if (!complaints.text().empty()) return Error{complaints.text(), ""};
  return options;
}

Value to_value(const RunOptions& options) {
  Value value;
  value.set("paths", list(options.project.paths));
  value.set("workers", list(options.project.workers));
  value.set("worker_dir", options.project.worker_folder);
  value.set("store", options.store);
  value.set("claims", list(options.selection.claims));
  value.set("subjects", list(options.selection.subjects));
  value.set("level",
            options.selection.level ? Value(to_string(*options.selection.level)) : Value());
  value.set("shard",
            fmt::format("{}/{}", options.selection.shard.index, options.selection.shard.count));
  value.set("jobs", options.jobs);
  value.set("fail_fast", options.fail_fast);
  value.set("use_cache", options.use_cache);
  value.set("require", list(options.require));
  value.set("min_level", options.min_level ? Value(to_string(*options.min_level)) : Value());
  return value;
}

}  // namespace refute::cli
