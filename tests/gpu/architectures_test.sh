#!/usr/bin/env bash
# Every .cu compiles for every architecture without a warning, and the kernels that hold tiles in registers (attention,
# products with 4-bit weights, dequantization) keep them there: no spills, no arrays in local memory.
set -euo pipefail
if ! type -P nvcc /usr/local/cuda/bin/nvcc "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" >/dev/null; then
    echo "SKIPPED: no nvcc here to compile for cards"
    exit 0
fi
folder=build-nvcc
tools/build.sh $folder cuda_objects -DTANDEM_CUDA=on "-DTANDEM_CUDA_ARCHITECTURES=80;86;89;90;120" -DTANDEM_TESTS=OFF
mapfile -t files < <(find $folder -name '*.cu.o.ptxas')
kernels=$(awk -f tests/gpu/ptxas.awk "${files[@]}" | c++filt)
echo "$(wc -l <<<"$kernels") kernels, each architecture's counted, of ${#files[@]} files"
spilled=$(grep -E '^(ops/attention|ops/gemm)/.* [1-9][0-9]* [0-9]+$' <<<"$kernels") || true
[[ -n $kernels && -z $spilled ]] || { printf 'spills:\n%s\n' "$spilled"; exit 1; }
local=$(printf '%s\n' "${files[@]}" | grep -E '/ops/(attention|gemm)/' |
    xargs grep -HE '^ +[1-9][0-9]* bytes stack frame') || true
[[ -z $local ]] || { printf 'arrays in local memory:\n%s\n' "$local"; exit 1; }
