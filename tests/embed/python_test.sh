#!/usr/bin/env bash
# The Python package as people install and use it: a wheel by pip, what it holds, then tests/embed/python with numpy
# alone. Once more as the one abi3 wheel where a Python 3.12 or later is on the PATH, and within a torch model where
# TANDEM_TEST_PYTHON names an interpreter that has torch.
set -euo pipefail
source tools/deps.sh
folder=$(realpath "$BUILD_FOLDER")/python

fail() { printf '%s\n' "$@"; exit 1; }
skip() { echo "SKIPPED: $1"; }

has_headers() {  # INTERPRETER
    "$1" -c 'import sysconfig; open(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null
}

# What goes wrong without a network or without Debian's python3-venv is no failure of ours.
environment() {  # FOLDER INTERPRETER
    local place=$1 interpreter=$2 packages=('scikit-build-core>=0.10' 'nanobind>=2.4' numpy auditwheel)
    if [[ ! -e $place/complete ]]; then
        rm -rf "$place"
        "$interpreter" -m venv "$place" >"$folder/venv.log" 2>&1 || return
        "$place/bin/python" -m pip install -q "${packages[@]}" >>"$folder/venv.log" 2>&1 || return
        touch "$place/complete"
    fi
}

# Builds into the checkout's build-cpython-NNN, as any `pip install ./tools/python` here does. $wheel is the result.
build_wheel() {  # ENVIRONMENT
    rm -rf "$1/wheels"
    PATH=$1/bin:$PATH "$1/bin/python" -m pip wheel -q --no-deps --no-build-isolation -w "$1/wheels" ./tools/python ||
        fail "pip could not build the wheel"
    wheel=$(echo "$1"/wheels/*.whl)
    "$1/bin/python" -m pip install -q --no-deps --force-reinstall "$wheel"
}

check_wheel() {  # ENVIRONMENT
    local size tag file
    size=$(stat -c %s "$wheel")
    "$1/bin/python" -m auditwheel show "$wheel" >"$folder/auditwheel"
    tag=$(grep -oE 'manylinux_[0-9]+_[0-9]+_[a-z0-9_]+' "$folder/auditwheel" | head -n 1) || true
    echo "$(basename "$wheel"): $((size / 1000)) kB, ${tag:-no manylinux tag}"
    [[ -n $tag ]] || fail "$(<"$folder/auditwheel")"
    ((size < 15000000)) || fail "expected less than 15 MB"
    "$1/bin/python" -m zipfile -l "$wheel" | awk '{print $1}' >"$folder/files"
    for file in tandem/py.typed tandem/_tandem.pyi tandem/__init__.py; do
        grep -qxF "$file" "$folder/files" || fail "the wheel lacks $file"
    done
    if grep -vE '^(tandem/|tandem-[0-9.]+\.dist-info/|File$)' "$folder/files"; then
        fail "the wheel should not hold these"
    fi
}

run_tests() {  # INTERPRETER PATTERN
    (cd "$folder" && "$1" -m unittest discover -s "$OLDPWD/tests/embed/python" -p "$2") 2>&1
}

export CMAKE_BUILD_PARALLEL_LEVEL=1  # other tests run beside this one
mkdir -p "$folder"
BUILD_FOLDER=$(realpath "$BUILD_FOLDER")
export BUILD_FOLDER TANDEM_CUDA=off
case $BUILD_FOLDER in
    *-asan | *-tsan) skip "a wheel has no sanitizers"; exit ;;
esac
system=/usr/bin/python3
[[ -x $system ]] || system=python3
has_headers "$system" || { skip "no Python.h of $system (python3-dev)"; exit; }
environment "$folder/venv" "$system" || { skip "no virtual environment: $(tail -n 1 "$folder/venv.log")"; exit; }
build_wheel "$folder/venv"
check_wheel "$folder/venv"
run_tests "$folder/venv/bin/python" '*_test.py'
sdist=$("$folder/venv/bin/python" -c "
import sys
sys.path.insert(0, 'tools/python')
import backend
backend.build_sdist('$folder')" 2>&1) && fail "expected no sdist"
[[ $sdist == *"pip wheel"* ]] || fail "$sdist"

newer=''
for minor in 12 13 14; do
    candidate=python3.$minor
    if has_headers "$candidate"; then newer=$candidate; fi
done
if [[ -z $newer ]]; then
    skip "abi3: no Python 3.12 or later with its headers on the PATH"
elif environment "$folder/venv-abi3" "$newer"; then
    build_wheel "$folder/venv-abi3"
    [[ $wheel == *-cp312-abi3-* ]] || fail "expected one wheel for all from 3.12 on, got $wheel"
    check_wheel "$folder/venv-abi3"
    run_tests "$folder/venv-abi3/bin/python" '[dmq]*_test.py'
else
    skip "abi3: no virtual environment of $newer: $(tail -n 1 "$folder/venv.log")"
fi

if ! "${TANDEM_TEST_PYTHON:-false}" -c 'import torch' 2>/dev/null; then
    skip "torch: TANDEM_TEST_PYTHON names no interpreter that has it"
elif environment "$folder/venv-torch" "$TANDEM_TEST_PYTHON"; then
    build_wheel "$folder/venv-torch"
    "$folder/venv-torch/bin/python" -m pip install -q --no-deps --upgrade --target "$folder/torch" "$wheel"
    PYTHONPATH=$folder/torch run_tests "$TANDEM_TEST_PYTHON" 'with_torch.py'
else
    skip "torch: no virtual environment of $TANDEM_TEST_PYTHON: $(tail -n 1 "$folder/venv.log")"
fi
