#include "harness/tensor/safetensors.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

#include "harness/catch.hpp"
#include "harness/tensor/safetensors_bytes_test.hpp"

using namespace refute;
using namespace refute::tensor;

namespace {

/// A real file in a folder of its own, gone at the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::vector<std::byte>& bytes) {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "refute-tensor-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    std::ofstream out(path(), std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  }
  ~TemporaryFile() { std::filesystem::remove_all(folder_); }
  std::string path() const { return (folder_ / "t.safetensors").string(); }
  std::string folder() const { return folder_.string(); }

 private:
  std::filesystem::path folder_;
};

constexpr std::string_view kHeader =
    R"({"__metadata__":{"format":"pt"},)"
    R"("b":{"dtype":"BF16","shape":[2,3],"data_offsets":[16,28]},)"
    R"("a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},)"
    R"("n":{"dtype":"I64","shape":[],"data_offsets":[28,36]},)"
    R"("none":{"dtype":"F16","shape":[0,7],"data_offsets":[36,36]}}  )";

}  // namespace

TEST_CASE("a file's tensors are listed in the order of their data, with shape and place") {
  const auto tensors = read_safetensors_header(file_bytes(kHeader, 36));
  REQUIRE(tensors);
  REQUIRE(tensors->size() == 4);
  const TensorInfo& b = (*tensors)[1];
  CHECK(b.name == "b");
  CHECK(b.dtype == DType::bf16);
  CHECK(b.shape == std::vector<std::size_t>{2, 3});
  CHECK(b.count == 6);
  CHECK(b.rows() == 2);
  CHECK(b.cols() == 3);
  CHECK(b.begin == 8 + kHeader.size() + 16);
  CHECK((*tensors)[0].rows() == 1);
  CHECK((*tensors)[2].count == 1);
  CHECK((*tensors)[3].rows() == 0);
}

TEST_CASE("floats are read from the file whatever their alignment, and other dtypes are refused") {
  for (const std::size_t padding : {0, 1, 2, 3, 4}) {
    const std::string header = std::string(kHeader) + std::string(padding, ' ');
    auto bytes = file_bytes(header, 36);
    const float values[] = {1.5f, -0.0f, 0x1p-149f, 3e38f};
    std::memcpy(bytes.data() + 8 + header.size(), values, sizeof values);
    const TemporaryFile file(bytes);
    auto opened = Safetensors::open(file.path());
    REQUIRE(opened);
    const Safetensors tensors = *std::move(opened);  // moving must not move the mapping
    const auto a = tensors.floats(*tensors.find("a"));
    REQUIRE(a);
    CHECK(std::memcmp(a->values().data(), values, sizeof values) == 0);
    CHECK(a->values().size() == 4);
    CHECK(a->in_place() == ((8 + header.size()) % 4 == 0));
    CHECK(tensors.floats(*tensors.find("b"))->values().size() == 6);
    CHECK(tensors.floats(*tensors.find("none"))->values().empty());
    const auto n = tensors.floats(*tensors.find("n"));
    REQUIRE_FALSE(n);
    CHECK(n.error().what.find("'n' is I64") != std::string::npos);
    CHECK(tensors.find("absent") == nullptr);
  }
}

TEST_CASE("a path that is no readable regular file gets an error that names it") {
  const TemporaryFile file({});
  for (const std::string& path :
       {file.folder() + "/absent", file.folder(), std::string("/dev/null")}) {
    const auto opened = Safetensors::open(path);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().what.find(path) == 0);
  }
  const auto empty = Safetensors::open(file.path());
  REQUIRE_FALSE(empty);
  CHECK(empty.error().what.find("only 0 bytes long") != std::string::npos);
}

TEST_CASE("a file without tensors is one, if it has no data either") {
  CHECK(read_safetensors_header(file_bytes("{}", 0)));
  CHECK_FALSE(read_safetensors_header(file_bytes("{}", 1)));
}
