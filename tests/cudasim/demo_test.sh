#!/usr/bin/env bash
# The demo's model and data on two simulated cards: the loss falls, the report at the end is complete, and one card
# answers with the adapter.
set -euo pipefail
tandem=$PWD/$BUILD_FOLDER/tandem
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$tandem" train --model demo --dataset demo --train-type qlora --gpus 0,1 --context-length 128 --batch-size 4 \
    --lora-rank 16 --lora-alpha 32 --lora-dropout 0.05 --lr 2e-3 --max-steps 30 \
    --trace --sample-prompt "What does a mole eat?" --output-dir run >log 2>&1 || { cat log; exit 1; }
grep -o '"loss":[^,}]*' run/metrics.jsonl | cut -d: -f2 | awk '
    NR == 1 { first = $1 }
    NR > 25 { sum += $1 }
    END { print "loss", first, "to", sum / 5; exit !(NR == 30 && sum / 5 < 0.6 * first) }' || { cat log; exit 1; }
parts=$(sed -n '/^\[Loss\]$/,$p' log | grep -Eo '^\[[A-Za-z]+\]' | tr -d '\n')
[[ $parts == '[Loss][Answer][Memory][Gather][Saved]' ]] || { echo "the report at the end is $parts"; cat log; exit 1; }
python3 - <<'END'
import json
spans = json.load(open("run/trace.json"))["traceEvents"]
for rank in (0, 1):
    lanes = {s["tid"] for s in spans if s["pid"] == rank}
    assert lanes == {"compute", "gather", "reduce", "ahead"}, (rank, lanes)
END
answer=$("$tandem" generate --train-type qlora --adapter run/adapter --gpus 0 --chat "What does a beaver eat?")
echo "$answer"
[[ -n $answer ]]
