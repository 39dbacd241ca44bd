#!/bin/bash
# make fs-limits: a large file, many entries, the longest names, no inodes, a full disk, on
# ext2 of each block size, in the hosted machine (tests/bench/fs_limits.c). e2fsck must have
# nothing to say of what is left.  MIB=1024 ENTRIES=100000 BLOCKS="1024 2048 4096"
cd "$(dirname "$0")/.." || exit 2
PATH="$PATH:/usr/sbin:/sbin"
build="${BUILD:-build}"
mib="${MIB:-1024}"
entries="${ENTRIES:-100000}"
work=$(mktemp -d "${TMPDIR:-/tmp}/fs_limits.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
for block in ${BLOCKS:-1024 2048 4096}; do
    image="$work/image"
    rm -f "$image"
    truncate -s $((mib + mib / 8 + 64))M "$image"
    mke2fs -q -F -t ext2 -b "$block" -N $((entries + entries / 50 + 64)) "$image" || exit 2
    echo "blocks of $block:"
    "$build/bench/fs_limits" --mem 128m --disk "$image" -- ext2 "$mib" "$entries" || exit 1
    e2fsck -fn "$image" >"$work/fsck" 2>&1 || {
        cat "$work/fsck"
        exit 1
    }
done
