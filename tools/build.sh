#!/usr/bin/env bash
# usage: tools/build.sh FOLDER TARGET… [-DOPTION=VALUE…]
# Installs what is missing, then builds the targets into FOLDER, configured with the options. Decides whether the build
# is for cards (tools/cards.sh), unless -DTANDEM_CUDA does. Everything it says goes to stderr; the whole output of CMake
# and the compiler to FOLDER/build.log.
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
cd "$root"
folder=$1
shift
targets=() options=()
for argument; do
    if [[ $argument == -D* ]]; then options+=("$argument"); else targets+=("$argument"); fi
done
source tools/cards.sh
log=$folder/build.log
stamp=$folder/.built-${targets[0]}

# One build at a time, whoever starts it: two starts on a fresh checkout would install and write the same files.
exec 9<tools/build.sh
if ! flock -n 9; then
    echo "tandem: waiting for another build of this checkout" >&2
    flock 9
fi
third_party/install.sh

source tools/deps.sh
# The compiler's cache serves every checkout of this user.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
[[ -w ${HOME:-/} ]] || export CCACHE_DIR=$root/$folder/.ccache

cuda=
for option in "${options[@]}"; do
    [[ $option != -DTANDEM_CUDA=* ]] || cuda=${option#*=}
done
given=$cuda
if [[ -z $cuda ]]; then
    cuda=$(cuda_choice)
    options+=("-DTANDEM_CUDA=$cuda")
fi

# CUDA code is compiled for the cards that are here; where there are none, for every card that tandem supports.
# TANDEM_CUDA_ARCHITECTURES (such as 89, or 86;89) says otherwise.
architectures=${TANDEM_CUDA_ARCHITECTURES:-}
PATH+=:/usr/lib/wsl/lib
if [[ $cuda == on && -z $architectures ]] && type -P nvidia-smi >/dev/null; then
    architectures=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null |
        sed -nE 's/^([0-9]+)\.([0-9])$/\1\2/p' | awk '$1 >= 80' | sort -un | paste -sd ';') || true
fi
[[ $cuda != on || -z $architectures ]] || options=("-DTANDEM_CUDA_ARCHITECTURES=$architectures" "${options[@]}")

# A build folder that another checkout, generator, set of packages or options made is configured anew.
configured() {
    [[ -e $folder/build.ninja && ! .deps -nt $folder/CMakeCache.txt ]] &&
        [[ ! -e $folder/.options || $(<"$folder/.options") == "${options[*]}" ]] &&
        grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$folder/CMakeCache.txt"
}

fail() {
    { sed -n "$1" "$log" | grep . || tail -n 20 "$log"; } | head -n 60 >&2
    echo "tandem: $2; all of its output is in $root/$log" >&2
    exit 1
}

# Shows one line that moves on a terminal, else one at the start.
progress() {
    local line announced=false
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        if [[ $line =~ ^\[[0-9]+/([0-9]+)\] ]] && ((BASH_REMATCH[1] > 5)); then
            if [[ -t 2 ]]; then
                printf '\r\033[Ktandem: building %s' "${BASH_REMATCH[0]}" >&2
            elif ! $announced; then
                echo "tandem: building into $folder/, ${BASH_REMATCH[1]} steps" >&2
            fi
            announced=true
        fi
    done
    if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
}

# Why this build is for cards or not, where that is news: the first time, and when it changes.
say_about_cards() {
    local before=none
    [[ ! -e $folder/.cuda ]] || before=$(<"$folder/.cuda")
    [[ -z $given && ${TANDEM_CUDA:-auto} == auto && $before != "$cuda" ]] || return 0
    if [[ $cuda == on && $before == off ]]; then
        echo "tandem: a driver for cards has appeared; building again, with the code for cards" >&2
    elif [[ $cuda == off ]] && has_nvcc; then
        echo "tandem: nvcc is here, but no driver (libcuda.so.1) that a card would need: building for the processor" \
            "alone; TANDEM_CUDA=on builds for cards all the same" >&2
    fi
}

mkdir -p "$folder"
say_about_cards
: >"$log"
printf '%s\n' "$root" >"$stamp.new"  # its time is from before the build: what changes meanwhile counts as newer
if ! configured; then
    echo "tandem: configuring $folder/" >&2
    cmake --fresh -G Ninja -S . -B "$folder" "${options[@]}" >"$log" 2>&1 || fail '/CMake Error/,$p' "CMake failed"
    printf '%s\n' "${options[*]}" >"$folder/.options"
fi
ninja -C "$folder" -j "$(nproc)" "${targets[@]}" 2>&1 | progress || fail '/^FAILED/,$p' "the build failed"
echo "$cuda" >"$folder/.cuda"
mv "$stamp.new" "$stamp"
