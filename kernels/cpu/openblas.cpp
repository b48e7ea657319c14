// OpenBLAS, loaded when it is first needed: linked, it would start its threads in every command,
// and none would run where it is not installed.

#include "kernels/cpu/openblas.hpp"

#include <cassert>
#include <climits>

#include <dlfcn.h>

namespace refute::kernels {
namespace {

// The part of cblas.h that is used here. Enumerators are those of the CBLAS standard.
enum Order : int { kRowMajor = 101 };
enum Transpose : int { kNoTranspose = 111, kTranspose = 112 };
using Sgemm = void (*)(Order, Transpose, Transpose, int m, int n, int k, float alpha,
                       const float* a, int lda, const float* b, int ldb, float beta, float* c,
                       int ldc);
using Sgemv = void (*)(Order, Transpose, int m, int n, float alpha, const float* a, int lda,
                       const float* x, int incx, float beta, float* y, int incy);

struct Library {
  OpenBlas about;
  Sgemm sgemm = nullptr;
  Sgemv sgemv = nullptr;
  void (*set_threads)(int) = nullptr;
};

template <class F>
bool bind(void* handle, const char* name, F& function) {
  function = reinterpret_cast<F>(::dlsym(handle, name));
  return function != nullptr;
}

/// "OpenBLAS 0.3.21 DYNAMIC_ARCH NO_AFFINITY …" says more than what decides a product's bits.
std::string short_name(const std::string& config, const char* core) {
  const std::size_t second = config.find(' ', config.find(' ') + 1);
  return config.substr(0, second) + " " + core;
}

Library load() {
  Library library;
  void* handle = ::dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = ::dlerror();
    library.about.why = why == nullptr ? "libopenblas.so.0 cannot be loaded" : why;
    return library;
  }
  const char* (*config)() = nullptr;
  const char* (*core)() = nullptr;
  const bool complete =
      bind(handle, "cblas_sgemm", library.sgemm) && bind(handle, "cblas_sgemv", library.sgemv) &&
      bind(handle, "openblas_set_num_threads", library.set_threads) &&
      bind(handle, "openblas_get_config", config) && bind(handle, "openblas_get_corename", core);
  if (!complete) {
    library.about.why = "libopenblas.so.0 lacks a function of OpenBLAS's interface";
    return library;
  }
  library.about.found = true;
  library.about.name = short_name(config(), core());
  return library;
}

const Library& library() {
  static const Library loaded = load();
  return loaded;
}

}  // namespace

const OpenBlas& openblas() {
  return library().about;
}

void set_openblas_threads(unsigned threads) {
  if (library().about.found) library().set_threads(static_cast<int>(threads == 0 ? 1 : threads));
}

void openblas_linear(const LinearShape& s, const float* x, const float* weight, float* y) {
  assert(library().about.found);
  assert(s.tokens <= INT_MAX && s.inputs <= INT_MAX && s.stride <= INT_MAX);
  const int tokens = static_cast<int>(s.tokens), inputs = static_cast<int>(s.inputs);
  const int outputs = static_cast<int>(s.outputs), stride = static_cast<int>(s.stride);
  if (tokens == 1) {
    library().sgemv(kRowMajor, kNoTranspose, outputs, inputs, 1, weight, inputs, x, 1, 0, y, 1);
  } else {
    library().sgemm(kRowMajor, kNoTranspose, kTranspose, tokens, outputs, inputs, 1, x, inputs,
                    weight, inputs, 0, y, stride);
  }
}

}  // namespace refute::kernels
