#!/usr/bin/env bash
# usage: tests/gpu/timings.sh BUILD_FOLDER [--small]
# Steps of `tandem train` with random weights on card 0, then bench_gpu: writes tests/gpu/results.json and RESULTS.md.
# --small: a tiny model and small kernels, into BUILD_FOLDER, to try this script where there is no card (simulator).
set -euo pipefail
cd "$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")"
build=$1 small=${2:-} output=tests/gpu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
model=llama3-8b virtual=llama7b tokens=2048 steps=8
if [[ -n $small ]]; then output=$build model=tests/golden/models/llama3-gqa virtual=$model tokens=32 steps=3; fi

facts() {
    local fields=name,driver_version,memory.total,clocks.max.sm,clocks.max.mem,clocks.sm,power.limit
    { nvidia-smi --query-gpu=$fields --format=csv,noheader,nounits 2>/dev/null || true; } | awk -F ', ' 'NR == 1 {
        printf "{\"card\": \"%s\", \"driver\": \"%s\", \"memory, MiB\": \"%s\", \"highest SM clock, MHz\": \"%s\", ",
            $1, $2, $3, $4
        printf "\"highest memory clock, MHz\": \"%s\", \"SM clock before, MHz\": \"%s\", ", $5, $6
        printf "\"power limit, W\": \"%s\", ", $7
    } END { if (NR == 0) printf "{\"card\": \"none: figures mean nothing\", " }'
    printf '"date": "%s", "commit": "%s"}\n' "$(date +%F)" "$(git describe --always --dirty 2>/dev/null || echo '?')"
}

# Samples of exactly so many tokens each, all of them supervised.
awk -v tokens="$tokens" 'BEGIN {
    for (sample = 0; sample < 32; sample++) {
        printf "{\"input_ids\": ["
        for (i = 0; i < tokens; i++) printf "%s%d", i ? "," : "", (sample * 31 + i * 7) % 200 + 3
        print "]}"
    }
}' >"$work/data.jsonl"

runs=()
measure() {  # NAME MODEL OPTION…
    local name=$1 model=$2
    shift 2
    if "$build/tandem" train --model "$model" --weights random --dataset "$work/data.jsonl" --train-type qlora \
        --precision bf16 --context-length "$tokens" --batch-size 1 --gradient-accumulation-steps 1 \
        --max-steps "$steps" --lora-rank 16 "$@" --output-dir "$work/$name" >"$work/log" 2>&1; then
        runs+=("$name=$work/$name/metrics.jsonl")
    elif (($? == 3)); then
        echo "$name does not fit on this card: not measured"
    else
        echo "tandem train for $name failed:"
        cat "$work/log"
        exit 1
    fi
}
facts >"$work/facts.json"
measure llama3-8b "$model" --gpus 0 --use-gradient-checkpointing false
measure llama3-8b-recomputed "$model" --gpus 0
# Two ranks on one card: all weights there, or each rank half of them.
measure resident "$virtual" --gpus 0,0 --transport peer --sharding-strategy ddp
measure streamed "$virtual" --gpus 0,0 --transport peer
measure streamed-mirror "$virtual" --gpus 0,0 --transport peer --weights-on mirror
# shellcheck disable=SC2086
"$build/bench_gpu" "$output" "$work/facts.json" $small "${runs[@]}"
