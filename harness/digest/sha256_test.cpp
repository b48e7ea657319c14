#include "harness/digest/sha256.hpp"

#include <cstdio>
#include <string>

#include "harness/catch.hpp"

using refute::Sha256;
using refute::Value;

TEST_CASE("the standard's own vectors") {  // FIPS 180-2, appendix B
  CHECK(refute::sha256_of("abc").text ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(refute::sha256_of("").text ==
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("fields cannot be moved across their borders") {
  CHECK(Sha256().field("ab").field("c").finish() != Sha256().field("a").field("bc").finish());
  CHECK(Sha256().field("").finish() != Sha256().finish());
  CHECK(Sha256().field(std::uint64_t{0}).finish() !=
        Sha256().field(std::string_view("\0\0\0\0\0\0\0\0", 8)).finish());
}

TEST_CASE("values hash by type and content, maps by sorted key") {
  const auto of = [](const Value& v) { return Sha256().value(v).finish(); };
  CHECK(of(Value(1)) != of(Value(1.0)));
  CHECK(of(Value(1)) != of(Value("1")));
  CHECK(of(Value(true)) != of(Value(1)));
  CHECK(of(Value()) != of(Value(0)));
  CHECK(of(Value(0.0)) != of(Value(-0.0)));
  CHECK(of(Value::List{1, Value::List{2}}) != of(Value::List{Value::List{1}, 2}));
  CHECK(of(Value::Map{{"a", 1}, {"b", 2}}) == of(Value::Map{{"b", 2}, {"a", 1}}));
  CHECK(of(Value::Map{{"a", 1}, {"b", 2}}) != of(Value::Map{{"a", 2}, {"b", 1}}));
}

TEST_CASE("a file hashes as its bytes; a missing one says so") {
  const std::string path = "sha256_test.tmp";
  std::FILE* file = std::fopen(path.c_str(), "wb");
  std::fwrite("abc", 1, 3, file);
  std::fclose(file);
  CHECK(*refute::sha256_of_file(path) == refute::sha256_of("abc"));
  std::remove(path.c_str());
  auto missing = refute::sha256_of_file(path);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().what.find(path) != std::string::npos);
  CHECK_FALSE(refute::sha256_of_file("/"));
}
