#pragma once

// numpy's files (numpy.lib.format 1.0 and 2.0): .npy is a short header and the data; .npz is a zip
// of them, stored uncompressed (APPNOTE 6.3.9; with zip64 where a size, an offset or a count needs
// it).

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "harness/model/result.hpp"
#include "harness/tensor/file_layout.hpp"

namespace refute::tensor {

/// The header of one array. An error for a type that numpy has no name for.
Result<std::string> npy_header(const StoredTensor& tensor);

struct NpzLayout {
  struct Member {
    std::string name;        ///< "w.npy"
    std::string npy;         ///< its header
    std::size_t begin = 0;   ///< of its entry in the zip
    std::size_t offset = 0;  ///< of its data
    std::size_t bytes = 0;   ///< of its data
  };
  std::vector<Member> members;
  std::size_t directory = 0;  ///< where the zip's directory starts
  std::size_t size = 0;       ///< of the file
};

/// An error names a tensor that occurs twice, has no numpy type, or a name that would lead out of
/// the folder in which the zip is unpacked.
Result<NpzLayout> lay_out_npz(const std::vector<StoredTensor>& tensors);

/// What goes into the file besides the data, each with its offset: known only when the data is,
/// whose CRCs are given.
std::vector<std::pair<std::size_t, std::string>> npz_frame(const NpzLayout& layout,
                                                           std::span<const std::uint32_t> crcs);

}  // namespace refute::tensor
