#pragma once

// Code that a kernel and a host test share says REFUTE_HD; a plain C++ compiler does not see the
// words behind it.

#ifdef __CUDACC__
#define REFUTE_HD __host__ __device__
#else
#define REFUTE_HD
#endif
