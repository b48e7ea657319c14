#pragma once

// Model files for the command to read, written without any of its own code.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "kernels/ggml.hpp"

namespace refute::falsifiers {

/// A folder of its own that goes at the end.
class ModelFolder {
 public:
  ModelFolder();
  ~ModelFolder();
  ModelFolder(const ModelFolder&) = delete;
  ModelFolder& operator=(const ModelFolder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

struct StoredModelTensor {
  std::string name, dtype;  ///< as safetensors names it; GGUF takes "F32" and block formats
  std::vector<std::size_t> shape;
  std::string bytes;
};
using StoredModel = std::vector<StoredModelTensor>;

/// N(0, 1) values, `scale` times; the same from the same seed everywhere.
std::vector<float> normal_values(std::uint64_t seed, std::size_t count, float scale = 1);

StoredModelTensor f32_tensor(std::string name, std::vector<std::size_t> shape,
                             const std::vector<float>& values);
/// As F16 or BF16, rounded to nearest.
StoredModelTensor narrow_tensor(std::string name, std::vector<std::size_t> shape,
                                const std::vector<float>& values, kernels::GgmlFormat format);
/// As blocks; dtype is the format's name in GGUF.
StoredModelTensor block_tensor(std::string name, std::vector<std::size_t> shape,
                               const std::vector<float>& values, kernels::GgmlFormat format);

void write_safetensors(const std::string& path, const StoredModel& model);
/// Where each tensor's bytes begin in the file.
std::vector<std::size_t> write_gguf(const std::string& path, const StoredModel& model);

void write_bytes(const std::string& path, const std::string& bytes);
std::string read_bytes(const std::string& path);

}  // namespace refute::falsifiers
