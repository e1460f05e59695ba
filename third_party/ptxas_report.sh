#!/usr/bin/env bash
# usage: ptxas_report.sh COMMAND… -o OBJECT …
# Runs a compiler, files what ptxas reports of its kernels (-Xptxas=-v) as OBJECT.ptxas and passes on the rest.
set -uo pipefail
object=
arguments=("$@")
for i in "${!arguments[@]}"; do
    if [[ ${arguments[i]} == -o ]]; then object=${arguments[i + 1]}; fi
done
said=$(mktemp)
trap 'rm -f "$said"' EXIT
"$@" 2>"$said"
status=$?
report='^ptxas info|^    Function properties for |^    [0-9]+ bytes stack frame'
[[ $object != *.o ]] || grep -E "$report" "$said" >"$object.ptxas"
grep -vE "$report" "$said" >&2
exit $status
