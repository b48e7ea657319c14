#include "harness/model/near_miss.hpp"

#include <algorithm>
#include <numeric>

namespace refute {
namespace {

// Names are short; a longer text is nobody's misspelling, and may be a megabyte from outside.
constexpr std::size_t kLongest = 80;

std::string normal(std::string_view word) {
  std::string out(word);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-' || c == ' ') c = '_';
  }
  return out;
}

std::size_t most_edits(std::size_t length, Nearness nearness) {
  switch (nearness) {
    case Nearness::worth_a_hint:
      return length < 2 ? 0 : std::max<std::size_t>(1, length / 3);
    case Nearness::surely_meant:
      if (length < 3) return 0;
      if (length <= 7) return 1;  // `sanity` is not `safety`
      return length <= 12 ? 2 : 3;
  }
  return 0;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  if (a.size() > kLongest || b.size() > kLongest) return kLongest;
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, substitution});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::string near_miss(std::string_view word, std::span<const std::string_view> candidates,
                      Nearness nearness) {
  if (word.size() > kLongest) return {};
  const std::string wanted = normal(word);
  std::string_view best;
  std::size_t least = most_edits(wanted.size(), nearness) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(wanted, normal(candidate));
    if (distance >= least) continue;
    least = distance;
    best = candidate;
  }
  return std::string(best);
}

std::string near_miss(std::string_view word, const std::vector<std::string>& candidates,
                      Nearness nearness) {
  const std::vector<std::string_view> views(candidates.begin(), candidates.end());
  return near_miss(word, std::span<const std::string_view>(views), nearness);
}

std::string did_you_mean(std::string_view suggestion) {
  if (suggestion.empty()) return {};
  return "did you mean `" + std::string(suggestion) + "`?";
}

}  // namespace refute
