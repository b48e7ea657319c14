#include "harness/instruments/stage_comparable.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/tensor/text.hpp"

namespace refute::instruments {
namespace {

using tensor::CaptureManifest;

std::string model_name(const CaptureManifest& m) {
  return fmt::format("{} ({}, {} layers, sha256 {:.12})", tensor::printable(m.model),
                     tensor::printable(m.architecture), m.layers, m.model_sha256.text);
}

std::optional<Error> refuse_tokens(const CaptureManifest& a, const CaptureManifest& b) {
  if (a.tokens == b.tokens) return std::nullopt;
  const auto [at_a, at_b] = std::ranges::mismatch(a.tokens, b.tokens);
  const bool both = at_a != a.tokens.end() && at_b != b.tokens.end();
  const std::string where =
      both ? fmt::format("token {} is {} in A and {} in B", at_a - a.tokens.begin(), *at_a, *at_b)
           : fmt::format("A has {}, B has {}", a.tokens.size(), b.tokens.size());
  return Error{"the captures disagree on the tokens: " + where, "capture both on the same tokens"};
}

/// The stage that a file is called after, as captures call theirs; other files have none.
std::optional<tensor::Stage> stage_named(const std::string& path) {
  const std::filesystem::path file(path);
  if (file.extension() != ".bin") return std::nullopt;
  const auto stage = tensor::parse_stage(file.stem().string());
  return stage ? std::optional(*stage) : std::nullopt;
}

std::string layer_name(std::uint32_t layer) {
  return layer == tensor::kWholeModel ? "the whole model" : fmt::format("layer {}", layer);
}

}  // namespace

std::optional<Error> refuse_comparison(const CaptureManifest& a, const CaptureManifest& b,
                                       bool across_models) {
  const bool other_kind = a.architecture != b.architecture || a.layers != b.layers;
  if (other_kind || (a.model_sha256 != b.model_sha256 && !across_models)) {
    return Error{fmt::format("the captures disagree on the model: A is of {}, B is of {}",
                             model_name(a), model_name(b)),
                 other_kind ? "capture one model on both paths"
                            : "capture one model on both paths; --across-models compares what a "
                              "model became with what it was"};
  }
  return refuse_tokens(a, b);
}

std::vector<std::string> differences(const CaptureManifest& a, const CaptureManifest& b) {
  std::vector<std::string> found;
  const auto note = [&](const char* what, const std::string& in_a, const std::string& in_b) {
    if (in_a == in_b) return;
    found.push_back(fmt::format("{}: {} in A, {} in B", what, tensor::printable(in_a),
                                tensor::printable(in_b)));
  };
  if (a.model_sha256 != b.model_sha256) note("model", model_name(a), model_name(b));
  note("path", a.path.name, b.path.name);
  note("attention", a.path.attention, b.path.attention);
  note("backend", a.path.backend, b.path.backend);
  note("kernels", fmt::format("{}", fmt::join(a.path.kernels, "; ")),
       fmt::format("{}", fmt::join(b.path.kernels, "; ")));
  note("weights", a.path.weight_dtype, b.path.weight_dtype);
  note("activations", a.path.activation_dtype, b.path.activation_dtype);
  note("accumulation", a.path.accumulate_dtype, b.path.accumulate_dtype);
  return found;
}

std::optional<Error> refuse_files(const std::string& path_a, const tensor::AprtFile& a,
                                  const std::string& path_b, const tensor::AprtFile& b) {
  const char* hint = "compare files of the same stage and layer";
  const auto stage_a = stage_named(path_a), stage_b = stage_named(path_b);
  if (stage_a && stage_b && *stage_a != *stage_b) {
    return Error{fmt::format("{} is of {}, {} of {}", path_a, to_string(*stage_a), path_b,
                             to_string(*stage_b)),
                 hint};
  }
  if (a.layer() != b.layer()) {
    return Error{fmt::format("{} is of {}, {} of {}", path_a, layer_name(a.layer()), path_b,
                             layer_name(b.layer())),
                 hint};
  }
  if (a.values().size() != b.values().size()) {
    return Error{fmt::format("{} has {} values, {} has {}", path_a, a.values().size(), path_b,
                             b.values().size()),
                 hint};
  }
  return std::nullopt;
}

}  // namespace refute::instruments
