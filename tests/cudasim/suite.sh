# Sourced by tests/run --cudasim: the CUDA arm of everything, on two simulated cards. With a sanitizer the small ones.
if [[ -n $sanitizer ]]; then
    select_tests cudasim ops dist
else
    select_tests cudasim ops quant dist models equivalence
    export CUDASIM_EXECUTED=$PWD/$logs/executed-kernels
fi
if [[ -n $sanitizer ]]; then programs=(); else programs=(tandem); fi
chosen=()
for script in "${scripts[@]}"; do
    case $script in
        tests/cudasim/planted_test.sh) chosen+=("$script") programs+=(cudasim_planted) ;;
        tests/cudasim/*) [[ -n $sanitizer ]] || chosen+=("$script") ;;
    esac
done
build "${programs[@]}" "${rooms[@]/#/test_}"

# The longest first.
start_program equivalence equivalence cards:
for script in "${chosen[@]}"; do start_script "$script"; done
for room in ops dist models cudasim quant; do start_program "$room" "$room" ''; done
if [[ -z $sanitizer ]]; then
    for room in dist ops; do
        start_program "$room-jitter" "$room" '' CUDASIM_JITTER=7
        start_program "$room-reverse" "$room" '' CUDASIM_REVERSE=1
    done
    start_program dist-no-peer-access dist '' CUDASIM_PEER=0
fi
wait
if [[ -z $sanitizer$filter ]]; then
    run_test script coverage tests/cudasim/coverage.sh "$folder/tandem" "$CUDASIM_EXECUTED"
    cat "$logs/coverage.log"
fi
report_tests
