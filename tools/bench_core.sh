#!/bin/bash
# make bench-core: Torc's core beside its peers, all measured now: docs/bench.md.
#
# Prints a table of times and one of guest instructions, and writes the first to
# build/bench/core.csv. Exits 0 even when a bar is missed, unless STRICT=1.
cd "$(dirname "$0")/.." || exit 2
build="${BUILD:-build}"
work="$build/bench"
samples="$work/samples"
lib=/usr/lib/x86_64-linux-gnu
groups=9
strict="${STRICT:-0}"

run() { # NAME COMMAND...: its samples, under the name that came with them or NAME
    local name="$1"
    shift
    "$@" >"$work/out" 2>&1 || {
        cat "$work/out"
        echo "bench: ${*##*/} failed" >&2
        exit 2
    }
    awk -v name="$name" -v group="$group" '
        $1 == "sample" { print $2, $3 == "malloc" ? name : $3, $4, group }
        $1 == "disturbed" { print $1, "-", $2 }' "$work/out" >>"$samples"
}

mkdir -p "$work"
: >"$samples"
model=$(sed -n '/^model name/{s/.*: //p;q}' /proc/cpuinfo)
echo "Measuring, half a minute, on $(nproc) x $model, load $(cut -d' ' -f1 /proc/loadavg)"
for group in $(seq $groups); do
    run core timeout 100 "$work/core" --cpus 2
    run core timeout 100 "$work/core" --cpus 2 -- trace=mark -- trace
    run torc timeout 100 "$work/alloc_torc" --cpus 2
    run glibc timeout 100 "$work/alloc_libc"
    run jemalloc timeout 100 env LD_PRELOAD=$lib/libjemalloc.so.2 "$work/alloc_libc"
    run mimalloc timeout 100 env LD_PRELOAD=$lib/libmimalloc.so.2.0 "$work/alloc_libc"
    run tcmalloc timeout 100 env LD_PRELOAD=$lib/libtcmalloc_minimal.so.4 "$work/alloc_libc"
done

# row | what it is, with its unit | bar | the peers the ratio is to the best of; the
# others of a row are shown beside. No bar: informative.
rows='
switch|context switch, one way|1.0|boost
yield|thread_yield(), one way||sched_yield
slots32|slot item, batches of 32|0.7|rte_ring
slots256|slot item, batches of 256|0.7|rte_ring
slots1|slot item, one by one|0.7|boost rte_ring
turn|item to and fro, spinning|1.1|boost rte_ring
channel|message to and fro, sleeping||futex cond
call|remote call||futex cond
alloc64|64 B: allocate, free|0.8|glibc jemalloc mimalloc tcmalloc
mixed|16-512 B, 1000 live|0.8|glibc jemalloc mimalloc tcmalloc
mixed2|the same on 2 CPUs at once|0.8|glibc jemalloc mimalloc tcmalloc
cross|64 B freed on another CPU|0.5|glibc jemalloc mimalloc tcmalloc
cross1|the same, one by one||glibc jemalloc mimalloc tcmalloc
'
echo
awk -v rows="$rows" -v csv="$work/core.csv" -v strict="$strict" -f tools/bench_core.awk \
    "$samples"
over=$?
[ $over -le 1 ] || exit 2

echo
echo "Guest instructions (QEMU, all CPUs together)"
STRICT=$strict tools/bench_guest.sh >"$work/guest.txt"
guest=$?
[ $guest -le 1 ] || { cat "$work/guest.txt"; exit 2; }
awk '
    BEGIN {
        title["yield"] = "thread_yield(), each way"
        title["create"] = "thread: create, run, exit"
        title["alloc"] = "64 B: allocate, free"
        title["message"] = "message to a CPU that sleeps"
        title["stream"] = "message, of 32 in a row"
        title["call"] = "remote call"
        printf "  %-32s %10s %6s\n", "", "count", "bar"
    }
    { printf "  %-32s %10.1f %6s  %s\n", title[$1], $2, $3, $3 == "-" ? "" : $4 }' \
    "$work/guest.txt"
echo
echo "All samples: $samples; the table: $work/core.csv"
[ "$strict" != 1 ] || [ $((over + guest)) -eq 0 ]
