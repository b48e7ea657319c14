#include "harness/instruments/quant_diff_pair.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "harness/instruments/glob.hpp"
#include "harness/instruments/quant_diff_names.hpp"
#include "harness/model/near_miss.hpp"

namespace refute::instruments {
namespace {

using tensor::ModelFile;
using tensor::ModelFormat;
using tensor::ModelTensor;
using Tensors = std::vector<const ModelTensor*>;

/// A model's tensors that have no counterpart yet.
class Unpaired {
 public:
  explicit Unpaired(const ModelFile& model) {
    for (const ModelTensor& t : model.tensors()) left_.push_back(&t);
  }
  const Tensors& left() const { return left_; }
  const ModelTensor* find(std::string_view name) const {
    const auto at = std::ranges::find(left_, name, &ModelTensor::name);
    return at == left_.end() ? nullptr : *at;
  }
  void remove(const std::set<const ModelTensor*>& taken) {
    std::erase_if(left_, [&](const ModelTensor* t) { return taken.contains(t); });
  }

 private:
  Tensors left_;
};

struct Sides {
  Unpaired reference, other;
  std::map<const ModelTensor*, const ModelTensor*> pairs;

  void take(const std::map<const ModelTensor*, const ModelTensor*>& found) {
    std::set<const ModelTensor*> of_reference, of_other;
    for (const auto& [r, o] : found) of_reference.insert(r), of_other.insert(o);
    reference.remove(of_reference);
    other.remove(of_other);
    pairs.insert(found.begin(), found.end());
  }
};

Error not_there(const std::string& name, const ModelFile& model, const Unpaired& among) {
  std::vector<std::string> names;
  for (const ModelTensor* t : among.left()) names.push_back(t->name);
  return {
      fmt::format("--map: {} has no tensor '{}', or the map names it twice", model.path(), name),
      did_you_mean(near_miss(name, names))};
}

std::optional<Error> take_mapped(Sides& sides, const NameMap& map, const ModelFile& reference,
                                 const ModelFile& other) {
  for (const auto& [from, to] : map) {
    const ModelTensor* r = sides.reference.find(from);
    const ModelTensor* o = sides.other.find(to);
    if (!r) return not_there(from, reference, sides.reference);
    if (!o) return not_there(to, other, sides.other);
    sides.take({{r, o}});
  }
  return std::nullopt;
}

/// Pairs what has one and the same key on both sides; a key that occurs twice on a side pairs
/// nothing, because either choice could be the wrong one.
template <class KeyOf>
void take_by_key(Sides& sides, KeyOf of_reference, KeyOf of_other) {
  using Index = std::map<std::string, const ModelTensor*>;
  const auto index = [](const Tensors& tensors, const KeyOf& key_of) {
    Index by_key;
    std::set<std::string> twice;
    for (const ModelTensor* t : tensors) {
      const std::optional<std::string> key = key_of(*t);
      if (key && !by_key.emplace(*key, t).second) twice.insert(*key);
    }
    for (const std::string& key : twice) by_key.erase(key);
    return by_key;
  };
  const Index theirs = index(sides.other.left(), of_other);
  std::map<const ModelTensor*, const ModelTensor*> found;
  for (const auto& [key, r] : index(sides.reference.left(), of_reference)) {
    if (const auto o = theirs.find(key); o != theirs.end()) found[r] = o->second;
  }
  sides.take(found);
}

using KeyFunction = std::function<std::optional<std::string>(const ModelTensor&)>;

KeyFunction by_gguf_name(const ModelFile& model) {
  std::vector<std::string_view> names;
  for (const ModelTensor& t : model.tensors()) names.push_back(t.name);
  return [placement = norm_placement(names)](const ModelTensor& t) {
    return gguf_name(t.name, placement);
  };
}

std::string architecture(const ModelFile& gguf) {
  const auto* value = tensor::find(gguf.metadata(), "general.architecture");
  const auto* text = value ? std::get_if<std::string>(&value->value) : nullptr;
  return text ? *text : std::string();
}

std::size_t count_in(const ModelFile& gguf, const std::string& key) {
  const auto* value = tensor::find(gguf.metadata(), key);
  if (!value) return 0;
  if (const auto* u = std::get_if<std::uint64_t>(&value->value)) return *u;
  if (const auto* i = std::get_if<std::int64_t>(&value->value))
    return *i > 0 ? static_cast<std::size_t>(*i) : 0;
  return 0;
}

/// What converting to GGUF did to values, and so has to be done to the other side.
class Conversion {
 public:
  Conversion(const ModelFile& gguf, std::vector<std::string>& notes) : notes_(notes) {
    const std::string family = architecture(gguf);
    adds_one_ = family == "gemma" || family == "gemma2" || family == "gemma3";
    if (family != "llama") return;
    heads_ = count_in(gguf, "llama.attention.head_count");
    key_heads_ = count_in(gguf, "llama.attention.head_count_kv");
    if (key_heads_ == 0) key_heads_ = heads_;
    if (heads_ == 0)
      notes_.push_back(gguf.path() +
                       ": llama without llama.attention.head_count, so the rows of queries and "
                       "keys are compared as they are stored");
  }

