#include "falsifiers/crux_l_02/attention_case.hpp"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "harness/worker/context.hpp"

namespace refute::falsifiers {
namespace {

using mutants::KernelShape;
using mutants::Storage;

constexpr std::array<std::string_view, 3> kStorages = {"f32", "f16", "bf16"};
constexpr std::size_t kMostElements = std::size_t{1} << 24;

bool fits(std::initializer_list<std::size_t> sizes) {
  std::size_t count = 1;
  for (const std::size_t n : sizes) {
    if (n == 0 || n > kMostElements || (count *= n) > kMostElements) return false;
  }
  return true;
}

bool sound(const KernelShape& s) {
  return fits({s.batch, s.heads_q, s.seq_q, s.head_dim}) &&
         fits({s.batch, s.heads_kv, s.seq_kv, s.head_dim}) && s.heads_q % s.heads_kv == 0;
}

const std::string* text_at(const Value& value, std::string_view key) {
  const Value* found = value.find(key);
  return found != nullptr ? found->as_string() : nullptr;
}

/// A step towards a small number that keeps to the edges where kernels differ.
std::vector<std::size_t> smaller(std::size_t n) {
  std::vector<std::size_t> all;
  for (const std::size_t m : {std::size_t{1}, std::size_t{2}, std::size_t{63}, std::size_t{64},
                              std::size_t{65}, n / 2, n - 1}) {
    if (m >= 1 && m < n) all.push_back(m);
  }
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  return all;
}

}  // namespace

std::string shape_words(const KernelShape& s) {
  return fmt::format("B{} H{}/{} S{}x{} D{}{}{}", s.batch, s.heads_q, s.heads_kv, s.seq_q, s.seq_kv,
                     s.head_dim, s.causal ? " causal" : "",
                     s.inverse_scale == 0 ? "" : fmt::format(" scale 1/{}", s.inverse_scale));
}

Result<KernelShape> shape_from(std::string_view words, Storage storage) {
  KernelShape s;
  s.storage = storage;
  const std::string text(words);
  int end = 0;
  const int fields = std::sscanf(text.c_str(), "B%7zu H%7zu/%7zu S%7zux%7zu D%7zu%n", &s.batch,
                                 &s.heads_q, &s.heads_kv, &s.seq_q, &s.seq_kv, &s.head_dim, &end);
  const std::string rest = fields == 6 ? text.substr(static_cast<std::size_t>(end)) : "?";
  s.causal = rest.starts_with(" causal");
  const std::size_t scale = rest.find(" scale 1/");
  if (scale != std::string::npos) {
    std::sscanf(rest.c_str() + scale, " scale 1/%7zu", &s.inverse_scale);
  }
  // Written again, so that signs, blanks, zeros in front and words left over do not pass.
  if (fields != 6 || !sound(s) || shape_words(s) != text) {
    return Error{fmt::format("`{}` is no shape of attention", text),
                 "write one like `B1 H4/2 S65x129 D64 causal`"};
  }
  return s;
}

std::string_view to_string(Storage storage) {
  return kStorages[static_cast<std::size_t>(storage)];
}

Result<Storage> storage_from(std::string_view name) {
  for (std::size_t i = 0; i < kStorages.size(); ++i) {
    if (kStorages[i] == name) return static_cast<Storage>(i);
  }
  return Error{fmt::format("`{}` is no storage type of attention", name), "f32, f16 or bf16"};
}

Result<AttentionFamily> attention_family_from(std::string_view name) {
  for (const AttentionFamilyRow& row : kAttentionFamilies) {
    if (row.name == name) return row.family;
  }
  return Error{fmt::format("there is no family of attention inputs called `{}`", name),
               "falsifiers/crux_l_02/attention_case.hpp lists them"};
}

std::vector<AttentionCase> simpler(const AttentionCase& c) {
  std::vector<AttentionCase> all;
  const auto with = [&](auto change) {
    AttentionCase next = c;
    change(next);
    if (sound(next.shape)) all.push_back(next);
  };
  KernelShape one = c.shape;
  if (one.batch > 1) with([](AttentionCase& n) { n.shape.batch = 1; });
  if (one.heads_q > one.heads_kv)
    with([](AttentionCase& n) { n.shape.heads_q = n.shape.heads_kv; });
  if (one.heads_q > 1) with([](AttentionCase& n) { n.shape.heads_q = n.shape.heads_kv = 1; });
  if (one.heads_kv > 1) with([](AttentionCase& n) { n.shape.heads_kv = 1; });
  if (one.heads_q > 2) {
    with([](AttentionCase& n) {
      n.shape.heads_q = 2, n.shape.heads_kv = n.shape.heads_kv > 1 ? 2 : 1;
    });
  }
  if (one.seq_q == one.seq_kv) {
    for (const std::size_t n : smaller(one.seq_q)) {
      with([n](AttentionCase& next) { next.shape.seq_q = next.shape.seq_kv = n; });
    }
  }
  for (const std::size_t n : smaller(one.seq_kv))
    with([n](AttentionCase& x) { x.shape.seq_kv = n; });
  for (const std::size_t n : smaller(one.seq_q)) with([n](AttentionCase& x) { x.shape.seq_q = n; });
  if (one.head_dim > 64) with([](AttentionCase& n) { n.shape.head_dim = 64; });
  if (one.causal) with([](AttentionCase& n) { n.shape.causal = false; });
  if (one.inverse_scale != 0) with([](AttentionCase& n) { n.shape.inverse_scale = 0; });
  if (c.family != AttentionFamily::normal) {
    with([](AttentionCase& n) { n.family = AttentionFamily::normal; });
  }
  if (c.seed != 1) with([](AttentionCase& n) { n.seed = 1; });
  return all;
}

Value to_value(const AttentionCase& c) {
  Value v;
  v.set("shape", shape_words(c.shape));
  v.set("dtype", to_string(c.shape.storage));
  v.set("family", to_string(c.family));
  v.set("seed", fmt::format("{}", c.seed));
  return v;
}

Result<AttentionCase> attention_case_from(const Value& value) {
  const std::string *shape = text_at(value, "shape"), *dtype = text_at(value, "dtype"),
                    *family = text_at(value, "family");
  const Value* seed = value.find("seed");
  const auto number = seed != nullptr ? worker::unsigned_from(*seed) : std::nullopt;
  if (shape == nullptr || dtype == nullptr || family == nullptr || !number) {
    return Error{"the counterexample names no attention input",
                 "it takes shape, dtype, family, seed"};
  }
  const auto storage = storage_from(*dtype);
  if (!storage) return storage.error();
  const auto kind = attention_family_from(*family);
  if (!kind) return kind.error();
  auto s = shape_from(*shape, *storage);
  if (!s) return s.take_error();
  return AttentionCase{*s, *kind, *number};
}

}  // namespace refute::falsifiers
