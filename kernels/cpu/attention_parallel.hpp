#pragma once

#include <cstddef>
#include <functional>

namespace refute::kernels {

/// Calls work(0) … work(count - 1), each once, on up to `threads` threads and in no order. What
/// work(i) does must not depend on the thread or the order; then neither does the result. An
/// exception in one of them ends the others soon and is thrown again here.
void attention_parallel(std::size_t count, unsigned threads,
                        const std::function<void(std::size_t)>& work);

}  // namespace refute::kernels
