#!/bin/bash
# Fuzz one target for some seconds, from the corpus in the tree; what is found new
# stays in build/fuzz/corpus/TARGET. Says how many edges of the program were reached.
#   fuzz.sh TARGET SECONDS
#   fuzz.sh all SECONDS TARGET...    one after the other, and a total
cd "$(dirname "$0")/.." || exit 1
build="${BUILD:-build}"

# fuzz TARGET SECONDS
fuzz() {
    local target="$1" seconds="$2" status edges file
    local corpus="$build/fuzz/corpus/$target" crashes="$build/fuzz/crashes/$target/"
    local log="$build/fuzz/$target.log" program="$build/fuzz/fuzz_$target"
    local words=()
    [ -f "tests/fuzz/$target.dict" ] && words=(-dict="tests/fuzz/$target.dict")
    mkdir -p "$corpus" "$crashes"
    [ -d "tests/fuzz/corpus/$target" ] &&
        cp -n "tests/fuzz/corpus/$target"/* "$corpus" 2>/dev/null
    "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 \
        -max_len=65536 -artifact_prefix="$crashes" -print_final_stats=1 \
        "${words[@]}" "$corpus" \
        >"$log" 2>&1
    status=$?
    edges=$(sed -n 's/^#.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    if [ $status -ne 0 ]; then
        tail -n 40 "$log"
        echo "FAIL fuzz $target: found something; reproduce it with:"
        for file in "$crashes"*; do
            echo "    $program $file"
        done
        return 1
    fi
    if [ -z "$edges" ]; then # it cannot have looked at anything
        cat "$log"
        echo "FAIL fuzz $target: it ran no input"
        return 1
    fi
    echo "ok   fuzz $target: nothing found in $seconds s, $edges edges reached, $(
        sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
}

if [ "$1" != all ]; then
    fuzz "$1" "$2"
    exit
fi
seconds="$2"
shift 2
passed=0
failed=0
for target in "$@"; do
    if fuzz "$target" "$seconds"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
done
echo "fuzz: $passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
