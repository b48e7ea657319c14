#pragma once

// Compiles a function once per instruction set and picks at run time. Only for straight-line
// integer and IEEE arithmetic without contraction, of which every clone gives the same bits. Not
// under AddressSanitizer, whose start-up comes after the choice, and not with clang, which has no
// such attribute in version 14.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define REFUTE_CLONES [[gnu::target_clones("default", "avx2", "avx512f")]]
#else
#define REFUTE_CLONES
#endif
