// `refute validate` on 1,000 contracts, as a fresh process each time, against bare YAML parsers.

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include <fmt/format.h>

#include "harness/bench/benches.hpp"
#include "harness/bench/process.hpp"
#include "harness/bench/yaml_peers.hpp"

namespace refute::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kContracts = 1000;
constexpr double kLimit = 1.0;  ///< seconds
constexpr int kRounds = 7;

/// A folder of generated contracts, gone at the end.
class Corpus {
 public:
  Corpus() {
    std::string name = (fs::temp_directory_path() / "refute-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    folder_ = name;
    time_process({"python3", REFUTE_SOURCE "/fixtures/generators/contract_corpus.py", name,
                  std::to_string(kContracts)});
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
      files_.push_back(entry.path().string());
      bytes_ += entry.file_size();
    }
    if (files_.size() != kContracts) throw std::runtime_error("the corpus is incomplete");
  }
  ~Corpus() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Corpus(const Corpus&) = delete;
  Corpus& operator=(const Corpus&) = delete;

  std::string folder() const { return folder_.string(); }
  const std::vector<std::string>& files() const { return files_; }
  double mean_bytes() const { return static_cast<double>(bytes_) / kContracts; }

 private:
  fs::path folder_;
  std::vector<std::string> files_;
  std::uintmax_t bytes_ = 0;
};

std::string rate(double seconds) {
  return fmt::format("{}, {:.0f} contracts/s", show_seconds(seconds), kContracts / seconds);
}

void add_peer(std::vector<Figure>& figures, const std::string& what, std::optional<double> seconds,
              double ours) {
  Figure figure{.what = what, .result = "not measured: it is not installed"};
  if (seconds) {
    figure.result = rate(*seconds);
    figure.ratio = *seconds / ours;
    figure.against = "refute validate";
  }
  figures.push_back(figure);
}

}  // namespace

std::vector<Figure> validate() {
  const Corpus corpus;
  const ProcessTime ours =
      time_process({REFUTE_BUILD "/refute", "validate", corpus.folder()}, kRounds)[kRounds / 2];
  std::vector<Figure> figures = {
      {.what = fmt::format("refute validate, {} contracts of {:.1f} KB, a new process", kContracts,
                           corpus.mean_bytes() / 1000),
       .result = rate(ours.wall),
       .ratio = ours.wall / kLimit,
       .against = "the limit of 1 s",
       .goal = 1},
      {.what = "the same, processor time of all its threads",
       .result = rate(ours.processor),
       .ratio = ours.processor / ours.wall,
       .against = "its time on the clock"},
  };
  add_peer(figures, "libfyaml, only parsing, one core", libfyaml_seconds(corpus.files()),
           ours.wall);
  add_peer(figures, "PyYAML's CSafeLoader (libyaml), only parsing", pyyaml_seconds(corpus.folder()),
           ours.wall);
  return figures;
}

}  // namespace refute::bench
