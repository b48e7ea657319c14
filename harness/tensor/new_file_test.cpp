#include "harness/tensor/new_file.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/catch.hpp"
#include "harness/tensor/temp_folder_test.hpp"

using namespace refute;
using namespace refute::tensor;

namespace {

std::string content(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::string error_of(const Result<NewFile>& file) {
  return file ? "created" : file.error().what;
}

}  // namespace

TEST_CASE("a file gets its name with its content, or never") {
  const bool unnamed = GENERATE(true, false);
  const TempFolder folder;
  const auto path = folder.file("out");
  {
    auto file = NewFile::create(path, {.unnamed = unnamed});
    REQUIRE(file);
    REQUIRE_FALSE(file->reserve(8));
    REQUIRE_FALSE(file->write(4, as_bytes("abcd")));
    CHECK_FALSE(std::filesystem::exists(path));
  }
  CHECK(folder.entries() == 0);
  auto file = NewFile::create(path, {.unnamed = unnamed});
  REQUIRE(file);
  REQUIRE_FALSE(file->reserve(8));
  REQUIRE_FALSE(file->write(4, as_bytes("abcd")));
  REQUIRE_FALSE(file->commit());
  { const NewFile gone = *std::move(file); }
  CHECK(folder.entries() == 1);
  CHECK(content(path) == std::string("\0\0\0\0abcd", 8));
}

TEST_CASE("what is there already is replaced only on demand, and only whole") {
  const bool unnamed = GENERATE(true, false);
  const TempFolder folder;
  const auto path = folder.write("out", "old");
  CHECK(has(error_of(NewFile::create(path, {.unnamed = unnamed})), "is there already"));
  {
    auto file = NewFile::create(path, {.overwrite = true, .unnamed = unnamed});
    REQUIRE(file);
    REQUIRE_FALSE(file->write(0, as_bytes("half")));
  }
  CHECK(content(path) == "old");
  auto file = NewFile::create(path, {.overwrite = true, .unnamed = unnamed});
  REQUIRE(file);
  REQUIRE_FALSE(file->write(0, as_bytes("new")));
  REQUIRE_FALSE(file->commit());
  { const NewFile gone = *std::move(file); }
  CHECK(content(path) == "new");
  CHECK(folder.entries() == 1);
}

TEST_CASE("a file that appeared meanwhile is not overwritten") {
  const bool unnamed = GENERATE(true, false);
  const TempFolder folder;
  const auto path = folder.file("out");
  auto file = NewFile::create(path, {.unnamed = unnamed});
  REQUIRE(file);
  folder.write("out", "somebody else's");
  CHECK(file->commit());
  CHECK(content(path) == "somebody else's");
}

TEST_CASE("places that cannot be written to are refused") {
  const TempFolder folder;
  CHECK(has(error_of(NewFile::create(folder.file(""), {})), "no regular file"));
  CHECK(has(error_of(NewFile::create("/dev/null", {.overwrite = true})), "no regular file"));
  CHECK(has(error_of(NewFile::create(folder.file("no/such/folder"), {})), "cannot create it"));
}

TEST_CASE("a file larger than there is room for is an error, not a signal") {
  const TempFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto file = NewFile::create(folder.file("out"), {});
    const auto reserved = file->reserve(8192);
    const auto written = file->write(0, as_bytes(std::string(8192, 'x')));
    ::_exit(reserved && has(reserved->what, "cannot take 8192 bytes") && written ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("a writer that is killed leaves nothing behind") {
  const TempFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    auto file = NewFile::create(folder.file("out"), {});
    (void)file->write(0, as_bytes("half"));
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));
  CHECK(folder.entries() == 0);
}
