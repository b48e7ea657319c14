#include "harness/pipeline/execute/line_cache.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>

#include "harness/json/json.hpp"
#include "harness/pipeline/execute/unique_fd.hpp"

namespace refute::pipeline {
namespace {

constexpr std::uintmax_t kLimit = 64u << 20;

}  // namespace

LineCache::LineCache(std::string path) : path_(std::move(path)) {
  if (!path_.empty()) read();
}

void LineCache::warn(std::string what) {
  warnings_.push_back(fmt::format("{}: {}", path_, what));
}

void LineCache::read() {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path_, error);
  if (error) return;  // absent: the first run
  if (size > kLimit) {
    std::filesystem::remove(path_, error);
    return warn("the cache had grown beyond 64 MiB and is begun anew");
  }
  std::ifstream file(path_, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  cut_off_ = !text.empty() && text.back() != '\n';
  std::size_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    auto line = json::parse(rest.substr(0, end));
    ++number;
    if (line && line->is_map()) {
      lines_.push_back(std::move(*line));
    } else {
      warn(fmt::format("line {} is damaged and ignored", number));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

// One write per line: two runs at once may interleave lines, never the bytes of one.
void LineCache::append(const Value& line) {
  if (path_.empty() || !writable_) return;
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), ignored);
  const UniqueFd fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  const std::string text = (std::exchange(cut_off_, false) ? "\n" : "") + json::dump(line) + "\n";
  errno = 0;
  if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    // A disk that fills up in the middle of a line takes part of it and reports no error.
    const int why = errno != 0 ? errno : ENOSPC;
    writable_ = false;
    warn(fmt::format("the cache cannot be written: {}", std::strerror(why)));
  }
}

}  // namespace refute::pipeline
