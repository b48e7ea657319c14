#include "harness/bench/yaml_peers.hpp"

#include <stdexcept>

#include "harness/bench/figure.hpp"
#include "harness/bench/process.hpp"

#ifdef REFUTE_BENCH_LIBFYAML
#include <libfyaml.h>
#endif

namespace refute::bench {

#ifdef REFUTE_BENCH_LIBFYAML
std::optional<double> libfyaml_seconds(const std::vector<std::string>& files) {
  return median_seconds(3, [&] {
    for (const std::string& file : files) {
      fy_document* document = fy_document_build_from_file(nullptr, file.c_str());
      if (document == nullptr) throw std::runtime_error("libfyaml cannot read " + file);
      fy_document_destroy(document);
    }
  });
}
#else
std::optional<double> libfyaml_seconds(const std::vector<std::string>&) {
  return std::nullopt;
}
#endif

std::optional<double> pyyaml_seconds(const std::string& folder) {
  constexpr const char* kLoadAll =
      "import glob, sys, yaml\n"
      "for path in glob.glob(sys.argv[1] + '/*.yaml'):\n"
      "    yaml.load(open(path, encoding='utf-8'), Loader=yaml.CSafeLoader)\n";
  try {
    time_process({"python3", "-c", "from yaml import CSafeLoader"});
  } catch (const std::runtime_error&) {
    return std::nullopt;
  }
  return time_process({"python3", "-c", kLoadAll, folder}).wall;
}

}  // namespace refute::bench
