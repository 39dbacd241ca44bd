#!/bin/sh
# Run the unit test programs given, a line each, and print the totals of all.
# The whole output of a program is shown only when it fails.
passed=0
failed=0
for program in "$@"; do
    log="$program.log"
    timeout 120 "$program" >"$log" 2>&1
    status=$?
    ok=$(grep -c '^\[       OK \]' "$log")
    bad=$(grep -c '^\[  FAILED  \] [a-z_0-9]*$' "$log")
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1 # crashed
    fi
    passed=$((passed + ok))
    failed=$((failed + bad))
    if [ "$status" -ne 0 ]; then
        cat "$log"
        printf 'FAIL %s (exit status %s)\n' "$program" "$status"
    else
        printf 'ok   %-40s %3s tests\n' "${program#*/unit/}" "$ok"
    fi
done
printf 'unit: %s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
