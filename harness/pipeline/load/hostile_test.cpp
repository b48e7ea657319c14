// Input that breaks readers: every file gets a finding with a place, and no other file suffers.

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include "harness/catch.hpp"
#include "harness/pipeline/load/testing.hpp"

namespace refute::pipeline::testing {
namespace {

struct Hostile {
  std::string_view file, code;
  int line, column;
};

constexpr auto kHostile = std::to_array<Hostile>({
    {"alias-bomb.yaml", "RF0110", 5, 6},
    {"bare-return.yaml", "RF0103", 1, 10},
    {"bidi.yaml", "RF0104", 5, 19},
    {"comments-only.yaml", "RF0116", 0, 0},
    {"complex-key.yaml", "RF0117", 4, 3},
    {"control.yaml", "RF0103", 3, 21},
    {"depth-bomb-block.yaml", "RF0114", 68, 129},
    {"depth-bomb.yaml", "RF0114", 4, 72},
    {"duplicate-keys.yaml", "RF0113", 4, 3},
    {"duplicate-keys.yaml", "RF0113", 6, 23},
    {"empty.yaml", "RF0116", 0, 0},
    {"invalid-utf8.yaml", "RF0102", 3, 21},
    {"key-without-colon.yaml", "RF0105", 6, 3},
    {"list-at-the-root.yaml", "RF0205", 1, 1},
    {"merge-keys.yaml", "RF0111", 7, 5},
    {"metadata-only.yaml", "RF0602", 1, 1},
    {"no-claims.yaml", "RF0601", 6, 1},
    {"nested-question-marks.yaml", "RF0117", 1, 3},
    {"not-a-contract.yaml", "RF0214", 1, 1},
    {"nul.yaml", "RF0103", 3, 21},
    {"second-document.yaml", "RF0108", 4, 1},
    {"self-alias.yaml", "RF0110", 4, 9},
    {"several-slips.yaml", "RF0105", 3, 19},
    {"several-slips.yaml", "RF0105", 6, 18},
    {"several-slips.yaml", "RF0206", 8, 11},
    {"surrogate.yaml", "RF0102", 3, 21},
    {"tab-indentation.yaml", "RF0109", 2, 1},
    {"tags.yaml", "RF0112", 5, 16},
    {"tags.yaml", "RF0112", 6, 11},
    {"text-after-brace.yaml", "RF0117", 1, 1},
    {"text-after-end.yaml", "RF0107", 5, 1},
    {"text-at-the-root.yaml", "RF0205", 1, 1},
    {"unclosed-flow.yaml", "RF0105", 4, 12},
    {"two-keys-on-a-line.yaml", "RF0105", 2, 20},
    {"undefined-alias.yaml", "RF0110", 4, 10},
    {"undefined-alias.yaml", "RF0208", 6, 16},
    {"unterminated-quote.yaml", "RF0106", 6, 14},
    {"unterminated-single-quote.yaml", "RF0106", 6, 14},
    {"utf16.yaml", "RF0102", 1, 1},
});

bool found_at(const LoadResult& result, const Hostile& h) {
  return std::ranges::any_of(result.diagnostics, [&](const Diagnostic& d) {
    return d.code == h.code && d.span.line == h.line && d.span.column == h.column &&
           d.file.ends_with(h.file);
  });
}

TEST_CASE("every hostile file gets its finding, all in one call") {
  const std::string folder = source_path("fixtures/sample_contracts/invalid");
  const LoadResult result = load_contracts({folder});
  INFO(listing(result));
  for (const Hostile& h : kHostile) {
    INFO(h.file << " " << h.code << " " << h.line << ":" << h.column);
    CHECK(found_at(result, h));
  }
  for (const SourceText& source : result.sources) {
    INFO(source.file << " has no row in this table");
    CHECK(std::ranges::any_of(kHostile,
                              [&](const Hostile& h) { return source.file.ends_with(h.file); }));
  }
  CHECK(exit_codes(result, false) == std::vector{ExitCode::usage, ExitCode::findings});
}

TEST_CASE("a file of 2 MiB is refused without being read to its end") {
  const LoadResult result = load_text(std::string(std::size_t{2} << 20, '#'));
  REQUIRE(find(result, "RF0101") != nullptr);
  CHECK(result.contracts.empty());
}

TEST_CASE("a file of exactly 1 MiB is read") {
  std::string text =
      "metadata: {version: 1.0.0, description: padded}\nequations: {e: {formula: a = b}}\n#";
  text.resize(std::size_t{1} << 20, '.');
  CHECK(find(load_text(text), "RF0101") == nullptr);
  CHECK(find(load_text(text + "."), "RF0101") != nullptr);
}

TEST_CASE("more values than the limit are refused") {
  std::string text = "metadata: {version: 1.0.0, description: many}\nx-list: [";
  for (int i = 0; i < 110'000; ++i) text += "1,";
  CHECK(find(load_text(text + "1]\n"), "RF0115") != nullptr);
}

TEST_CASE("one long line of many findings takes no quadratic time") {
  std::string text = "metadata: {version: 1.0.0, description: wide}\nequations: {";
  for (int i = 0; i < 15'000; ++i)
    text += "e" + std::to_string(i) + ": {formula: \"\", typo_: 1}, ";
  const auto start = std::chrono::steady_clock::now();
  const LoadResult result = load_text(text + "}\n");
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
  CHECK(find(result, "RF0118") != nullptr);
  CHECK(result.diagnostics.size() <= Findings::kMost + 1);
}

TEST_CASE("carriage returns and a byte order mark change nothing") {
  const std::string marked =
      read_text(source_path("fixtures/sample_contracts/valid/crlf-and-bom-v1.yaml"));
  std::string plain = marked.substr(3);
  std::erase(plain, '\r');
  REQUIRE(plain.size() < marked.size() - 3);
  const LoadResult a = load_text(marked), b = load_text(plain);
  REQUIRE(a.contracts.size() == 1);
  REQUIRE(b.contracts.size() == 1);
  CHECK(a.contracts[0].claims[0].clause == b.contracts[0].claims[0].clause);
  CHECK(listing(a) == listing(b));
}

TEST_CASE("columns count code points") {
  const LoadResult result =
      load_text("metadata: {version: 1.0.0, description: grüße → alle, verzion: 1}\n");
  const Diagnostic* d = find(result, "RF0202") ? find(result, "RF0202") : find(result, "RF0201");
  REQUIRE(d != nullptr);
  CHECK(d->span.column == 55);
}

TEST_CASE("an empty value is marked where it is missed") {
  const LoadResult result = load_text(
      "metadata:\n  version: 1.0.0\n  description:   # nothing\n\n\nequations: {e: {formula: a = "
      "b}}\n");
  const Diagnostic* d = find(result, "RF0207");
  REQUIRE(d != nullptr);
  CHECK(d->span.line == 3);
  CHECK(d->span.column == 15);
}

TEST_CASE("paths that cannot be read are errors and hide nothing") {
  const Folder folder;
  const std::string good = folder.write("good-v1.yaml",
                                        "metadata: {version: banana, description: read all the "
                                        "same}\nequations: {e: {formula: a = b}}\n");
  std::filesystem::create_symlink("nowhere", folder.path() + "/dangling.yaml");
  REQUIRE(mkfifo((folder.path() + "/pipe.yaml").c_str(), 0600) == 0);
  const LoadResult result = load_contracts({folder.path(), folder.path() + "/absent.yaml"});
  CHECK(result.unreadable.size() == 3);
  CHECK(find(result, "RF0209") != nullptr);
  CHECK(exit_codes(result, false).front() == ExitCode::usage);
}

TEST_CASE("a folder that may not be read is an error") {
  if (geteuid() == 0) return;  // root reads everything
  const Folder folder;
  folder.write("closed/a-v1.yaml", "metadata: {}\n");
  std::filesystem::permissions(folder.path() + "/closed", std::filesystem::perms::none);
  const LoadResult result = load_contracts({folder.path()});
  std::filesystem::permissions(folder.path() + "/closed", std::filesystem::perms::owner_all);
  CHECK(result.unreadable.size() == 1);
}

TEST_CASE("an empty folder selects nothing") {
  const Folder folder;
  folder.write("notes.txt", "no contract");
  CHECK(exit_codes(load_contracts({folder.path()}), false) ==
        std::vector{ExitCode::nothing_selected});
}

TEST_CASE("a file named twice is read once, and the order of threads shows nowhere") {
  const std::string valid = source_path("fixtures/sample_contracts/valid");
  const LoadResult once = load_contracts({valid}, {.threads = 1});
  const LoadResult twice =
      load_contracts({valid, valid + "/crux-z-01-v1.yaml", valid + "/../valid"}, {.threads = 4});
  CHECK(once.sources.size() == twice.sources.size());
  CHECK(listing(once) == listing(twice));
}

}  // namespace
}  // namespace refute::pipeline::testing
