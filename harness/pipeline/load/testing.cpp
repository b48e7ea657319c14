#include "harness/pipeline/load/testing.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

#include "harness/pipeline/load/diagnostics.hpp"

namespace refute::pipeline::testing {

Folder::Folder() {
  std::string name = (std::filesystem::temp_directory_path() / "refute-load-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder can be made");
  path_ = name;
}

Folder::~Folder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

std::string Folder::write(std::string_view name, std::string_view text) const {
  const std::filesystem::path path = std::filesystem::path(path_) / name;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  if (!out.flush()) throw std::runtime_error("cannot write " + path.string());
  return path.string();
}

std::string source_path(std::string_view relative) {
  return std::string(REFUTE_SOURCE_ROOT "/") + std::string(relative);
}

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

LoadResult load_text(std::string_view text, std::string_view name) {
  const Folder folder;
  return load_contracts({folder.write(name, text)});
}

const Diagnostic* find(const LoadResult& result, std::string_view code) {
  for (const Diagnostic& d : result.diagnostics) {
    if (d.code == code) return &d;
  }
  return nullptr;
}

std::string listing(const LoadResult& result) {
  std::string out;
  for (const Diagnostic& d : result.diagnostics) {
    out += fmt::format("{}:{}: {} {} {} [{}]\n", d.span.line, d.span.column, to_string(d.severity),
                       d.code, d.message, d.pointer);
  }
  return out;
}

}  // namespace refute::pipeline::testing
