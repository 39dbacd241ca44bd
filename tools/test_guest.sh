#!/bin/bash
# Boot the images given, which are unit test programs (tests/guest/rules.mk), in QEMU, JOBS
# at a time. Prints a line each, a table of the rooms, and the totals. The whole output
# of an image is shown only when it fails: IMAGE.log.
#
# An image fails when its status is not 0, when a test has begun and is neither OK nor
# skipped, when no test has begun, and when more tests are skipped than
# tests/guest/host_only.txt lists. MEM= is the memory of an image, in MiB.
#
# With COUNTERS=yes in the environment they are images that count, and what they count goes
# into IMAGE.counters.
#
#   test_guest.sh IMAGE...
cd "$(dirname "$0")/.." || exit 1
[ $# -gt 0 ] || {
    echo "test_guest.sh: there is no such test" >&2
    exit 2
}
. tools/stalls.sh
export -f stalls_since
stalls=$(mktemp)
export stalls
stalls_watch "$stalls"

run() { # IMAGE: prints one line, or more when it fails, in one piece
    local image="$1" log="$1.log" status ok bad skipped allowed began try longest cpus=1 ran name skip
    local counters=()
    # Machines of their own have as many as a test wants.
    nm "$image" | grep -qE ' machine_(run_output|attach_still)$' && cpus=9
    name="${image#*/unit/}"
    skip=$(awk -v program="${name%.elf}:" 'index($1, program) == 1 {
        printf ",%s", substr($1, length(program) + 1) }' tests/guest/host_only.txt)
    allowed=$(awk -v program="${name%.elf}" '
        index($1, program ":") == 1 { sum++ }
        index($1, program "=") == 1 { sum += substr($1, length(program) + 2) }
        END { print sum + 0 }' tests/guest/host_only.txt)
    [ -z "$COUNTERS" ] || counters=(-- -chardev "file,id=counters,path=$image.counters"
        -device "isa-debugcon,iobase=0xe9,chardev=counters")
    for try in 1 2 3; do
        began=$EPOCHREALTIME
        timeout "${GUEST_TIMEOUT:-400}" tools/qemu.sh --no-net --mem "${MEM:-1280}" --cpus $cpus \
            --kernel "$image" --append "skip=$skip," "${counters[@]}" 2>&1 | tr -d '\r' >"$log"
        status=${PIPESTATUS[0]}
        [ "$status" -ne 0 ] && longest=$(stalls_since "$began" "$stalls") || break
        printf 'again %s: it failed while the machine stood still (%s)\n' "$image" "$longest"
    done
    ran=$(grep -c '^\[ RUN      \]' "$log")
    ok=$(grep -c '^\[       OK \]' "$log")
    skipped=$(grep -c '^\[  SKIPPED \] [a-z]' "$log")
    bad=$((ran - ok - skipped))
    if [ "$skipped" -gt "$allowed" ]; then
        echo "$skipped tests are skipped, and tests/guest/host_only.txt lists $allowed" >>"$log"
        bad=$((bad + skipped - allowed))
    fi
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ] || [ "$ran" -eq 0 ]; then
        bad=$((bad + 1)) # crashed, or too slow
    fi
    echo "$ok $bad $skipped" >"$image.count"
    if [ "$status" -ne 0 ] || [ "$bad" -ne 0 ]; then
        flock "$stalls" cat <(tail -n 40 "$log") - <<<"FAIL $image (exit status $status, $bad failed)"
    else
        printf 'ok   %-40s %3s tests%s\n' "${name%.elf}" "$ok" "$([ "$skipped" -eq 0 ] || echo ", $skipped skipped")"
    fi
}
export -f run

rm -f "${@/%/.count}"
printf '%s\0' "$@" | xargs -0 -P "${JOBS:-$(nproc)}" -I{} bash -c 'run "$1"' "$0" {}
# One that has no count was not run.
for image in "$@"; do
    name="${image#*/unit/}"
    echo "${name%%/*} $(cat "$image.count" 2>/dev/null || echo 0 1 0)"
done | awk '
    { programs[$1]++; passed[$1] += $2; failed[$1] += $3; skipped[$1] += $4; ok += $2; bad += $3 }
    END {
        printf "\n%-12s %8s %7s %7s %7s\n", "room", "programs", "passed", "skipped", "failed"
        for (room in programs)
            printf "%-12s %8d %7d %7d %7d\n", room, programs[room], passed[room], skipped[room], failed[room] | "sort"
        close("sort")
        printf "test-guest: %d passed, %d failed\n", ok, bad
        exit bad > 0
    }'
status=$?
rm -f "$stalls"
exit $status
