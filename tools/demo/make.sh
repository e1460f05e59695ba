#!/usr/bin/env bash
# usage: tools/demo/make.sh [PYTHON]
# Makes what the demo ships anew: text and tokenizer, the base model, the instruction set; then runs the demo and
# counts the right answers about animals that its training data leave out. PYTHON has the package `tokenizers`.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
root=$(dirname "$(dirname "$here")")
python=${1:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" "$here/prepare.py" "$work"
"$root/train" --model "$work/base" --weights random --train-type full --dataset "$work/text.jsonl" --packing \
    --context-length 256 --batch-size 4 --max-steps 2400 --num-epochs 100 --lr 3e-3 --lr-scheduler cosine --wd 0.05 \
    --apply-gradient-clipping --grad-norm 1 --output-dir "$work/run" --save-model
rm -rf "$here/model"
cp -r "$work/run/model" "$here/model"
cp "$work"/{data,held_back}.jsonl "$here"

cd "$work"
"$root/train"
right=0 all=0
while IFS=$'\t' read -r question answer; do
    all=$((all + 1))
    said=$("$root/tandem" generate --train-type qlora --adapter output/demo/adapter --chat "$question")
    if [[ $said == "$answer" ]]; then right=$((right + 1)); else echo "$question: $said"; fi
done < <("$python" -c '
import json, sys
for line in open(sys.argv[1]):
    print(*(m["content"] for m in json.loads(line)["messages"]), sep="\t")' held_back.jsonl)
echo "$right of $all held-back questions answered right"
