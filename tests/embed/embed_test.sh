#!/usr/bin/env bash
# usage: embed_test.sh [COMPILER]
# The package from outside: installed, moved, with the checkout out of sight. Nothing installed names a path of the
# machine that built it, nothing that a shared library holds of it is exported, and every program below tests/embed is
# built from it alone, without a warning, and run in a folder where `demo` is tools/demo.
set -euo pipefail
checkout=$PWD
source tools/deps.sh
export CXX=${1:-${CXX:-g++}}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

fail() { printf '%s\n' "$@"; exit 1; }

cmake --install "$BUILD_FOLDER" --prefix "$place/first" >"$place/install.log" || fail "$(<"$place/install.log")"
mkdir "$place/moved"
mv "$place/first" "$place/moved/prefix"
prefix=$place/moved/prefix
cp -r tests/embed "$place/programs"
mkdir "$place/programs/readme"
sed -n '/^```cpp$/,/^```$/{//!p}' README.md >"$place/programs/readme/main.cpp"
cp -r tools/demo "$place/demo"

sanitizers=
case $BUILD_FOLDER in
    *-asan) sanitizers=-fsanitize=address,undefined ;;
    *-tsan) sanitizers=-fsanitize=thread ;;
esac

check_installed() {
    local named foreign exported
    named=$(grep -rlF -e "$checkout" -e "$(realpath "$BUILD_FOLDER")" -e "$place" -e /.deps -e "${HOME:-/root}/" \
        "$prefix") || true
    [[ -z $named ]] || fail "these name a path of this machine:" "$named"
    foreign=$(grep -rnE '# *include *("|<(fmt|nlohmann|pcre2|utf8proc|doctest|cu[bd]|cublas|nccl))' \
        "$prefix/include") || true
    [[ -z $foreign ]] || fail "these need more than the prefix:" "$foreign"
    # shellcheck disable=SC2086
    $CXX ${CXXFLAGS:-} -shared -o "$place/all.so" -Wl,--whole-archive "$prefix"/lib*/*.a -Wl,--no-whole-archive
    exported=$(nm -DC --defined-only "$place/all.so" | grep 'tandem::') || true
    [[ -z $exported ]] || fail "a shared library that holds the rooms exports:" "$(head -n 20 <<<"$exported")"
}

build_and_run() {
    local options=() program
    cd "$place"
    if [[ -w ${HOME:-/} ]] && type -P ccache >/dev/null; then
        options=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
        export CCACHE_BASEDIR=$place CCACHE_NOHASHDIR=1
    fi
    cmake -G Ninja -S "$place/programs" -B "$place/build" -DCMAKE_BUILD_TYPE=Release "${options[@]}" \
        -DCMAKE_PREFIX_PATH="$prefix${1:+;$1}" -DCMAKE_CXX_FLAGS="${CXXFLAGS:-} -Wall -Wextra -Werror $sanitizers"
    ninja -j 1 -C "$place/build"  # other tests run beside this one
    for program in programs/*/main.cpp; do
        program=$(basename "$(dirname "$program")")
        echo "== $program"
        "build/$program"
    done
}

[[ -n $sanitizers ]] || check_installed  # debug information names paths

# In a namespace where the checkout is empty, unless compilers are run from it or this machine allows none.
if [[ ! -d .deps ]] && unshare -rm mount -t tmpfs none "$checkout" 2>/dev/null; then
    export -f build_and_run
    export place prefix sanitizers
    unshare -rm bash -euc 'mount -t tmpfs none "$1"; [[ ! -e $1/tests ]]; build_and_run' _ "$checkout"
else
    build_and_run "$checkout/.deps/usr"
fi
