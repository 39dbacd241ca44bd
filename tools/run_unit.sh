#!/bin/bash
# Run the test programs given, JOBS of them at a time (one for each processor), a line
# each, and print the totals of all, which begin with NAME. The whole output of a program
# is shown only when it fails. One that fails while the machine stood still for a while
# (tools/stalls.sh) is run again, three times at most; a line says so. Those that took the
# most processor time are named at the end.
#
#   run_unit.sh [--name NAME] PROGRAM...
export name=unit
if [ "$1" = --name ]; then
    name="$2"
    shift 2
fi
. "${0%/*}/stalls.sh"
export -f stalls_since
stalls=$(mktemp)
export stalls
stalls_watch "$stalls"
# Each program starts machines in child processes while contexts of its own live.
export TSAN_OPTIONS="die_after_fork=0 $TSAN_OPTIONS"

run() { # PROGRAM: prints one line, or more when it fails, in one piece
    local program="$1" log="$1.log" status ok bad began try longest
    for try in 1 2 3; do
        began=$EPOCHREALTIME
        timeout 300 "$program" >"$log" 2>&1 </dev/null
        status=$?
        [ "$status" -ne 0 ] && longest=$(stalls_since "$began" "$stalls") || break
        printf 'again %s: it failed while the machine stood still (%s)\n' "$program" "$longest"
    done
    ok=$(grep -c '^\[       OK \]' "$log")
    # The last summary is the program's own: a child process may print one before.
    bad=$(sed -n 's/^ *\([0-9]*\) FAILED TEST(S)$/\1/p' "$log" | tail -n 1)
    if [ "$status" -ne 0 ] && [ "${bad:-0}" -eq 0 ]; then
        bad=1 # crashed, or too slow
    fi
    # The processor time of this shell's children, in ticks.
    echo "$ok ${bad:-0} $(awk '{ print $16 + $17 }' /proc/$$/stat) ${program#*/"$name"/}" \
        >"$program.count"
    if [ "$status" -ne 0 ]; then
        flock "$0" cat "$log" - <<<"FAIL $program (exit status $status)"
    else
        printf 'ok   %-40s %3s tests\n' "${program#*/"$name"/}" "$ok"
    fi
}
export -f run

counts=("${@/%/.count}")
rm -f "${counts[@]}"
printf '%s\0' "$@" | xargs -0 -P "${JOBS:-$(nproc)}" -I{} bash -c 'run "$1"' "$0" {}
sort -nrk3 "${counts[@]}" 2>/dev/null | head -n 8 | awk -v hz="$(getconf CLK_TCK)" '
    { printf("%s %s %.1f s", NR == 1 ? "most processor time:" : ",", $4, $3 / hz) }
    END { print "" }'
# One that has no count was not run.
cat "${counts[@]}" 2>/dev/null | awk -v name="$name" -v programs="$#" '
    { passed += $1; failed += $2; programs-- }
    END {
        failed += programs
        printf "%s: %d passed, %d failed\n", name, passed, failed
        exit failed > 0
    }'
status=$?
rm -f "$stalls"
exit $status
