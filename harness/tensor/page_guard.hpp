#pragma once

// A mapped file that somebody shortens gives SIGBUS when its lost pages are read, which ends the
// process. Ranges under guard read as zeros from the first lost page on instead, and remember it.

#include <cstddef>
#include <span>

#include "harness/model/result.hpp"

namespace refute::tensor {

/// Guards one mapping as long as it lives. The first one installs a handler of SIGBUS for the
/// process; faults outside guarded ranges go to the handler that was there before. Bytes lost are
/// lost for every reader: whoever reads has to ask damaged() before believing a result.
class PageGuard {
 public:
  /// An error when thousands are alive already. The bytes are a mapping of their own, from its
  /// first page on; an empty span is guarded by doing nothing.
  static Result<PageGuard> watch(std::span<const std::byte> mapping);

  PageGuard(PageGuard&& other) noexcept;
  PageGuard& operator=(PageGuard&& other) noexcept;
  ~PageGuard();

  bool damaged() const;

 private:
  explicit PageGuard(int slot) : slot_(slot) {}
  int slot_;  ///< -1: nothing to guard
};

}  // namespace refute::tensor
