#pragma once

// One spelling for Catch2 v2 (Debian's) and v3. Only macros that exist in both are used.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
