#include "harness/cli/report_outputs.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <unistd.h>

#include "harness/model/near_miss.hpp"

namespace refute::cli {
namespace {

using pipeline::RunReport;

struct Format {
  std::string_view name;
  std::string (*render)(const RunReport& report, bool color);
};

constexpr std::array<Format, 4> kFormats = {{
    {"text",
     [](const RunReport& report, bool color) { return pipeline::report_text(report, color); }},
    {"json", [](const RunReport& report, bool) { return pipeline::report_json(report); }},
    {"md", [](const RunReport& report, bool) { return pipeline::report_markdown(report); }},
    {"junit", [](const RunReport& report, bool) { return pipeline::report_junit(report); }},
}};

const Format* find(std::string_view name) {
  const auto at = std::ranges::find(kFormats, name, &Format::name);
  return at == kFormats.end() ? nullptr : &*at;
}

}  // namespace

std::string report_format_names() {
  std::string names;
  for (const Format& format : kFormats)
    names += (names.empty() ? "" : ", ") + std::string(format.name);
  return names;
}

bool is_report_format(const std::string& format) {
  return find(format) != nullptr;
}

Result<ReportOutput> parse_output(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals + 1 == text.size()) {
    return Error{fmt::format("--output {} names no file", text),
                 "write FORMAT=PATH, such as md=report.md"};
  }
  ReportOutput output{text.substr(0, equals), text.substr(equals + 1)};
  if (is_report_format(output.format)) return output;
  return Error{fmt::format("--output {}: there is no format '{}'", text, output.format),
               "there are " + report_format_names()};
}

std::optional<Error> check_output(const ReportOutput& output) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path path = fs::absolute(output.path, error);
  const auto bad = [&](const std::string& why) {
    return Error{fmt::format("--output {}={}: {}", output.format, output.path, why), ""};
  };
  if (fs::is_directory(path, error)) return bad("that is a folder; name a file in it");
  if (fs::exists(path, error) && !fs::is_regular_file(path, error)) {
    return ::access(path.c_str(), W_OK) == 0 ? std::nullopt
                                             : std::optional(bad(std::strerror(errno)));
  }
  // Missing folders are made, so the nearest one that is there decides.
  do path = path.parent_path();
  while (!fs::exists(fs::symlink_status(path, error)) && path != path.root_path());
  if (!fs::is_directory(path, error)) return bad(path.string() + " is no folder");
  if (::access(path.c_str(), W_OK | X_OK) != 0) {
    return bad(fmt::format("{}: {}", path.string(), std::strerror(errno)));
  }
  return std::nullopt;
}

std::string render_report(const RunReport& report, const std::string& format, bool color) {
  return find(format)->render(report, color);
}

std::optional<Error> write_report(const RunReport& report, const ReportOutput& output) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path path = output.path;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
  // A device, a pipe or a link is written through: a rename would put a plain file in its place.
  const fs::file_status there = fs::symlink_status(path, error);
  const bool in_place = fs::exists(there) && !fs::is_regular_file(there);
  const std::string temporary = in_place ? output.path : output.path + ".part";
  {
    std::ofstream file(temporary, std::ios::binary);
    file << render_report(report, output.format, false);
    file.close();
    if (!file) {
      const std::string reason = std::strerror(errno);
      if (!in_place) fs::remove(temporary, error);
      return Error{fmt::format("{}: cannot be written: {}", output.path, reason), ""};
    }
  }
  if (in_place) return std::nullopt;
  fs::rename(temporary, path, error);
  if (error)
    return Error{fmt::format("{}: cannot be written: {}", output.path, error.message()), ""};
  return std::nullopt;
}

}  // namespace refute::cli
