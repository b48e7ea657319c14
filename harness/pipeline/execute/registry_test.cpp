#include "harness/pipeline/execute/registry.hpp"

#include <filesystem>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "harness/catch.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/pipeline/execute/environment.hpp"

namespace refute::pipeline {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDigest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A folder of workers that goes away with the test.
class Workers {
 public:
  Workers()
      : folder_(fs::temp_directory_path() / ("refute_workers_" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~Workers() { fs::remove_all(folder_); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  std::string add(const std::string& name, const std::string& script, mode_t mode = 0755) {
    const std::string path = (folder_ / name).string();
    std::ofstream(path) << script;
    ::chmod(path.c_str(), mode);
    return path;
  }
  std::string listing(const std::string& name, const std::string& json) {
    return add(name, "#!/bin/sh\ncat <<'EOF'\n" + json + "\nEOF\n");
  }
  std::string folder() const { return folder_.string(); }
  Registry find(std::vector<std::string> named = {}) const {
    return find_workers({folder(), std::move(named), "", {}});
  }

 private:
  fs::path folder_;
};

std::string falsifier(const std::string& contract,
                      const std::string& rows = R"([{"claim": "C-1", "subjects": ["cpu"]}])") {
  return R"({"protocol": 1, "kind": "falsifier", "worker": "w", "contract": ")" + contract +
         R"(", "rows": )" + rows + "}";
}

std::string server(const std::string& subject) {
  return R"({"protocol": 1, "kind": "subject", "subject": ")" + subject +
         R"(", "contract": "A", "operations": ["fp8.encode"]})";
}

std::string problem(const std::string& listing) {
  const auto info = parse_listing(listing);
  return info ? "none" : info.error().what;
}

}  // namespace

TEST_CASE("a list is read in full") {
  const auto info = parse_listing(
      std::string(R"({"protocol": 1, "kind": "falsifier", "worker": "falsify_x", "contract": "X",
      "source": {"cpu": ")") +
      kDigest + R"("}, "toolchain": {"compiler": "g++"},
      "rows": [{"claim": "C-1", "help": "h", "subjects": ["cpu_scalar"], "mutants": ["m"], "controls": ["c"],
                "parameters": ["cases"], "fixtures": ["f"], "operations": ["o"], "exclusive": true}]})");
  REQUIRE(info);
  CHECK(info->name == "falsify_x");
  REQUIRE(info->row({"C-1"}) != nullptr);
  const Row& row = *info->row({"C-1"});
  CHECK(row.mutants == std::vector<MutantName>{{"m"}});
  CHECK(row.controls == std::vector<SubjectName>{{"c"}});
  CHECK(row.fixtures == std::vector<std::string>{"f"});
  CHECK(row.exclusive);
  CHECK(source_of(*info, SubjectName{"cpu_scalar"}).text == kDigest);
  CHECK(info->row({"C-2"}) == nullptr);
}

TEST_CASE("a list that says too little, too much or the wrong thing is refused with its place") {
  CHECK(problem(falsifier("A")) == "none");
  CHECK(problem("hello").find("line 1") != std::string::npos);
  CHECK(problem("[]") == "must be an object");
  CHECK(problem(R"({"protocol": 2, "kind": "falsifier"})") ==
        "it speaks protocol 2, refute speaks 1");
  CHECK(problem(R"({"protocol": 1, "kind": "falsifier"})") == "\"contract\" is missing");
  CHECK(problem(R"({"protocol": 1, "kind": "oracle"})") ==
        "\"kind\" must be one of falsifier, subject, not \"oracle\"");
  CHECK(problem(falsifier("A", "[]")) == "\"rows\" is empty");
  CHECK(problem(falsifier("A", R"([{"claim": "C-1"}])")) == "the row of C-1 names no subject");
  CHECK(problem(falsifier("A", R"([{"claim": "C-1", "subjects": [1]}])")) ==
        "\"rows/0/subjects\" must be a list of texts that are not empty");
  CHECK(problem(falsifier("A", R"([{"claim": "C-1", "subjects": ["a", "a"]}])")) ==
        "\"rows/0/subjects\" names a twice");
  CHECK(
      problem(falsifier(
          "A", R"([{"claim": "C-1", "subjects": ["a"]}, {"claim": "C-1", "subjects": ["a"]}])")) ==
      "two rows for C-1");
  CHECK(problem(falsifier("A", R"([{"claim": "C-1", "subjects": ["a"], "mutant": ["m"]}])"))
            .find("did you mean `mutants`?") != std::string::npos);
}

