#!/usr/bin/env bash
# A full fine-tuning run that changes nothing (learning rate 0) saves the model that it read, byte for byte, even if
# a unit's parameters do not divide evenly between the ranks, as the demo model's embedding does not.
set -euo pipefail
root=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
tandem=$root/${BUILD_FOLDER:-build}/tandem
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

for ranks in cpu cpu,cpu cpu,cpu,cpu; do
    "$tandem" train --model demo --train-type full --lr 0 --max-steps 1 --context-length 64 --gpus $ranks --save-model \
        --output-dir "$ranks" >log 2>&1 || { cat log; exit 1; }
    diff -r "$root/tools/demo/model" "$ranks/model"
    grep -qxF "[Saved] model $ranks/model" log
done
