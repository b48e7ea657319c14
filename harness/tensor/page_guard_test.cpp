// Files that are cut short under their reader.

#include "harness/tensor/page_guard.hpp"

#include <csignal>
#include <filesystem>
#include <numeric>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/catch.hpp"
#include "harness/tensor/file_layout.hpp"
#include "harness/tensor/mapped_file.hpp"
#include "harness/tensor/model_file.hpp"
#include "harness/tensor/temp_folder_test.hpp"

using namespace refute;
using namespace refute::tensor;

namespace {

std::size_t sum(std::span<const std::byte> bytes) {
  std::size_t total = 0;
  for (const std::byte b : bytes) total += std::to_integer<std::size_t>(b);
  return total;
}

/// How a child ends that runs `body`.
template <class Body>
int ending_of(Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

std::string model_of(std::size_t values) {
  auto layout = lay_out_safetensors({{"w", DType::f32, {values}, values * 4}}, {});
  REQUIRE(layout);
  layout->head.resize(layout->size, '\1');
  return layout->head;
}

}  // namespace

TEST_CASE("lost pages read as zeros and are remembered") {
  const TempFolder folder;
  const auto path = folder.write("a", std::string(64 * 4096, '\1'));
  const auto file = MappedFile::open(path);
  REQUIRE(file);
  auto guard = PageGuard::watch(file->bytes());
  REQUIRE(guard);
  CHECK(sum(file->bytes()) == 64 * 4096);
  CHECK_FALSE(guard->damaged());
  std::filesystem::resize_file(path, 3 * 4096);
  CHECK(sum(file->bytes().first(3 * 4096)) == 3 * 4096);
  CHECK_FALSE(guard->damaged());
  CHECK(sum(file->bytes()) == 3 * 4096);
  CHECK(guard->damaged());
}

TEST_CASE("a guard that is gone guards no more, and its place is used again") {
  const TempFolder folder;
  const auto path = folder.write("a", std::string(4096, '\1'));
  for (int round = 0; round < 10000; ++round) {
    const auto file = MappedFile::open(path);
    REQUIRE(file);
    REQUIRE(PageGuard::watch(file->bytes()));
  }
  const int status = ending_of([&] {
    const auto file = MappedFile::open(path);
    { auto guard = PageGuard::watch(file->bytes()); }
    std::filesystem::resize_file(path, 0);
    [[maybe_unused]] volatile std::size_t read = sum(file->bytes());
  });
  CHECK(status != 0);  // by SIGBUS, or by a sanitizer's own handler of it
}

TEST_CASE("a fault elsewhere goes to whoever was there before") {
  const TempFolder folder;
  const auto guarded_path = folder.write("a", std::string(4096, '\1'));
  const auto path = folder.write("b", std::string(4096, '\1'));
  const int status = ending_of([&] {
    const auto guarded = MappedFile::open(guarded_path);
    auto guard = PageGuard::watch(guarded->bytes());
    const auto file = MappedFile::open(path);
    std::filesystem::resize_file(path, 0);
    [[maybe_unused]] volatile std::size_t read = sum(file->bytes());
  });
  CHECK(status != 0);  // by SIGBUS, or by a sanitizer's own handler of it
  // One sent by kill() has no access to repeat.
  const int sent = ending_of([&] {
    const auto guarded = MappedFile::open(guarded_path);
    auto guard = PageGuard::watch(guarded->bytes());
    ::kill(::getpid(), SIGBUS);
  });
  CHECK(sent != 0);
}

TEST_CASE("a model that is cut short after it was opened gives a named error") {
  const TempFolder folder;
  const auto path = folder.write("m.safetensors", model_of(100'000));
  const auto model = ModelFile::open(path);
  REQUIRE(model);
  std::vector<float> values(100'000);
  REQUIRE_FALSE(dequantize(model->tensors()[0], 0, values));
  CHECK_FALSE(model->damaged());
  std::filesystem::resize_file(path, 8192);
  REQUIRE_FALSE(dequantize(model->tensors()[0], 0, values));
  const auto damage = model->damaged();
  REQUIRE(damage);
  CHECK(has(damage->what, path + ": was changed or cut short"));
}

TEST_CASE("a byte cut off inside the last page, which raises no signal, is noticed too") {
  const TempFolder folder;
  const auto path = folder.write("m.safetensors", model_of(10));
  const auto model = ModelFile::open(path);
  REQUIRE(model);
  CHECK_FALSE(model->damaged());
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  CHECK(model->damaged());
}
