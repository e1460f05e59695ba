# Sourced by tests/run --gpu: the tests on the cards that are here, compute-sanitizer, then timings into
# tests/gpu/results.json and tests/gpu/RESULTS.md. Nothing is fetched: what the build needs is there or in .deps/.
seconds_limit=3600

if ! cards=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null) || [[ -z $cards ]]; then
    echo "tests/run --gpu: nvidia-smi shows no card here; tests/run --cudasim needs none" >&2
    exit 1
fi
options+=(-DTANDEM_CUDA=on)
select_tests ops quant dist models equivalence
case $filter in
    memcheck | racecheck) rooms=(ops) ;;
    timings) rooms=() ;;
esac
wanted() { [[ -z $filter || $filter == "$1" ]]; }
build tandem bench_gpu "${rooms[@]/#/test_}"

# One at a time: they would share the card's memory, and the timings want it alone.
nproc() { echo 1; }
if ! [[ $filter =~ ^(memcheck|racecheck)$ ]]; then
    for room in ops quant dist models; do start_program "$room" "$room" ''; done
    start_program equivalence equivalence cards:
fi
sanitizer_tool=$(type -P compute-sanitizer "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer" | head -n 1) || true
for tool in memcheck racecheck; do
    wanted "$tool" || continue
    if [[ -n $sanitizer_tool ]]; then
        start_test cases "ops-$tool" "$sanitizer_tool" --tool "$tool" --error-exitcode 67 \
            "$folder/test_ops" --no-colors
    else
        start_test script "ops-$tool" echo "SKIPPED: no compute-sanitizer here for $tool"
    fi
done
if wanted timings; then
    start_test script timings tests/gpu/timings.sh "$folder"
    wait
    cat "$logs/timings.log"
fi
report_tests
