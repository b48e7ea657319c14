// Which keys the errors of rows point to.

#include "harness/instruments/fault_locator_keys.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <span>

#include "harness/instruments/fault_locator_rows.hpp"

namespace refute::instruments {
namespace {

/// The squared cosine between a row's error and a direction: the share of the error along it.
double share_along(const FaultObservation& o, std::size_t row, std::span<const double> direction) {
  const std::size_t d = direction.size();
  double dot = 0, size = 0, error = 0;
  for (std::size_t x = 0; x < d; ++x) {
    const double off = o.actual[row * d + x] - o.exact[row * d + x];
    dot += off * direction[x], size += direction[x] * direction[x], error += off * off;
  }
  return size > 0 && error > 0 ? dot / size * (dot / error) : 0;
}

/// The greatest and the second of some shares, and whose the greatest is.
struct Best {
  double share = 0, next = 0;
  std::size_t which = 0;

  void take(double x, std::size_t i) {
    next = std::max(next, std::min(x, share));
    if (x > share) share = x, which = i;
  }
  /// It is nearly all of the error, and no other comes near: where one key outweighs the others the
  /// way to it is the way from the next, and of two tiles one lies where the other does not.
  bool clear() const { return share > 0.9 && next < 0.45; }
};

/// The key or the tile of keys that a row's error points to: a wrong weight of key j moves the
/// output along v_j - out, one of a whole tile along Σ p_j·(v_j - out).
struct Pointer {
  std::size_t tile = 0;
  std::optional<std::size_t> key;
};
std::optional<Pointer> pointer_of(const FaultObservation& o, std::size_t row, std::size_t tile) {
  const std::size_t d = o.problem.head_dim;
  const RowPlace place = place_of(o.problem, row);
  const std::vector<double> p = row_weights(o, row, place);
  Best keys, tiles;
  for (std::size_t begin = 0; begin < place.seen; begin += tile) {
    std::vector<double> part(d), one(d);
    const std::size_t end = std::min(begin + tile, place.seen);
    for (std::size_t j = begin; j < end; ++j) {
      const float* value = &o.v[(place.shared * o.problem.seq_kv + j) * d];
      for (std::size_t x = 0; x < d; ++x)
        part[x] += p[j] * (one[x] = value[x] - o.exact[row * d + x]);
      keys.take(share_along(o, row, one), j);
    }
    if (end - begin > 1) tiles.take(share_along(o, row, part), begin / tile);
  }
  if (keys.clear() && tiles.share < 0.9) return Pointer{keys.which / tile, keys.which};
  if (tiles.clear() && keys.share < tiles.share) return Pointer{tiles.which, std::nullopt};
  return std::nullopt;
}

/// What nine of ten wrong rows say that can have erred in one of several places.
class Votes {
 public:
  void add(const std::optional<std::size_t>& place) {
    ++voters_;
    if (place) ++count_[*place];
  }
  std::optional<std::size_t> winner() const {
    for (const auto& [place, count] : count_) {
      if (count * 10 >= voters_ * 9) return place;
    }
    return std::nullopt;
  }

 private:
  std::map<std::size_t, std::size_t> count_;
  std::size_t voters_ = 0;
};

}  // namespace

void point_to_keys(const FaultObservation& o, const std::set<std::size_t>& rows, std::size_t tile,
                   FaultPlace& place) {
  constexpr std::size_t kMostRows = 64;  // enough to vote
  constexpr std::size_t kLeastKeys = 4;  // of two, one lies where the other does not
  Votes keys, from_end, in_tile, tiles;
  std::size_t voters = 0;
  for (const std::size_t row : rows) {
    const std::size_t seen = place_of(o.problem, row).seen;
    if (voters == kMostRows || seen < kLeastKeys) continue;
    ++voters;
    const auto at = pointer_of(o, row, tile);
    const auto key = at ? at->key : std::nullopt;
    keys.add(key);
    from_end.add(key ? std::optional(seen - 1 - *key) : std::nullopt);
    in_tile.add(key ? std::optional(*key % tile) : std::nullopt);
    if (seen > 2 * tile) tiles.add(at ? std::optional(at->tile) : std::nullopt);
  }
  place.key = keys.winner();
  if (!place.key) place.key_from_end = from_end.winner();
  if (!place.key && !place.key_from_end) place.key_in_tile = in_tile.winner();
  place.key_tile = tiles.winner();
}

}  // namespace refute::instruments
