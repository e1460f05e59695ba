#!/usr/bin/env bash
# A run on two simulated cards: neither random delays of streams nor the reversed order of threads and blocks changes a
# bit of what it leaves, on every transport and place of the weights.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

train() {  # NAME TRANSPORT WEIGHTS_ON [VARIABLE=VALUE]
    local name=$1 transport=$2 weights=$3
    shift 3
    env "$@" "$BUILD_FOLDER/tandem" train --model tests/golden/models/llama2-mha --dataset-samples 14 \
        --dataset tests/golden/data/llama2-ragged.jsonl --gpus 0,1 --transport "$transport" --weights-on "$weights" \
        --train-type qlora --precision bf16 --lora-rank 8 --lora-dropout 0.1 --lr 0.002 --batch-size 2 \
        --gradient-accumulation-steps 2 --apply-gradient-clipping true --output-dir "$folder/$name" \
        >"$folder/log" 2>&1 || { echo "$* exit status $?"; cat "$folder/log"; exit 1; }
    sed -E 's/,"(seconds|tokens_per_second)":[^,}]*//g' "$folder/$name/metrics.jsonl" >"$folder/$name.metrics"
    [[ $(wc -l <"$folder/$name.metrics") -ge 2 ]] || { echo "$name: too few steps"; exit 1; }
}

for place in "peer device" "peer mirror" "nccl device" "nccl mirror"; do
    # shellcheck disable=SC2086
    train plain $place
    for setting in CUDASIM_JITTER=7 CUDASIM_REVERSE=1; do
        # shellcheck disable=SC2086
        train "$setting" $place "$setting"
        cmp "$folder/plain.metrics" "$folder/$setting.metrics"
        cmp "$folder/plain/adapter/adapter_model.safetensors" "$folder/$setting/adapter/adapter_model.safetensors"
        rm -rf "${folder:?}/$setting"
    done
    rm -rf "$folder/plain"
done
