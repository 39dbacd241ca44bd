#!/bin/bash
# Boot the images given, which are unit tests that count (tests/guest/rules.mk), and print
# how many lines of each directory are executed: by the unit tests on the host (`make
# coverage` has left that), in the guest, and by either; of hal/baremetal also by the
# integration tests, as tools/guest_coverage.sh has seen. What has not been run is "-". An image
# that fails or does not tell its counters is named, and the status is 1 at the end.
#
#   coverage_union.sh IMAGE...
cd "$(dirname "$0")/.." || exit 1
build="${BUILD:-build}"
out="$build/coverage_union"
mkdir -p "$out"
rm -f "${@/%/.counters}"
find "$build/guestcov" -name '*.gcda' -delete
COUNTERS=yes tools/test_guest.sh "$@" >"$out/test_guest.log"
status=$?
grep -E '^FAIL|^again|^test-guest' "$out/test_guest.log"
tools/guest_counters.pl "$(realpath -s "$build/guestcov")" "${@/%/.counters}" || status=1
[ -n "$(find "$build/guestcov" -name '*.gcda' -print -quit)" ] || exit 1
find "$build/guestcov" -name '*.gcno' ! -path '*/tests/guest/*' -print0 |
    xargs -0 gcov --json-format --branch-probabilities --stdout 2>"$out/gcov.log" |
    tools/gcov_info.pl kernel drivers fs net hal apps include >"$out/guest.info" || exit 1
tools/coverage_union.pl "$build/coverage/torc.info" "$out/guest.info" \
    "$build/guest_lines/lines.info" | tee "$out/table.txt"
[ $status -eq 0 ]
