#!/usr/bin/env bash
# Fuzzes the readers of model files with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer:
#
#   harness/tensor/fuzz/fuzz.sh [SECONDS]     60 seconds each for safetensors and GGUF without it
#
# Needs clang with compiler-rt. Corpora stay in build/fuzz. An input that breaks something ends the run and lies in
# build/fuzz/broken: keep it in harness/tensor/fuzz/findings, whose files a unit test reads ever after.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
seconds=${1:-60}
build=${BUILD:-build}/fuzz
mkdir -p "$build/broken"

sources=(
  harness/tensor/fuzz/{fuzz_target,libfuzzer_entry}.cpp
  harness/tensor/{dequantize,file_layout,float_view,fp8_container,gguf,gguf_metadata,gguf_types,mapped_file,metadata}.cpp
  harness/tensor/{model_file,model_index,nf4_container,page_guard,safetensors,safetensors_header,tensor_type,text}.cpp
  harness/json/json.cpp harness/model/value.cpp
  kernels/cpu/{fp8_scalar,fp8_simd,simd_target}.cpp
  kernels/cpu/ggml_{blocks,entry,k_dequantize,k_fit,k_quantize,plain_dequantize,plain_quantize,scalar,simd}.cpp
)
compile() {
  local object=$1/$(tr / _ <<<"$2").o
  # Headers are not looked at: after a change of one of them remove the folder.
  [[ $object -nt $2 ]] && return
  clang++ -std=c++20 -I. -O1 -g -ffp-contract=off -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
    '-DHWY_DISABLED_TARGETS=(HWY_SVE|HWY_SVE2|HWY_SVE_256|HWY_SVE2_128)' -c "$2" -o "$object"
}
export -f compile
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -I{} bash -c 'compile "$@"' _ "$build" {}
clang++ -fsanitize=fuzzer,address,undefined "$build"/*.o -lfmt -lhwy -o "$build/fuzz_model"

python3 harness/tensor/fuzz/seeds.py "$build/seeds"
for format in safetensors gguf; do
  mkdir -p "$build/$format"
  "$build/fuzz_model" -max_total_time="$seconds" -max_len=8192 -timeout=10 -artifact_prefix="$build/broken/" \
    -print_final_stats=1 "$build/$format" "$build/seeds/$format" harness/tensor/fuzz/findings
done
