#!/bin/bash
# Run the unit tests built for coverage, make pages, print a table, and compare it
# with coverage/thresholds.txt, which may only rise.
#   coverage.sh PROGRAM...
cd "$(dirname "$0")/.." || exit 1
build="${BUILD:-build}"
out="$build/coverage"
# The branch of an assertion that fails is not one a test can take and survive.
lcov_rc=(--rc lcov_branch_coverage=1 --quiet
    --rc "lcov_excl_br_line=LCOV_EXCL_BR_LINE|[^_]assert\\(")
mkdir -p "$out"
find "$build/cov" -name '*.gcda' -delete
tools/run_unit.sh "$@" | grep -v "^ok  "
lcov "${lcov_rc[@]}" --capture --directory "$build/cov" --base-directory . \
    --output-file "$out/all.info" 2>/dev/null || exit 1
lcov "${lcov_rc[@]}" --extract "$out/all.info" "$PWD/kernel/*" \
    "$PWD/drivers/*" "$PWD/fs/*" "$PWD/net/*" "$PWD/hal/*" "$PWD/apps/*" "$PWD/include/*" \
    --output-file "$out/torc.info" 2>/dev/null || exit 1
genhtml --branch-coverage --quiet --prefix "$PWD" --title Torc \
    --output-directory "$out" "$out/torc.info" 2>/dev/null || exit 1
awk -v root="$PWD/" '
    BEGIN {
        # What everything else stands on, as one row.
        n = split("cache_control errand exchange heap heap_check heap_home idle irq_work mem message percpu sched sync thread thread_control thread_memory thread_table timer wait watchdog", names, " ")
        for (i = 1; i <= n; i++) is_core["kernel/" names[i] ".c"] = 1
        is_core["include/torc/memory_inline.h"] = 1
    }
    /^SF:/ { name = substr($0, 4); sub(root, "", name); core = name in is_core }
    core && /^LF:/ { lf["core"] += substr($0, 4) } core && /^LH:/ { lh["core"] += substr($0, 4) }
    core && /^BRF:/ { bf["core"] += substr($0, 5) } core && /^BRH:/ { bh["core"] += substr($0, 5) }
    /^SF:/ { file = substr($0, 4); sub(root, "", file); sub(/\/[^\/]*$/, "", file) }
    /^LF:/ { lf[file] += substr($0, 4) } /^LH:/ { lh[file] += substr($0, 4) }
    /^BRF:/ { bf[file] += substr($0, 5) } /^BRH:/ { bh[file] += substr($0, 5) }
    END {
        for (d in lf)
            printf "%-16s %5.1f %5.1f %6d\n", d, 100 * lh[d] / lf[d], bf[d] ? 100 * bh[d] / bf[d] : 100, lf[d]
    }' "$out/torc.info" | sort >"$out/table.txt"
printf '%-16s %5s %6s %6s\n' directory lines branch count
cat "$out/table.txt"
echo "pages: $out/index.html"
awk '
    FILENAME ~ /table/ { line[$1] = $2; branch[$1] = $3; next }
    /^#/ || !NF { next }
    !($1 in line) || line[$1] + 0 < $2 || branch[$1] + 0 < $3 {
        printf "coverage of %s fell: %s/%s, at least %s/%s (coverage/thresholds.txt)\n", $1, line[$1], branch[$1], $2, $3
        bad = 1
    }
    END { exit bad }' "$out/table.txt" coverage/thresholds.txt
