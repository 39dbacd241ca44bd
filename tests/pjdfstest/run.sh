#!/bin/bash
# Run pjdfstest (github.com/pjd/pjdfstest) through torc-fuse: what a file system must do
# by POSIX, seen from programs. As root. Its sources are not ours, so they are given.
#
#   run.sh [-k KIND] SOURCES [TEST...]
#       KIND: memory (files in memory), ext2 (a new image for each test), or another
#             command, which gets the directory to mount on and IMAGE in the environment
#       TEST: as "chmod" or "chmod/00"; all of them by default
#
# Each test has a file system of its own. Prints the assertions that fail, a table, and
# how many there were. Exit status 1: more than FAIL_MAX (0) have failed.
cd "$(dirname "$0")/../.." || exit 2
build="${BUILD:-build}"
kind=memory
[ "$1" = -k ] && kind="$2" && shift 2
sources="$1"
[ -f "$sources/pjdfstest.c" ] || {
    echo "usage: run.sh [-k KIND] SOURCES [TEST...]: SOURCES has pjdfstest.c" >&2
    exit 2
}
shift
[ "$(id -u)" -eq 0 ] || {
    echo "pjdfstest needs root: it makes files of several users" >&2
    exit 2
}
torc_fuse="$PWD/$build/host/torc-fuse"
work=$(mktemp -d)
place="$work/mnt"
trap 'umount -l "$place" 2>/dev/null; rm -rf "$work"' EXIT
mkdir -p "$place"
chmod 755 "$work"

# What its configure would find on Debian 12.
compile() {
    local name
    cp -r "$sources/tests" "$work/tests" && {
        for name in SYS_SYSMACROS_H FACCESSAT FCHMODAT FCHOWNAT FSTATAT LINKAT MKDIRAT \
            MKFIFOAT MKNODAT OPENAT POSIX_FALLOCATE READLINKAT RENAMEAT SYMLINKAT \
            UTIMENSAT STRUCT_STAT_ST_ATIM STRUCT_STAT_ST_CTIM STRUCT_STAT_ST_MTIM; do
            echo "#define HAVE_$name 1"
        done
        echo '#define _GNU_SOURCE 1'
    } >"$work/config.h" &&
        gcc -w -O -I"$work" -o "$work/pjdfstest" "$sources/pjdfstest.c"
}

mount_new() {
    export IMAGE="$work/image"
    case "$kind" in
    memory) "$torc_fuse" --memory -o allow_other,dev,suid "$place" ;;
    ext2)
        rm -f "$IMAGE" && truncate -s 64M "$IMAGE" && mke2fs -q -t ext2 -I 256 "$IMAGE" &&
            "$torc_fuse" -o allow_other,dev,suid "$IMAGE" "$place"
        ;;
    *) $kind "$place" ;;
    esac
}

unmount() {
    umount "$place" || return 1
    while pgrep -f "^[^ ]*torc-fuse .* $place\$" >/dev/null; do sleep 0.01; done
    [ "$kind" != ext2 ] || e2fsck -fn "$IMAGE" >"$work/e2fsck" 2>&1 || {
        echo "e2fsck after $1:"
        cat "$work/e2fsck"
    }
}

compile || exit 2
[ $# -gt 0 ] || set -- $(cd "$sources/tests" && ls -d */ | tr -d /)
for name in "$@"; do
    if [ -d "$sources/tests/$name" ]; then
        (cd "$sources/tests" && ls "$name"/*.t)
    else
        echo "$name.t"
    fi
done >"$work/list"
while read -r test; do
    mount_new || exit 2
    (cd "$place" && timeout 600 bash "$work/tests/$test") >"$work/out" 2>&1 </dev/null
    unmount "$test" || exit 2
    awk -v test="$test" -v file="$work/failed" '
        /^1\.\.[0-9]+/ { split($0, a, "\\.\\."); plan = a[2] + 0 }
        /^ok / { ok++ }
        /^not ok / { if (!/# T[O]DO/) { print test ": " $0 >file; bad++ } else ok++ }
        END { print test, plan, ok + 0, bad + plan - ok - bad }' "$work/out"
    cat "$work/failed" >>"$work/all_failed" 2>/dev/null
    rm -f "$work/failed"
done <"$work/list" >"$work/results"
cat "$work/all_failed" 2>/dev/null
awk -v max="${FAIL_MAX:-0}" '
    { split($1, a, "/"); plan[a[1]] += $2; bad[a[1]] += $4; files[a[1]]++; all += $2; failed += $4 }
    END {
        printf "%-20s %6s %10s %7s\n", "group", "files", "assertions", "failed"
        for (g in plan)
            printf "%-20s %6d %10d %7d\n", g, files[g], plan[g], bad[g] | "sort"
        close("sort")
        printf "pjdfstest: %d of %d assertions failed\n", failed, all
        exit failed > max
    }' "$work/results"
