#!/bin/bash
# Guest instructions of calls about files, counted in QEMU: docs/bench.md.
#
# Prints a line "NAME COUNT BAR ok|over" for each; BAR is "-" where there is none.
# With STRICT=1 it exits 1 when one is over; 2 when nothing could be measured.
cd "$(dirname "$0")/.." || exit 2
build="${BUILD:-build}"
image="$build/metal/fs_guest.elf"
work="$build/bench"
plugin=
. tools/bench_marks.sh

tree="$work/fs_guest.tree"
rm -rf "$tree" && mkdir -p "$tree/www" "$tree/m" "$tree/d" &&
    head -c 1024 /dev/zero | tr '\0' x | tee "$tree/f" >"$tree/www/index.html" &&
    head -c 65536 /dev/zero >"$tree/big" &&
    tools/mkimg/mkimg.sh ext2 --dir "$tree" --out "$work/fs_guest.img" >"$work/fs_guest.log" 2>&1 || {
    cat "$work/fs_guest.log"
    exit 2
}

count_marks fs_guest 120 --machine q35 --cpus 2 --disk "$work/fs_guest.img" --
table_of_marks fs_guest 'open-read-close=900 lend-4k=150'
