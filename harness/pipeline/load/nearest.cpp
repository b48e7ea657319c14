#include "harness/pipeline/load/nearest.hpp"

#include <algorithm>

namespace refute::pipeline {
namespace {

std::string normal(std::string_view word) {
  std::string out(word);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-' || c == ' ') c = '_';
  }
  return out;
}

int most_edits(std::size_t length) {
  if (length < 3) return 0;
  if (length <= 7) return 1;  // `sanity` is not `safety`
  return length <= 12 ? 2 : 3;
}

}  // namespace

int edit_distance(std::string_view a, std::string_view b) {
  constexpr std::size_t kLongest = 80;  // names are short; a longer text is nobody's misspelling
  if (a.size() > kLongest || b.size() > kLongest) return static_cast<int>(kLongest);
  std::vector<int> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int substitution = last[j - 1] + (a[i - 1] != b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, substitution});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  const std::string wanted = normal(word);
  std::string_view best;
  int least = most_edits(wanted.size()) + 1;
  for (const std::string_view candidate : candidates) {
    const int distance = edit_distance(wanted, normal(candidate));
    if (distance >= least) continue;
    least = distance;
    best = candidate;
  }
  return best;
}

std::string_view nearest(std::string_view word, const std::vector<std::string>& candidates) {
  const std::vector<std::string_view> views(candidates.begin(), candidates.end());
  return nearest(word, views);
}

std::string did_you_mean(std::string_view suggestion) {
  if (suggestion.empty()) return {};
  return "did you mean `" + std::string(suggestion) + "`?";
}

}  // namespace refute::pipeline
