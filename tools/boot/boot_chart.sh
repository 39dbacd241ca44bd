#!/bin/bash
# Boot time by phase: docs/boot.md. Counts the guest's instructions from the entry of the
# image to the application's main(), on some machines, and draws them.
#
#   boot_chart.sh OUT.svg    also prints the table
#
# The marks are functions of the image, so the image has nothing for it. A phase ends where
# the next one's function begins.
cd "$(dirname "$0")/../.." || exit 2
build="${BUILD:-build}"
work="$build/boot"
out="${1:-$work/boot.svg}"
image="$build/metal/webserver.elf"
mkdir -p "$work"
gcc -std=c11 -D_GNU_SOURCE -I. -O2 -shared -fPIC -o "$work/marks.so" tools/boot/marks.c || exit 2

# FUNCTION PHASE, in the order of the boot.
phases='pvh_entry entry
hal_start loader
tables_read tables
paging_init memory
cpu_init cpu
lapic_init interrupts
clock_init clock
rtc_init calendar
kernel_main kernel
main_thread other_CPUs
vfs_init files
rng_probe drivers
site_main application'

marks=$(while read -r function phase; do
    address=$(nm "$image" | awk -v f="$function" '$3 == f { print $1; exit }')
    [ -n "$address" ] || {
        echo "boot_chart.sh: $image has no function $function" >&2
        exit 2
    }
    printf ',%s=%s' "$phase" "$address"
done <<<"$phases") || exit 2

truncate -s 1M "$work/disk.img"
boot() { # NAME QEMU.SH OPTIONS...
    local name="$1"
    shift
    timeout 100 tools/qemu.sh --count --kernel "$image" --disk "$work/disk.img" "$@" \
        -plugin "$(realpath "$work/marks.so")$marks" -d plugin -D "$work/$name.marks" \
        >"$work/$name.log" 2>&1 # it ends with an error: there is no file system
    grep -q '^mark application' "$work/$name.marks" || {
        cat "$work/$name.log"
        exit 2
    }
}
boot microvm-1 --machine microvm --cpus 1 --
boot microvm-2 --machine microvm --cpus 2 --
boot microvm-8 --machine microvm --cpus 8 --mem 128 --
boot pc-1 --machine pc --cpus 1 --
boot q35-1 --machine q35 --cpus 1 --

for name in microvm-1 microvm-2 microvm-8 pc-1 q35-1; do
    awk -v name="$name" '$1 == "mark" { print name, $2, $4 }' "$work/$name.marks"
done | awk -v out="$out" -f tools/boot/chart.awk
