#!/usr/bin/env bash
# tandem as a part of another project's build, which keeps its own flags, has no tests and installs nothing of it.
set -euo pipefail
if [[ $BUILD_FOLDER == *-?san ]]; then
    echo "SKIPPED: the same code as embed_test.sh has with this sanitizer, in another build"
    exit 0
fi
source tools/deps.sh
folder=$BUILD_FOLDER/subdirectory options=()
if [[ -w ${HOME:-/} ]] && type -P ccache >/dev/null; then
    options=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
    export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
fi
cmake -G Ninja -S tests/embed -B "$folder" -DTANDEM_SOURCE="$PWD" -DTANDEM_CUDA=off -DCMAKE_BUILD_TYPE=Release \
    "${options[@]}"
ninja -j 1 -C "$folder" new_op  # other tests run beside this one
"$folder/new_op"
ninja -C "$folder" -t targets all >"$folder/targets"
if grep -E '^test_|^tandem/install' "$folder/targets"; then exit 1; fi
