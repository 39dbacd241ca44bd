#!/bin/bash
# gdb with tools/gdb/torc.py, attached to a machine that has not executed anything yet.
#
#   debug.sh APP [--cpus N] [--mem MIB] [--machine M] [--disk FILE] [--append TEXT] [-- GDB OPTIONS]
#   debug.sh --host APP [OPTIONS OF THE PROCESS]  the same for the hosted machine
#
# What the machine prints goes to build/debug.log. gdb stops at main() of the application.
cd "$(dirname "$0")/.." || exit 1
build="${BUILD:-build}"

if [ "$1" = --host ]; then
    app="$2"
    shift 2
    exec gdb -q -x tools/gdb/torc.py -ex 'handle SIGPROF SIGRTMIN nostop noprint pass' \
        -ex 'tbreak app_main' -ex run --args "$build/host/$app" "$@"
fi
app="$1"
shift
machine=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    machine+=("$1")
    shift
done
[ "$1" = -- ] && shift
dir=$(mktemp -d) || exit 1
tools/qemu.sh --kernel "$build/metal/$app.elf" "${machine[@]}" -- \
    -S -gdb "unix:$dir/gdb,server=on,wait=off" >"$build/debug.log" 2>&1 &
qemu=$!
trap 'kill $qemu 2>/dev/null; wait $qemu; rm -rf "$dir"' EXIT
for _ in $(seq 100); do
    [ -S "$dir/gdb" ] && break
    kill -0 $qemu 2>/dev/null || break
    sleep 0.1
done
[ -S "$dir/gdb" ] || {
    cat "$build/debug.log"
    exit 1
}
gdb -q -x tools/gdb/torc.py -ex "target remote $dir/gdb" -ex 'tbreak app_main' \
    -ex continue "$@" "$build/metal/$app.elf"
