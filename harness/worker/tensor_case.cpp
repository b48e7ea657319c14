#include "harness/worker/tensor_case.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <optional>

#include "harness/worker/compare.hpp"
#include "harness/worker/context.hpp"

namespace refute::worker {
namespace {

constexpr std::uint64_t kMaxElements = 1u << 28;

std::optional<std::uint32_t> bits_from(const Value& value) {
  const auto* s = value.as_string();
  if (!s || s->size() < 3 || s->substr(0, 2) != "0x") return std::nullopt;
  std::uint32_t bits = 0;
  const auto [end, error] = std::from_chars(s->data() + 2, s->data() + s->size(), bits, 16);
  if (error != std::errc{} || end != s->data() + s->size()) return std::nullopt;
  return bits;
}

std::optional<std::uint32_t> dimension(const Value* value) {
  if (!value) return std::nullopt;
  const auto n = unsigned_from(*value);
  if (!n || *n < 1 || *n > kMaxElements) return std::nullopt;
  return static_cast<std::uint32_t>(*n);
}

std::optional<std::vector<Special>> specials_from(const Value* value) {
  std::vector<Special> specials;
  if (!value) return specials;
  const Value::List* list = value->as_list();
  if (!list) return std::nullopt;
  for (const Value& item : *list) {
    const Value::List* pair = item.as_list();
    if (!pair || pair->size() != 2) return std::nullopt;
    const auto position = unsigned_from((*pair)[0]);
    const auto bits = bits_from((*pair)[1]);
    if (!position || *position > kMaxElements || !bits) return std::nullopt;
    specials.push_back({static_cast<std::uint32_t>(*position), *bits});
  }
  return specials;
}

/// Values between `least` and `now` worth trying, the smallest first.
std::vector<std::uint32_t> smaller(std::uint32_t now, std::uint32_t least, std::uint32_t step) {
  std::vector<std::uint32_t> all;
  for (std::uint32_t candidate : {least, (now / 2 + step - 1) / step * step, now - step}) {
    if (now <= step || candidate < least || candidate >= now) continue;
    if (all.empty() || all.back() != candidate) all.push_back(candidate);
  }
  return all;
}

std::uint32_t least_cols(const CaseSpace& space) {
  return (space.min_cols + space.column_step - 1) / space.column_step * space.column_step;
}

}  // namespace

void expand(const TensorCase& c, std::vector<float>& out) {
  out.resize(c.size());
  fill(c.family, c.seed, out);
  for (const Special& s : c.specials) out[s.position % out.size()] = std::bit_cast<float>(s.bits);
}

std::vector<TensorCase> simpler(const TensorCase& c, const CaseSpace& space) {
  std::vector<TensorCase> all;
  const auto with = [&](auto change) {
    TensorCase next = c;
    change(next);
    if (next != c) all.push_back(std::move(next));
  };
  if (c.specials.size() > 1) with([](TensorCase& t) { t.specials.clear(); });
  for (std::size_t i = 0; i < c.specials.size(); ++i) {
    with([i](TensorCase& t) {
      t.specials.erase(t.specials.begin() + static_cast<std::ptrdiff_t>(i));
    });
  }
  for (std::uint32_t rows : smaller(c.rows, space.min_rows, 1))
    with([rows](TensorCase& t) { t.rows = rows; });
  for (std::uint32_t cols : smaller(c.cols, least_cols(space), space.column_step)) {
    with([cols](TensorCase& t) { t.cols = cols; });
  }
  for (Family family : space.families) {
    if (family < c.family) with([family](TensorCase& t) { t.family = family; });
  }
  for (std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, c.seed >> 32, c.seed >> 1}) {
    if (seed < c.seed) with([seed](TensorCase& t) { t.seed = seed; });
  }
  return all;
}

Value to_value(const TensorCase& c) {
  Value v;
  v.set("rows", c.rows);
  v.set("cols", c.cols);
  v.set("family", to_string(c.family));
  v.set("seed", std::to_string(c.seed));
  Value specials = Value::List{};
  for (const Special& s : c.specials)
    specials.push(Value::List{Value(s.position), Value(hex_bits(s.bits))});
  v.set("specials", std::move(specials));
  return v;
}

Result<TensorCase> tensor_case_from(const Value& value) {
  const auto bad = [](const char* member) {
    return Error{std::string("the counterexample's `") + member + "` is missing or wrong",
                 "replay a counterexample as it was reported"};
  };
  TensorCase c;
  const auto rows = dimension(value.find("rows")), cols = dimension(value.find("cols"));
  if (!rows) return bad("rows");
  if (!cols || std::uint64_t{*rows} * *cols > kMaxElements) return bad("cols");
  const Value* family = value.find("family");
  const auto named =
      family && family->is_string() ? family_from(*family->as_string()) : std::nullopt;
  if (!named) return bad("family");
  const Value* seed_value = value.find("seed");
  const auto seed = seed_value ? unsigned_from(*seed_value) : std::nullopt;
  if (!seed) return bad("seed");
  const auto specials = specials_from(value.find("specials"));
  if (!specials) return bad("specials");
  return TensorCase{*rows, *cols, *named, *seed, *specials};
}

}  // namespace refute::worker
