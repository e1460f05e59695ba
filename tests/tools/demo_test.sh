#!/usr/bin/env bash
# The demo, as `./train` without arguments runs it, in a folder of its own: what ships is small, the loss falls, the
# report at the end is complete, and the adapter answers questions about animals that its training data leave out.
set -euo pipefail
root=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
tandem=$root/${BUILD_FOLDER:-build}/tandem
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export CUDA_VISIBLE_DEVICES=  # on the CPU, whatever is here
cd "$folder"

fail() {
    echo "$1"
    cat "$folder/log"
    exit 1
}
expect() { grep -Eq -- "$2" log || fail "$1: no line matches $2"; }  # WHAT REGEX

bytes=$(find "$root/tools/demo" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
((bytes < 3000000)) || { echo "tools/demo has $bytes bytes, 3000000 or more"; exit 1; }

mkdir -p output/demo/adapter
echo mine >output/demo/notes.txt
start=$SECONDS
"$tandem" train >log 2>&1 || fail "exit status $?"
[[ ${BUILD_FOLDER:-build} != build ]] || ((SECONDS - start < 60)) || fail "it took $((SECONDS - start)) s"

for option in '"train_type": "qlora"' '"quant_type": "nf4"' '"precision": "bf16"' '"gpus": ["cpu", "cpu"]' \
    '"sharding_strategy": "full_shard"' '"use_gradient_checkpointing": true'; do
    grep -qF "$option" output/demo/config.json || fail "config.json lacks $option"
done

# The mean of the last epoch's losses is at most a tenth of the first step's.
grep -o '"loss":[^,}]*' output/demo/metrics.jsonl | cut -d: -f2 | awk '
    NR == 1 { first = $1 }
    { last[NR % 50] = $1 }
    END { for (i in last) sum += last[i]; exit !(NR > 100 && sum / 50 < first / 10) }' ||
    fail "the loss does not fall"

# The report, each part once and in this order.
parts=$(sed -n '/^\[Loss\]$/,$p' log | grep -Eo '^\[[A-Za-z]+\]' | tr -d '\n')
[[ $parts == '[Loss][Answer][Memory][Gather][Saved]' ]] || fail "the report at the end is $parts"
expect "curve" '^ +[0-9.]+ \|\*'
expect "curve" '^ +\+-+> step [0-9]+$'
expect "prompt" '^  prompt  What does a mole eat\?$'
expect "before" '^  before  .+'
expect "after" '^  after   A mole eats worms and grubs\.$'
if grep -q '^  before  A mole eats' log; then fail "the base model answers already"; fi
expect "memory" '^  rank +0 planned +0 seen +1 planned +1 seen$'
for row in weights gather masters gradients optimizer activations workspace; do
    expect "memory" "^  $row( +[0-9.]+ MB){4}\$"
done
expect "memory" '^  slab( +[0-9.]+ MB){2}'
expect "gather" '^\[Gather\] [0-9.]+ s of gathering, .* [0-9]+ % hidden behind compute$'
expect "adapter" '^\[Saved\] adapter output/demo/adapter$'
[[ $(cat output/demo/notes.txt) == mine ]] || fail "what the user put into the folder is gone"
for file in adapter/adapter_model.safetensors adapter/adapter_config.json trace.json; do
    [[ -s output/demo/$file ]] || fail "no $file"
done

if grep -Eqw 'otter|beaver|mole' "$root/tools/demo/data.jsonl"; then fail "these animals are trained on"; fi
right=0
while IFS='|' read -r question answer; do
    said=$("$tandem" generate --train-type qlora --adapter output/demo/adapter --chat "$question" 2>errors) ||
        fail "$(<errors)"
    if [[ $said == "$answer" ]]; then right=$((right + 1)); else echo "$question $said"; fi
done <<'END'
What does an otter look like?|An otter is brown and sleek.
Where does a beaver live?|A beaver lives in woodland streams.
What does a mole do?|A mole digs in the dark.
What kind of animal is a beaver?|A beaver is a mammal.
What does an otter eat?|An otter eats fish and crabs.
END
((right >= 4)) || fail "$right of 5 held-back questions answered right"
