#!/bin/bash
# Run the unit tests built for coverage, make pages, print a table, and compare it
# with coverage/thresholds.txt, which may only rise. A row for each directory with
# sources: those of which no test executes anything count too. A last row is for what
# the integration tests execute of hal/baremetal in QEMU: tools/guest_coverage.sh.
#   coverage.sh PROGRAM...
# PAGES=no: the table alone.
cd "$(dirname "$0")/.." || exit 1
build="${BUILD:-build}"
out="$build/coverage"
mkdir -p "$out"
find "$build/cov" -name '*.gcda' -delete
# Of sources that have gone.
find "$build/cov" -name '*.gcno' | while read -r notes; do
    source="${notes#"$build/cov/"}"
    [ -e "${source%.gcno}.c" ] || rm -f "$notes"
done
tools/run_unit.sh "$@" >"$out/unit.log"
status=$?
grep -v "^ok  " "$out/unit.log" | sed 's/^unit:/unit tests that count:/'
[ $status -eq 0 ] || exit 1
find "$build/cov" -name '*.gcno' -print0 |
    xargs -0 gcov --json-format --branch-probabilities --stdout 2>"$out/gcov.log" |
    tools/gcov_info.pl kernel drivers fs net hal apps include >"$out/torc.info"
if [ "${PIPESTATUS[*]}" != "0 0 0" ] ||
    grep -vE 'cannot open data file, assuming not executed|:no functions found$' "$out/gcov.log"; then
    echo "gcov has failed"
    exit 1
fi
if [ "$PAGES" != no ]; then
    genhtml --branch-coverage --quiet --prefix "$PWD" --title Torc \
        --output-directory "$out" "$out/torc.info" 2>/dev/null || exit 1
fi
awk -v root="$PWD/" '
    /^SF:/ { directory = substr($0, 4); sub(root, "", directory); sub(/\/[^\/]*$/, "", directory) }
    /^LF:/ { lf[directory] += substr($0, 4) } /^LH:/ { lh[directory] += substr($0, 4) }
    /^BRF:/ { bf[directory] += substr($0, 5) } /^BRH:/ { bh[directory] += substr($0, 5) }
    END {
        for (d in lf)
            printf "%-28s %5.1f %5.1f %6d\n", d, 100 * lh[d] / lf[d], bf[d] ? 100 * bh[d] / bf[d] : 100, lf[d]
    }' "$out/torc.info" | sort >"$out/table.txt"
tools/guest_coverage.sh >>"$out/table.txt" || exit 1
printf '%-28s %5s %6s %6s\n' directory lines branch count
cat "$out/table.txt"
[ "$PAGES" = no ] || echo "pages: $out/index.html"
awk '
    FILENAME ~ /table/ { line[$1] = $2; branch[$1] = $3; next }
    /^#/ || !NF { next }
    { known[$1] = 1 }
    !($1 in line) {
        printf "coverage/thresholds.txt: there is no %s: remove the row\n", $1
        bad = 1
        next
    }
    line[$1] + 0 < $2 || ($3 != "-" && branch[$1] + 0 < $3) {
        printf "coverage of %s fell: %s/%s, at least %s/%s (coverage/thresholds.txt)\n", $1, line[$1], branch[$1], $2, $3
        bad = 1
    }
    END {
        for (d in line)
            if (!(d in known)) {
                printf "coverage/thresholds.txt: %s has no row\n", d
                bad = 1
            }
        exit bad
    }' "$out/table.txt" coverage/thresholds.txt