TEST_CASE("workers are found by their name, folders and others are passed over") {
  Workers workers;
  workers.listing("falsify_b", falsifier("B"));
  workers.listing("falsify_a", falsifier("A"));
  workers.listing("bench_c", falsifier("C"));
  fs::create_directories(fs::path(workers.folder()) / "falsify_a.p");
  workers.add("falsify_a_build.hpp", "#pragma once", 0644);
  const Registry registry = workers.find();
  CHECK(registry.diagnostics.empty());
  REQUIRE(registry.workers.size() == 2);
  CHECK(registry.falsifier_of({"A"}) == &registry.workers[0]);
  CHECK(registry.falsifier_of({"C"}) == nullptr);
}

TEST_CASE("a worker without a source digest rests on its file") {
  Workers workers;
  const std::string path = workers.listing("falsify_a", falsifier("A"));
  const Registry registry = workers.find();
  REQUIRE(registry.workers.size() == 1);
  CHECK(source_of(registry.workers[0], SubjectName{"cpu_simd"}) == *sha256_of_file(path));
  CHECK(source_of(registry.workers[0], SubjectName{"cuda"}) == *sha256_of_file(path));
}

TEST_CASE("a bad worker is named, and the good ones stay") {
  Workers workers;
  workers.listing("falsify_good", falsifier("GOOD"));
  struct Case {
    std::string path, code, part;
  };
  const std::vector<Case> cases = {
      {workers.add("falsify_plain", "#!/bin/sh\n", 0644), "RF0801", "not executable"},
      {workers.add("falsify_headless", "no program"), "RF0801", "not a program"},
      {workers.add("falsify_fails", "#!/bin/sh\necho reason >&2\nexit 3\n"), "RF0802",
       "exited with status 3"},
      {workers.add("falsify_crashes", "#!/bin/sh\nkill -SEGV $$\n"), "RF0802", "SIGSEGV"},
      {workers.add("falsify_garbage", "#!/bin/sh\necho PASS\n"), "RF0803", "no worker's list"},
      {workers.add("falsify_mute", "#!/bin/sh\n"), "RF0803", "no worker's list"},
      {workers.listing("falsify_old", R"({"protocol": 0})"), "RF0803", "protocol 0"},
  };
  const Registry registry = workers.find();
  CHECK(registry.workers.size() == 1);
  CHECK(registry.diagnostics.size() == cases.size());
  for (const Case& expected : cases) {
    CAPTURE(expected.path);
    const auto at = std::find_if(registry.diagnostics.begin(), registry.diagnostics.end(),
                                 [&](const Diagnostic& d) { return d.file == expected.path; });
    REQUIRE(at != registry.diagnostics.end());
    CHECK(at->code == expected.code);
    CHECK(at->message.find(expected.part) != std::string::npos);
    CHECK_FALSE(at->help.empty());
  }
}

TEST_CASE("named workers that are missing and folders that are not there are findings") {
  const Registry registry = find_workers({"/nonexistent/folder", {"/nonexistent/worker"}, "", {}});
  REQUIRE(registry.diagnostics.size() == 2);
  CHECK(registry.diagnostics[0].code == "RF0807");
  CHECK(registry.diagnostics[1].code == "RF0801");
}

TEST_CASE("one contract has one worker, one subject one server") {
  Workers workers;
  workers.listing("falsify_a", falsifier("A"));
  workers.listing("falsify_b", falsifier("A"));
  const std::string numpy = workers.listing("numpy", server("numpy"));
  const std::string other = workers.listing("other", server("numpy"));
  const std::string cpu = workers.listing("serve_cpu", server("cpu"));
  const Registry registry = workers.find({numpy, other, cpu});
  std::vector<std::string> codes;
  for (const Diagnostic& d : registry.diagnostics) codes.push_back(d.code);
  CHECK(codes == std::vector<std::string>{"RF0804", "RF0805", "RF0805"});
}

TEST_CASE("a worker's environment holds what the protocol lists and nothing else") {
  const char* ours[] = {"RC_PARAMS=max_success=0", "HOME=/home/x", "CUDA_VISIBLE_DEVICES=1",
                        "LD_PRELOAD=/x.so", nullptr};
  const std::vector<std::string> environment = worker_environment(ours);
  std::vector<std::string> names;
  for (const std::string& entry : environment) names.push_back(entry.substr(0, entry.find('=')));
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"ASAN_OPTIONS", "CUDA_VISIBLE_DEVICES", "HOME", "LANG",
                                          "MALLOC_PERTURB_", "PATH", "TMPDIR", "TSAN_OPTIONS",
                                          "UBSAN_OPTIONS"});
  const auto told = worker_environment(ours, "/path/to/refute");
  CHECK(std::find(told.begin(), told.end(), "REFUTE_COMMAND=/path/to/refute") != told.end());
}

}  // namespace refute::pipeline
