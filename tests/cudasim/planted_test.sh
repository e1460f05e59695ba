#!/usr/bin/env bash
# Plants every mistake that the simulator is there to find, one per run, and demands the catch in the flavour of this
# build (BUILD_FOLDER); right programs must stay unreported. Then: the coverage of kernels is counted right.
set -uo pipefail
planted=$BUILD_FOLDER/cudasim_planted
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
flavour=$("$planted")
caught=0 failed=0
run=()
if [[ $flavour == thread ]] && setarch "$(uname -m)" -R true 2>/dev/null; then run=(setarch "$(uname -m)" -R); fi
export CUDASIM_EXECUTED=$folder/executed

# NAME WORDS [VARIABLE=VALUE...]: WORDS (extended regular expression) must be printed; "right": and nothing else.
expect() {
    local name=$1 words=$2 output right=0
    shift 2
    output=$(env "$@" timeout 100 "${run[@]}" "$planted" "$name" 2>&1)
    local status=$?
    if [[ $words == right ]]; then
        [[ $status == 0 && -z $(grep -v '^right$' <<<"$output") ]] && right=1
    else
        grep -qE "$words" <<<"$output" && right=1
    fi
    if ((right)); then
        caught=$((caught + 1))
    else
        failed=$((failed + 1))
        printf '%s %s: expected %s, status %s:\n%s\n' "$*" "$name" "$words" "$status" "$(head -n 20 <<<"$output")"
    fi
}

# Found by the simulator itself, whatever the flavour: a report or a wrong result.
reports() {
    expect divergent_barrier "divergent_barrier_kernel block \(0,0,0\): divergent barrier: thread \((64|63),0,0\) at \
__syncthreads faults.cu:[0-9]+ while others wait at __syncthreads faults.cu:[0-9]+" "$@"
    expect early_return "wait at __syncthreads faults.cu:[0-9]+" "$@"
    expect early_return "28 threads, first thread \(100,0,0\), have returned" "$@"
    expect wrong_mask "__shfl_xor_sync.* faults.cu:[0-9]+" "$@"
    expect different_collectives "different collectives: .* faults.cu:[0-9]+" "$@"
    expect unaligned_copy "not aligned to its size at faults.cu:[0-9]+" "$@"
    expect missing_event_wait "scale_and_shift_kernel reads .*cudaMemcpyAsync wrote .*nothing orders them" "$@"
    expect reused_pinned_buffer "nothing orders them" "$@"
    expect missing_peer_access "without peer access" "$@"
    expect pageable_copy "pageable" "$@"
    expect default_stream "default stream" "$@"
    expect ranks_disagree "ranks disagree: ncclAllReduce of" "$@"
}
wrong_results() {
    expect missing_wait "not a number" "$@"
    expect missing_commit "not a number" "$@"
    expect missing_barrier "not a number|wrong result" "$@"
    expect missing_barrier_before_overwrite "not a number|wrong result" "$@"
    expect swapped_fragments "wrong result" "$@"
    expect forgotten_trans "wrong result" "$@"
}
right() {
    expect clean right "$@"
    expect clean_streams right "$@"
}

case $flavour in
    plain)
        for setting in '' CUDASIM_REVERSE=1 CUDASIM_JITTER=7; do
            right ${setting:+$setting}
            reports ${setting:+$setting}
            wrong_results ${setting:+$setting}
            expect overrun "write past the end of an allocation" ${setting:+$setting}
            expect shared_overrun "shared_overrun_kernel: write past the end of dynamic shared" ${setting:+$setting}
        done
        # A neighbour is read too early in one order of threads only.
        expect missing_barrier_right "not a number"
        expect missing_barrier_left right
        expect missing_barrier_left "not a number" CUDASIM_REVERSE=1
        # The checker needs no luck.
        for seed in {1..40}; do expect missing_event_wait "nothing orders them" CUDASIM_JITTER=$seed; done
        # Without peer access anywhere, copies still work.
        expect missing_peer_access "without peer access" CUDASIM_PEER=0
        expect clean right CUDASIM_DEVICES=1
        expect no_device '^(cudaErrorNoDevice ){8}cudaErrorInvalidDevice 0 devices$' CUDASIM_DEVICES=0
        # Not found in this flavour, but their kernels are to be executed.
        expect race_between_blocks cudaSuccess
        expect static_shared_overrun cudaSuccess
        expect host_reads_too_early '^$'
        expect use_after_free '^(cudaSuccess|)'
        ;;
    address)
        right
        reports
        wrong_results
        expect overrun "heap-buffer-overflow"
        expect overrun "in overrun_kernel .*faults.cu:[0-9]+"
        expect shared_overrun "heap-buffer-overflow"
        expect shared_overrun "in shared_overrun_kernel .*faults.cu:[0-9]+"
        expect static_shared_overrun "faults.cu:[0-9]+.*index 128 out of bounds for type 'float \[128\]'"
        expect use_after_free "heap-use-after-free"
        expect use_after_free "in scale_and_shift_kernel .*elementwise.cu:[0-9]+"
        ;;
    thread)
        for setting in CUDASIM_TSAN_BLOCKS=0 CUDASIM_TSAN_BLOCKS=1; do
            right $setting
            expect missing_barrier "data race" $setting
            expect missing_barrier "score<.*flash.cu:[0-9]+" $setting
            expect missing_barrier_before_overwrite "data race" $setting
            expect missing_barrier_before_overwrite "load_tile<.*flash.cu:[0-9]+|flash_kernel.*flash.cu:[0-9]+" $setting
            expect missing_event_wait "data race" $setting
            expect host_reads_too_early "data race" $setting
            expect host_reads_too_early "host_reads_too_early.*planted.cpp:[0-9]+" $setting
        done
        reports
        expect missing_barrier_right "data race"
        expect missing_barrier_right "read_neighbour_kernel.*faults.cu:[0-9]+"
        expect missing_barrier_left "data race"  # whatever the order
        expect race_between_blocks "data race" CUDASIM_TSAN_BLOCKS=1
        expect race_between_blocks "race_between_blocks_kernel .*faults.cu:[0-9]+" CUDASIM_TSAN_BLOCKS=1
        ;;
esac
echo "$flavour: $caught as expected, $failed not"

check() {  # NAME STATUS WORDS: what coverage.sh says
    local output status=0
    output=$(tests/cudasim/coverage.sh "$planted" "$3" 2>&1) || status=$?
    if [[ $status == "$1" ]] && grep -qE "$2" <<<"$output"; then return; fi
    printf 'coverage: expected %s and "%s", got %s:\n%s\n' "$1" "$2" "$status" "$output"
    failed=$((failed + 1))
}
if [[ $flavour == plain ]]; then
    check 0 '^([0-9]+) CUDA kernels, \1 executed$' "$CUDASIM_EXECUTED"
    CUDASIM_EXECUTED=$folder/one "$planted" clean_streams >/dev/null
    check 1 ' CUDA kernels, 1 executed$' "$folder/one"
    check 1 'not executed: elementwise.cu .*map_kernel<' "$folder/one"
fi
((failed == 0))
