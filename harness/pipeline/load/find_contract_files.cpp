#include <algorithm>
#include <filesystem>
#include <set>

#include "harness/pipeline/load/load_contracts.hpp"

namespace refute::pipeline {
namespace {

namespace fs = std::filesystem;

bool is_contract_name(const fs::path& path) {
  return path.extension() == ".yaml" || path.extension() == ".yml";
}

bool is_hidden(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.size() > 1 && name.front() == '.' && name != "..";
}

/// Whoever writes a claim's id where a path belongs is told of the option.
std::string help_for(const std::string& path) {
  const bool id = path.find_first_of("/.") == std::string::npos &&
                  (path.starts_with("FALSIFY-") || path.starts_with("C-"));
  return id ? "a claim is chosen with --claim " + path : "check the path";
}

class Search {
 public:
  explicit Search(std::vector<Error>& unreadable) : unreadable_(unreadable) {}

  void add(const std::string& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found) {
      unreadable_.push_back({path + ": there is no such file or folder", help_for(path)});
    } else if (error) {
      unreadable_.push_back({path + ": " + error.message(), ""});
    } else if (fs::is_directory(status)) {
      add_folder(path);
    } else {
      add_file(path, status);
    }
  }

  std::vector<std::string> take() {
    std::ranges::sort(found_);
    return std::move(found_);
  }

 private:
  void add_file(const fs::path& path, const fs::file_status& status) {
    if (!fs::is_regular_file(status)) {
      unreadable_.push_back({path.string() + ": not a regular file", "contracts are plain files"});
      return;
    }
    std::error_code error;
    const fs::path real = fs::canonical(path, error);
    if (seen_.insert(error ? path.string() : real.string()).second) found_.push_back(path.string());
  }

  // One folder at a time, so that one that cannot be read costs only itself. Links to folders are
  // not followed.
  void add_folder(const fs::path& folder) {
    std::error_code error;
    std::vector<fs::path> entries;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
      entries.push_back(it->path());
    if (error)
      unreadable_.push_back(
          {folder.string() + ": " + error.message(), "the contracts in it were not checked"});
    std::ranges::sort(entries);
    for (const fs::path& entry : entries) {
      if (is_hidden(entry)) continue;
      std::error_code entry_error;
      const bool link = fs::is_symlink(fs::symlink_status(entry, entry_error));
      const fs::file_status status = fs::status(entry, entry_error);
      if (fs::is_directory(status)) {
        if (!link) add_folder(entry);
      } else if (is_contract_name(entry)) {
        add_entry(entry, status);
      }
    }
  }

  void add_entry(const fs::path& entry, const fs::file_status& status) {
    if (status.type() == fs::file_type::not_found) {
      unreadable_.push_back({entry.string() + ": a link that leads nowhere", "remove it"});
    } else {
      add_file(entry, status);
    }
  }

  std::vector<Error>& unreadable_;
  std::vector<std::string> found_;
  std::set<std::string> seen_;
};

}  // namespace

std::vector<std::string> find_contract_files(const std::vector<std::string>& paths,
                                             std::vector<Error>& unreadable) {
  Search search(unreadable);
  for (const std::string& path : paths) search.add(path);
  return search.take();
}

}  // namespace refute::pipeline
