#!/bin/bash
# Rules no compiler checks. Prints offences; exits 1 when there are any.
cd "$(dirname "$0")/.." || exit 1
status=0
offend() {
    echo "$*"
    status=1
}

# Functions of at most 70 lines, files of at most 800.
while read -r file; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 800 ] || offend "$file: $lines lines, at most 800"
    awk -v file="$file" '
        /^[a-z_].*\)$|^[a-z_].*,$|^[a-z_].*\($/ && !/;/ { start = FNR }
        /^\{/ { from = start ? start : FNR; open = 1 }
        /^\}/ {
            if (open && FNR - from + 1 > 70) {
                printf "%s:%d: a function of %d lines, at most 70\n", file, from, FNR - from + 1
                bad = 1
            }
            open = 0; start = 0
        }
        END { exit bad }' "$file" || status=1
done < <(git ls-files 'hal/*.c' 'kernel/*.c' 'drivers/*.c' 'fs/*.c' 'net/*.c' 'apps/*.c')

# Eighty columns, no trailing blanks, no tabs.
git ls-files '*.c' '*.h' | xargs grep -nP '^.{81,}|[ \t]+$|\t' && status=1

# Every source is listed in a module.mk. (That tests execute it is the business of the
# coverage report: a source without any would lower its room's figure.)
for file in $(git ls-files 'kernel/*.c' 'kernel/**/*.c' 'drivers/*.c' 'fs/**/*.c' 'net/*.c' 'net/**/*.c' 'hal/**/*.c' 'hal/**/*.S'); do
    grep -qx "SRCS-[a-z-]* += $file" ./*/module.mk ./*/*/module.mk ./*/*/*/module.mk ||
        offend "$file: not in a module.mk"
done

# Each code of the checker of ext2 is explained.
for code in $(grep -oP '^    (PREEN|SERIOUS)\(\K\w+' fs/ext2/check/codes.c); do
    grep -q "^| .$code. |" docs/fsck.md || offend "docs/fsck.md: no row for $code"
done

# The HAL stays thin.
count=$(sed -n '/^#include "hal_inline/q;p' hal/hal.h |
    grep -cE '^(must_check |_Noreturn )?[a-z].*hal_[a-z0-9_]+\(')
[ "$count" -le 36 ] || offend "hal/hal.h: $count functions, at most 36"

# No work in progress, no names of people or places.
git ls-files | grep -v '^tools/tidy.sh$' | xargs grep -nIE 'TODO|FIXME|\bXXX\b' && status=1
exit $status
