#!/usr/bin/env bash
# Installs what the build needs and this machine lacks: as Debian packages where the user is root, else their files
# into .deps/ beside the sources. Says nothing and takes a few milliseconds when nothing is missing.
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
deps=$root/.deps

# Debian package : the file below /usr that shows that it is there
needed=(
    g++:bin/g++ cmake:bin/cmake ninja-build:bin/ninja ccache:bin/ccache
    libfmt-dev:include/fmt/format.h nlohmann-json3-dev:include/nlohmann/json.hpp
    doctest-dev:include/doctest/doctest.h
    libpcre2-dev:include/pcre2.h libutf8proc-dev:include/utf8proc.h
)

on_system() {
    [[ -e /usr/$1 || -e /usr/local/$1 ]] || { [[ $1 == bin/* ]] && type -P "${1#bin/}" >/dev/null; }
}

lacking=()     # not on the system: what .deps/ has to hold
missing=false  # neither there nor in .deps/
for entry in "${needed[@]}"; do
    if ! on_system "${entry#*:}"; then
        lacking+=("${entry%%:*}")
        [[ -e $deps/usr/${entry#*:} ]] || missing=true
    fi
done
$missing || exit 0

work=$root/.deps.new
rm -rf "$work"
mkdir -p "$work/archives" "$work/lists/partial" "$work/cache/archives/partial"
log=$work/install.log

fail() {
    tail -n 5 "$log" >&2 2>/dev/null || true
    echo "tandem: cannot install ${lacking[*]}: $1; install g++ (12 or newer), CMake (3.25 or newer), Ninja, ccache," \
        "fmt, nlohmann-json, doctest, PCRE2 and utf8proc with their headers by hand, then start again." >&2
    exit 1
}

# The apt-get of a user without root: lists of its own where the system has none.
own_lists=(-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o Debug::NoLocking=true)
network=(-o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o APT::Update::Error-Mode=any)

install_packages() {
    local install=(apt-get "${network[@]}" -o DPkg::Lock::Timeout=300 install -y --no-install-recommends)
    export DEBIAN_FRONTEND=noninteractive
    "${install[@]}" "${lacking[@]}" >"$log" 2>&1 && return
    apt-get "${network[@]}" update >"$log" 2>&1 || fail "apt-get update failed"
    "${install[@]}" "${lacking[@]}" >"$log" 2>&1 || fail "apt-get install failed"
}

# Prints the packages that installing $lacking would add, runtime libraries included.
closure() {
    apt-get "$@" install -s --no-install-recommends "${lacking[@]}" 2>>"$log" | awk '/^Inst /{print $2}'
}

# Links the system's own library into $work, also under the name that its link leads to.
link_from_system() {
    local file
    for file in "$1" "$(readlink -f "$1")"; do
        [[ -e $file && ! -e $work$file ]] || continue
        mkdir -p "$work${file%/*}"
        ln -s "$file" "$work$file"
    done
}

# A link of a -dev package may lead to a library that the system has already and that was not fetched again; and the
# linker takes these libraries from below its sysroot (tools/build.sh).
link_system_libraries() {
    local link file
    while IFS= read -r link; do
        file=$(realpath -m "$link")
        [[ $file != "$work"/* ]] || link_from_system "${file#"$work"}"
    done < <(find "$work" -xtype l)
    [[ -e $work/usr/bin/g++ ]] || return 0
    for file in /lib/*-linux-gnu/{libc,libm,libmvec,libgcc_s}.so.* /lib{,64}/{,*-linux-gnu/}ld-linux*.so.*; do
        link_from_system "$file"
    done
}

fetch_packages() {
    local options=() packages
    if ! packages=$(closure); then
        options=("${own_lists[@]}")
        apt-get "${options[@]}" "${network[@]}" update >"$log" 2>&1 || fail "apt-get update failed"
        packages=$(closure "${options[@]}") || fail "its packages are unknown to apt-get"
    fi
    cd "$work/archives"
    # shellcheck disable=SC2086
    apt-get "${options[@]}" "${network[@]}" download $packages >"$log" 2>&1 || fail "apt-get download failed"
    for package in *.deb; do
        dpkg-deb -x "$package" "$work" >"$log" 2>&1 || fail "$package could not be unpacked"
    done
    cd "$root"
    link_system_libraries
    rm -rf "$work/archives" "$work/lists" "$work/cache" "$deps"
    mv "$work" "$deps"
}

type -P apt-get dpkg-deb >/dev/null || fail "this is not a Debian system"
if ((EUID == 0)); then
    echo "tandem: installing ${lacking[*]}" >&2
    install_packages
    rm -rf "$work"
else
    echo "tandem: fetching ${lacking[*]} into .deps/ (no root)" >&2
    fetch_packages
fi
