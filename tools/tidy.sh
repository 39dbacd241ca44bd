#!/bin/bash
# Rules no compiler checks. Prints offences; exits 1 when there are any.
cd "$(dirname "$0")/.." || exit 1
status=0
offend() {
    echo "$*"
    status=1
}

# Functions of at most 70 lines, files of at most 800.
git ls-files 'hal/*.c' 'kernel/*.c' 'drivers/*.c' 'fs/*.c' 'net/*.c' 'apps/*.c' | xargs awk '
    function file_end() {
        if (lines > 800) {
            printf "%s: %d lines, at most 800\n", file, lines
            bad = 1
        }
    }
    FNR == 1 { file_end(); file = FILENAME; start = open = 0 }
    { lines = FNR }
    /^[a-z_].*\)$|^[a-z_].*,$|^[a-z_].*\($/ && !/;/ { start = FNR }
    /^\{/ { from = start ? start : FNR; open = 1 }
    /^\}/ {
        if (open && FNR - from + 1 > 70) {
            printf "%s:%d: a function of %d lines, at most 70\n", file, from, FNR - from + 1
            bad = 1
        }
        open = 0; start = 0
    }
    END { file_end(); exit bad }' || status=1

# Eighty columns, no trailing blanks, no tabs.
git ls-files '*.c' '*.h' | xargs grep -nP '^.{81,}|[ \t]+$|\t' && status=1

# Every source is listed in a module.mk. (That tests execute it is the business of the
# coverage report: a source without any would lower its room's figure.)
missing=$(comm -23 \
    <(git ls-files 'kernel/*.c' 'kernel/**/*.c' 'drivers/*.c' 'fs/**/*.c' 'net/*.c' \
        'net/**/*.c' 'hal/**/*.c' 'hal/**/*.S' | sort -u) \
    <(sed -n 's/^SRCS-[a-z-]* += //p' ./*/module.mk ./*/*/module.mk ./*/*/*/module.mk | sort -u))
[ -z "$missing" ] || offend "not in a module.mk: $missing"

# Each code of the checker of ext2 is explained.
for code in $(grep -oP '^    (PREEN|SERIOUS)\(\K\w+' fs/ext2/check/codes.c); do
    grep -q "^| .$code. |" docs/fsck.md || offend "docs/fsck.md: no row for $code"
done

# The tests that docs/tcp_rfc.md names are there.
for name in $(grep -oP '`\K(test_[a-z0-9_]+|[a-z0-9_]+\.pkt)(?=`)' docs/tcp_rfc.md | sort -u); do
    case $name in
    *.pkt) [ -e "tests/unit/net/drill/$name" ] ;;
    *) grep -qw "cmocka_unit_test($name)" tests/unit/net/*.c ;;
    esac || offend "docs/tcp_rfc.md: there is no $name"
done

# The list of options is that of the tables.
tools/options.sh | diff docs/options.md - >&2 ||
    offend "docs/options.md is old: tools/options.sh >docs/options.md"

# Values of options are as long as kernel/base/options.c has room for.
awk -F'`' '/^\| `/ {
    values = $2; gsub(/\\\|/, "|", values); sub(/^[^=]*=?/, "", values)
    if (length(values) > 79) { print "more than 79 bytes of values: " $2; bad = 1 }
} END { exit bad }' docs/options.md || status=1

# The HAL stays thin.
count=$(sed -n '/^#include "hal_inline/q;p' hal/hal.h |
    grep -cE '^(must_check |_Noreturn )?[a-z].*hal_[a-z0-9_]+\(')
[ "$count" -le 36 ] || offend "hal/hal.h: $count functions, at most 36"

# No work in progress, no names of people or places.
git ls-files | grep -v '^tools/tidy.sh$' | xargs grep -nIE 'TODO|FIXME|\bXXX\b' && status=1
exit $status
