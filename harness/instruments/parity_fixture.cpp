// Q, K and V from a file of tensors, which comes from outside.

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/digest/sha256.hpp"
#include "harness/instruments/parity.hpp"
#include "harness/tensor/model_file.hpp"

namespace refute::instruments {
namespace {

using metrics::Format;
using tensor::DType;
using tensor::ModelFile;
using tensor::ModelTensor;

ParityError bad(const std::string& path, std::string code, const std::string& what) {
  return {ExitCode::usage, std::move(code), fmt::format("{}: {}", path, what)};
}

std::string shape_text(const ModelTensor& t) {
  return fmt::format("[{}]", fmt::join(t.shape, ", "));
}

/// The storage of plain floats; quantised ones are none that attention is measured on.
std::optional<Format> format_of(const tensor::TensorType& type) {
  const DType* plain = std::get_if<DType>(&type);
  if (plain == nullptr) return std::nullopt;
  const DType d = *plain;
  if (d == DType::f32) return Format::f32;
  if (d == DType::f16) return Format::f16;
  if (d == DType::bf16) return Format::bf16;
  return std::nullopt;
}

std::string names(const ModelFile& file) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(file.tensors().size(), kShown); ++i) {
    text += (i == 0 ? "" : ", ") + file.tensors()[i].name;
  }
  if (file.tensors().size() > kShown) text += ", …";
  return text.empty() ? "none" : text;
}

/// q, k, v and perhaps out, found and of the right kinds and shapes; or what is wrong.
struct Found {
  const ModelTensor *q = nullptr, *k = nullptr, *v = nullptr, *out = nullptr;
};

std::optional<ParityError> missing(const std::string& path, const ModelFile& file, const Found& f) {
  std::string absent;
  for (const auto& [name, info] : {std::pair{"q", f.q}, {"k", f.k}, {"v", f.v}}) {
    if (info == nullptr) absent += (absent.empty() ? "" : ", ") + std::string(name);
  }
  if (absent.empty()) return std::nullopt;
  return bad(path, "missing-tensor",
             fmt::format("there is no tensor {}; q, k and v are needed, the file has {}", absent,
                         names(file)));
}

std::optional<ParityError> wrong_kind(const std::string& path, const Found& f) {
  for (const ModelTensor* t : {f.q, f.k, f.v, f.out}) {
    if (t == nullptr) continue;
    if (!format_of(t->type)) {
      return bad(
          path, "wrong-dtype",
          fmt::format("{} is {}; F32, F16 or BF16 is needed", t->name, tensor::to_string(t->type)));
    }
    if (t->type != f.q->type) {
      return bad(path, "mixed-dtypes",
                 fmt::format("{} is {}, q is {}; all have to be of one dtype", t->name,
                             tensor::to_string(t->type), tensor::to_string(f.q->type)));
    }
    if (t->shape.size() != 4) {
      return bad(path, "wrong-shape",
                 fmt::format("{} is {}; [batch, heads, sequence, head_dim] is needed", t->name,
                             shape_text(*t)));
    }
  }
  return std::nullopt;
}

std::optional<ParityError> wrong_shape(const std::string& path, const Found& f) {
  const auto disagree = [&](const ModelTensor& a, const ModelTensor& b, const char* what) {
    return bad(path, "wrong-shape",
               fmt::format("{} is {} and {} is {}: {}", a.name, shape_text(a), b.name,
                           shape_text(b), what));
  };
  if (f.k->shape != f.v->shape) return disagree(*f.k, *f.v, "they have to be alike");
  if (f.q->shape[0] != f.k->shape[0]) return disagree(*f.q, *f.k, "the batches differ");
  if (f.q->shape[3] != f.k->shape[3]) return disagree(*f.q, *f.k, "the head_dims differ");
  if (f.out != nullptr && f.out->shape != f.q->shape) {
    return disagree(*f.out, *f.q, "they have to be alike");
  }
  return std::nullopt;
}

/// Before anything is copied out of the file.
std::optional<ParityError> too_large(const std::string& path, const Found& f,
                                     std::uint64_t memory_bytes) {
  std::size_t bytes = 0;  // cannot overflow: the file holds at least half of it
  for (const ModelTensor* t : {f.q, f.k, f.v, f.out}) {
    if (t != nullptr) bytes += t->count * sizeof(float);
  }
  if (bytes <= memory_bytes) return std::nullopt;
  return bad(path, "too-large",
             fmt::format("its tensors take {} MiB, above the limit of {} MiB (--memory-mib)",
                         bytes >> 20, memory_bytes >> 20));
}

ParityResult<std::vector<float>> values_of(const std::string& path, const ModelFile& file,
                                           const ModelTensor& info, bool allow_non_finite) {
  std::vector<float> x(info.count);
  if (const auto error = tensor::dequantize(info, 0, x))
    return bad(path, "unreadable", error->what);
  if (const auto error = file.damaged()) return bad(path, "unreadable", error->what);
  const metrics::Census c = metrics::census(x);
  if (c.first && !allow_non_finite) {
    return bad(path, "non-finite-input",
               fmt::format("{} has {} NaN and {} infinite values, the first at element {}; "
                           "--allow-non-finite measures all the same",
                           info.name, c.nan, c.positive_infinity + c.negative_infinity, *c.first));
  }
  return x;
}

}  // namespace

ParityResult<ParityInputs> read_fixture(const std::string& path, const ParityRequest& request) {
  const auto file = ModelFile::open(path);
  if (!file) return ParityError{ExitCode::usage, "unreadable", file.error().what};
  const Found f{file->find("q"), file->find("k"), file->find("v"), file->find("out")};
  if (auto error = missing(path, *file, f)) return *error;
  if (auto error = wrong_kind(path, f)) return *error;
  if (auto error = wrong_shape(path, f)) return *error;
  if (auto error = too_large(path, f, request.memory_bytes)) return *error;
  ParityInputs in;
  in.fixture = path;
  in.storage = *format_of(f.q->type);
  in.shape = {f.q->shape[0], f.q->shape[1], f.k->shape[1],
              f.q->shape[2], f.k->shape[2], f.q->shape[3]};
  const bool allowed = request.allow_non_finite;
  for (const auto& [info, to] : {std::pair{f.q, &in.q}, {f.k, &in.k}, {f.v, &in.v}}) {
    auto values = values_of(path, *file, *info, allowed);
    if (!values) return values.error();
    *to = std::move(*values);
  }
  if (f.out != nullptr) {
    auto values = values_of(path, *file, *f.out, true);
    if (!values) return values.error();
    in.expected = std::move(*values);
  }
  const auto digest = sha256_of_file(path);
  if (!digest) return bad(path, "unreadable", digest.error().what);
  in.fixture_digest = *digest;
  return in;
}

}  // namespace refute::instruments
