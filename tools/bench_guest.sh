#!/bin/bash
# Guest instructions of the basic operations, counted in QEMU: docs/bench.md.
#
#   bench_guest.sh [PLUGIN]
#
# Prints a line "NAME COUNT BAR ok|over" for each; BAR is "-" where there is none.
# With STRICT=1 it exits 1 when one is over; 2 when nothing could be measured.
cd "$(dirname "$0")/.." || exit 2
build="${BUILD:-build}"
image="$build/metal/bench.elf"
work="$build/bench"
plugin="$1"
. tools/bench_marks.sh

count_marks guest 60 --cpus 2 --
table_of_marks guest 'yield=60 create=400 alloc=40'