  Adjustment of(const ModelTensor& plain, const std::string& gguf_name) const {
    if (adds_one_ && gguf_name.ends_with("norm.weight")) return {.plus_one = true};
    std::size_t heads = 0;
    if (gguf_name.ends_with(".attn_q.weight")) heads = heads_;
    if (gguf_name.ends_with(".attn_k.weight")) heads = key_heads_;
    const bool fits = heads != 0 && plain.shape.size() == 2 && plain.shape[0] % (2 * heads) == 0 &&
                      plain.cols() % tensor::values_per_block(plain.type) == 0;
    return {.heads = fits ? heads : 0};
  }

 private:
  std::vector<std::string>& notes_;
  std::size_t heads_ = 0, key_heads_ = 0;
  bool adds_one_ = false;
};

void undo_conversion(Pairing& pairing, const ModelFile& reference, const ModelFile& other) {
  if (reference.format() == other.format()) return;
  const bool other_is_gguf = other.format() == ModelFormat::gguf;
  const Conversion conversion(other_is_gguf ? other : reference, pairing.notes);
  for (TensorPair& pair : pairing.pairs) {
    if (other_is_gguf) {
      pair.adjust_reference = conversion.of(*pair.reference, pair.other->name);
    } else {
      pair.adjust_other = conversion.of(*pair.other, pair.reference->name);
    }
  }
}

std::vector<std::string> words_of(std::string line) {
  line.resize(std::min(line.size(), line.find('#')));
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

}  // namespace

Result<Pairing> pair_tensors(const ModelFile& reference, const ModelFile& other, const NameMap& map,
                             const std::string& glob) {
  Sides sides{.reference = Unpaired(reference), .other = Unpaired(other), .pairs = {}};
  if (auto error = take_mapped(sides, map, reference, other)) return *std::move(error);
  const KeyFunction as_is = [](const ModelTensor& t) { return std::optional(t.name); };
  take_by_key(sides, as_is, as_is);
  take_by_key(sides, by_gguf_name(reference), by_gguf_name(other));

  Pairing pairing;
  for (const ModelTensor& t : reference.tensors()) {
    const auto found = sides.pairs.find(&t);
    const bool paired = found != sides.pairs.end();
    if (!glob_matches(glob, t.name) && !(paired && glob_matches(glob, found->second->name)))
      continue;
    if (!paired) {
      pairing.missing.push_back(&t);
    } else {
      pairing.pairs.push_back({.reference = &t,
                               .other = found->second,
                               .adjust_reference = {},
                               .adjust_other = {},
                               .as = {}});
    }
  }
  for (const ModelTensor* t : sides.other.left()) {
    if (glob_matches(glob, t->name)) pairing.extra.push_back(t);
  }
  undo_conversion(pairing, reference, other);
  return pairing;
}

Result<NameMap> parse_name_map(const std::string& text, const std::string& path) {
  NameMap map;
  std::istringstream in(text);
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const auto words = words_of(line);
    if (words.empty()) continue;
    if (words.size() != 2) {
      return Error{fmt::format("{}:{}: wants two names, the reference's and the other model's, and "
                               "has {} words",
                               path, number, words.size()),
                   "separate them by blanks; # begins a comment"};
    }
    map.emplace_back(words[0], words[1]);
  }
  if (map.empty()) return Error{path + ": maps nothing", "write two names a line"};
  return map;
}

}  // namespace refute::instruments
