#include "harness/bench/figure.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/core.h>

namespace refute::bench {
namespace {

using Cells = std::array<std::string, 5>;

std::string goal_text(const Figure& f) {
  if (!f.goal || !f.ratio) return "";
  const bool met = f.at_least ? *f.ratio >= *f.goal : *f.ratio <= *f.goal;
  return fmt::format("{} {:g}: {}", f.at_least ? ">=" : "<=", *f.goal, met ? "met" : "MISSED");
}

Cells cells_of(const Figure& f) {
  return {f.what, f.result, f.ratio ? fmt::format("{:.2f}x", *f.ratio) : "",
          f.ratio ? f.against : "", goal_text(f)};
}

}  // namespace

double median_seconds(int repeats, const std::function<void()>& body) {
  using Clock = std::chrono::steady_clock;
  body();
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) {
    const auto start = Clock::now();
    body();
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  const auto middle = seconds.begin() + repeats / 2;
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

std::string show_seconds(double seconds) {
  if (seconds >= 1e-1) return fmt::format("{:.2f} s", seconds);
  if (seconds >= 1e-4) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.1f} us", seconds * 1e6);
}

std::string render(std::string_view heading, const std::vector<Figure>& figures) {
  std::vector<Cells> rows = {{std::string(heading), "result", "ratio", "to", "goal"}};
  for (const Figure& f : figures) rows.push_back(cells_of(f));
  std::array<std::size_t, 5> width{};
  for (const Cells& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], row[c].size());
  }
  std::string text;
  for (const Cells& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) line += fmt::format("{:<{}}  ", row[c], width[c]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

}  // namespace refute::bench
