// The entry of libFuzzer, which brings the main function; built by fuzz.sh with clang.

#include <cstdint>

#include "harness/tensor/fuzz/fuzz_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  refute::tensor::try_model_bytes({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
