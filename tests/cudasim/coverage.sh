#!/usr/bin/env bash
# usage: tests/cudasim/coverage.sh BINARY EXECUTED...
# Which CUDA kernels of a program were executed: those that are in BINARY (functions of anonymous namespaces whose name
# ends in _kernel, each template instance) against files that CUDASIM_EXECUTED made. Prints every one that is missing;
# the exit status says whether any is.
set -euo pipefail
if (($# < 2)); then sed -n '2s/^# //p' "$0" >&2; exit 2; fi
binary=$1
shift

# `SOURCE MANGLED` per kernel, as the simulator writes them: a file's local symbols follow its own.
kernels=$(readelf -sW "$binary" | awk '
    $4 == "FILE" { source = $8 }
    $4 == "FUNC" && $8 ~ /^_ZN.*12_GLOBAL__N_1L?[0-9]+[A-Za-z0-9_]*_kernel[IE]/ && $8 !~ /\./ { print source, $8 }' |
    LC_ALL=C sort -u)
executed=$(cut -d " " -f 1,2 "$@" | LC_ALL=C sort -u)
if [[ -z $kernels ]]; then
    echo "$binary has no CUDA kernels, or no symbols"
    exit 1
fi
missing=$(LC_ALL=C comm -23 <(echo "$kernels") <(echo "$executed"))
all=$(wc -l <<<"$kernels")
lacking=$([[ -z $missing ]] && echo 0 || wc -l <<<"$missing")
echo "$all CUDA kernels, $((all - lacking)) executed"
[[ -z $missing ]] || sed 's/^/not executed: /' <<<"$missing" | c++filt
((lacking == 0))
