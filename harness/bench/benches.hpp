#pragma once

// The groups that refute_bench can measure; main.cpp lists them.

#include "harness/bench/figure.hpp"

namespace refute::bench {

std::vector<Figure> fp8_sweep();       // fp8_sweep.cpp
std::vector<Figure> fp8_bandwidth();   // bandwidth.cpp
std::vector<Figure> model_files();     // model_files.cpp
std::vector<Figure> nf4_bandwidth();   // bandwidth.cpp
std::vector<Figure> nf4_products();    // nf4_products.cpp
std::vector<Figure> attention();       // attention.cpp
std::vector<Figure> forward_pass();    // forward.cpp
std::vector<Figure> stage_diff();      // stage_diff.cpp
std::vector<Figure> error_metrics();   // bandwidth.cpp
std::vector<Figure> validate();        // validate.cpp
std::vector<Figure> job_overhead();    // job_overhead.cpp
std::vector<Figure> property_cases();  // property.cpp
std::vector<Figure> quant_diff();      // bench_diff.cpp
std::vector<Figure> gpu();             // gpu.cpp; throws where there is no device

/// How large the files are that groups make, in MiB: `--mib N`, 1024 without it.
std::size_t size_mib();

}  // namespace refute::bench
