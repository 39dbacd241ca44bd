#!/bin/sh
# Run the test programs given, a line each, and print the totals of all, which begin
# with NAME. The whole output of a program is shown only when it fails.
#
#   run_unit.sh [--name NAME] PROGRAM...
name=unit
if [ "$1" = --name ]; then
    name="$2"
    shift 2
fi
passed=0
failed=0
# Each program starts machines in child processes while contexts of its own live.
export TSAN_OPTIONS="die_after_fork=0 $TSAN_OPTIONS"
for program in "$@"; do
    log="$program.log"
    timeout 300 "$program" >"$log" 2>&1
    status=$?
    ok=$(grep -c '^\[       OK \]' "$log")
    bad=$(sed -n 's/^ *\([0-9]*\) FAILED TEST(S)$/\1/p' "$log")
    if [ "$status" -ne 0 ] && [ -z "$bad" ]; then
        bad=1 # crashed, or too slow
    fi
    passed=$((passed + ok))
    failed=$((failed + ${bad:-0}))
    if [ "$status" -ne 0 ]; then
        cat "$log"
        printf 'FAIL %s (exit status %s)\n' "$program" "$status"
    else
        printf 'ok   %-40s %3s tests\n' "${program#*/"$name"/}" "$ok"
    fi
done
printf '%s: %s passed, %s failed\n' "$name" "$passed" "$failed"
[ "$failed" -eq 0 ]
