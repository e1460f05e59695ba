# Sourced by tests/run: how a test is run, counted and reported. The caller sets `folder` (the build's), `logs` and
# `seconds_limit`, and `tests_began`, in SECONDS, when all is built.

seconds_file() { echo "$folder/.test-seconds${filter:+-${filter//\//-}}"; }

# About how long it will take. The tests: as long as the same ones took the last time in this folder. What was never
# seen here is an estimate, from the CPU seconds of a build of everything and of all tests, and what the latter cost
# under a sanitizer or on simulated cards.
say_how_long() {
    local build=900 tests=900 why='an estimate' cores
    cores=$(nproc)
    case $place$sanitizer in
        cpu | gpu) ;;
        *) tests=$((2 * tests)) ;;
    esac
    build=$((build / cores)) tests=$((tests / cores))
    if [[ -e $(seconds_file) ]]; then
        tests=$(<"$(seconds_file)") why='as the last time'
    elif [[ -n $filter ]]; then
        why='at most, an estimate'
    fi
    if [[ -e $folder/build.ninja ]]; then
        echo "tests/run: about $(((tests + 59) / 60)) min, $why, once what changed is built"
    else
        tests=$((build + tests))
        echo "tests/run: about $(((tests + 59) / 60)) min, $why; $(((build + 59) / 60)) of it for the first build"
    fi
}

# TSan of g++ 12 cannot live with the address randomisation of newer kernels.
plain_addresses() {
    if [[ $folder == *-tsan ]] && setarch "$(uname -m)" -R true 2>/dev/null; then echo setarch "$(uname -m)" -R; fi
}

# Sets `passed` and `failed` from a doctest program's last summary.
count_cases() {  # LOG STATUS
    local summary='^\[doctest\] test cases: +[0-9]+ \| +([0-9]+) passed \| +([0-9]+) failed' line
    line=$(grep -aE "$summary" "$1" | tail -n 1) || line="no summary"
    if [[ $line =~ $summary ]]; then passed=${BASH_REMATCH[1]} failed=${BASH_REMATCH[2]}; else failed=1; fi
    # It crashed, or a sanitizer or the simulator spoke at its end.
    (($2 == 0 || failed > 0)) || failed=1
}

# Whole lines of scripts, messages of doctest.
skips() { sed -nE 's/^(.*MESSAGE: )?(SKIPPED: )/\2/p' "$@"; }

# Runs COMMAND as test NAME, by its doctest summary (cases) or its exit status (script). Leaves its output in NAME.log
# and `passed failed skipped` in NAME.counts.
run_test() {  # cases|script NAME COMMAND…
    local kind=$1 name=$2 log=$logs/$2.log start=$SECONDS status=0 passed=0 failed=0 skipped
    shift 2
    # shellcheck disable=SC2046
    { timeout "$seconds_limit" $(plain_addresses) "$@" >"$log" 2>&1 </dev/null || status=$?; } 2>/dev/null
    case $status in
        0 | 1) ;;
        124) echo "stopped after $seconds_limit s" >>"$log" ;;
        *) echo "exit status $status" >>"$log" ;;
    esac
    if [[ $kind == cases ]]; then
        count_cases "$log" "$status"
    elif ((status == 0)); then
        passed=1
    else
        failed=1
    fi
    if ((failed == 0)) && grep -aqE '^cudasim: [1-9][0-9]* reports$' "$log"; then failed=1; fi
    skipped=$(skips "$log" | wc -l)
    passed=$((passed > skipped ? passed - skipped : 0))
    echo "$passed $failed $skipped" >"$logs/$name.counts"
    if ((passed + failed + skipped > 0)); then
        printf '%-32s %4d passed %3d failed %3d skipped %5d s\n' "$name" "$passed" "$failed" "$skipped" \
            $((SECONDS - start))
    fi
}

# As run_test, beside others.
start_test() {
    while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n || true; done
    run_test "$@" &
}

# The logs of what failed, what was skipped and why, and the last line. False where something failed.
report_tests() {
    local passed=0 failed=0 skipped=0 counts p f s
    wait
    echo $((SECONDS - tests_began)) >"$(seconds_file)"
    for counts in "$logs"/*.counts; do
        [[ -e $counts ]] || break
        read -r p f s <"$counts"
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
        if ((f > 0)); then
            echo "==== ${counts%.counts}.log"
            cat "${counts%.counts}.log"
        fi
    done
    if ((skipped > 0)); then
        echo "$skipped skipped:"
        skips "$logs"/*.log | sort | uniq -c
    fi
    if ((passed + failed + skipped == 0)); then
        echo "no test's name contains '$filter'"
        failed=1
    fi
    echo "$passed passed, $failed failed"
    ((failed == 0))
}
