#!/bin/bash
# Planted faults: apps/faults dies in each way, as a process and in QEMU. Each must end with
# a status that is not 0, say what it was, and end its report with the function, the file and
# the line that failed; and gdb, opened on the dump, must have a frame at that line.
#
#   run.sh [NAME...]   all, or some of the table below
cd "$(dirname "$0")/../.." || exit 1
build="${BUILD:-build}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
limit=200 # s: only ends what hangs

# name | machines | options | what it says | the function that failed, or one of its callers;
# -: any; lost: neither the report nor gdb can tell who has written over the return address
table='
read           hm |                         | read of page 0        | fault_read
read-there     hm |                         | read of page 0        | fault_read
write          hm |                         | write of text         | fault_write
constant       hm |                         | fault, address .*write | fault_constant
execute        hm |                         | execution of data     | fault_execute
jump           hm |                         | execution of page 0   | fault_jump
smash          hm |                         | execution of page 0   | lost
stack          hm |                         | stack overflow        | fault_stack
alloca         hm |                         | stack overflow        | fault_alloca
assert         hm |                         | assertion failed      | fault_assert
assert-late    hm |                         | assertion failed      | fault_assert_late
assert-header  hm |                         | buf.h:[0-9]*: assertion failed | fault_assert_header
assert-report  hm |                         | report has failed: another panic | fault_assert_report
divide         hm |                         | division error|arithmetic | fault_divide
fp             h  |                         | arithmetic            | fault_fp
x87             m |                         | floating point error  | fault_x87
align          hm |                         | general protection|segmentation | fault_align
canonical      hm |                         | general protection|segmentation | fault_canonical
invalid        hm |                         | invalid instruction   | fault_invalid
uncaught       hm |                         | not caught: the machine|stack overflow | fault_stack
twice          hm | memcheck=1              | freed a second time   | fault_free_twice
twice-there    hm | memcheck=1              | freed a second time|is no block | free_it
overrun        hm | memcheck=1              | was written past      | fault_overrun
deadlock       hm |                         | assertion failed      | lock_right_left|fault_deadlock
stuck          hm | watchdog=20 stuck=end   | does not yield        | fault_stuck
hang-off       hm | watchdog=20 stuck=end   | interrupts off        | fault_hang_off
hang-irq        m | watchdog=20 stuck=end   | interrupts off        | hang
asleep-ready   hm | watchdog=20 stuck=end   | cpu 1 sleeps, and a thread is ready | -
asleep-message hm | watchdog=20 stuck=end   | cpu 1 sleeps, and a message waits  | -
asleep-timer   hm | watchdog=20 stuck=end   | cpu 1 sleeps, and a timer is overdue | -
queue          hm |                         | panic: .*fault        | fault_queue
slot           hm |                         | panic: .*fault        | fault_free_there
corrupt        hm |                         | panic in fault_corrupt | -
caught-corrupt hm |                         | panic in fault_corrupt | -
all            hm |                         | assertion failed      | wait_and_fail|fault_all
noisy          hm |                         | read of page 0        | fault_read
nmi             m |                         | non-maskable interrupt | fault_nmi
breakpoint      m |                         | breakpoint            | fault_breakpoint
machine-check   m |                         | machine check         | fault_machine_check
double          m |                         | double fault          | fault_double
'

# A device that is lost is no panic: its requests end with an error, and the application
# says so. name, or name:card | machines | a line that names the device | status
lost='
lost-disk      hm | error: vda: a read of 1 sectors at 0 has failed | 5
lost-card       m | error: net0: it cannot be reset .*: the card is given up | 5
lost-card:e1000 m | net0: the card has forgotten its set-up | 5
lost-card:e1000e m | net0: the card has forgotten its set-up | 5
lost-card:ne2k_pci m | error: net0: the card .*: it is given up | 5
'

# Dumps to a disk: name | machine, kind of drive | where | KiB of the area | words | what it
# says | the function that gdb finds; -: there is no dump.
dumps='
dump-file      h  -          | vda   | 1024 | stack there        | the dump has          | fault_stack
dump-small     h  -          | vda   | 64   | read               | the area is too small | fault_read
dump-part      h  -          | vda:2 | 512  | read there         | the dump has          | fault_read
dump-nowhere   h  -          | vda   | -    | read               | no area for dumps     | -
dump-virtio    m  microvm:virtio-blk-device | vda   | 1024 | stack there | the dump has | fault_stack
dump-pci       m  pc:virtio-blk-pci         | vda:2 | 512  | all         | the dump has | wait_and_fail
dump-ide       m  pc:ide-hd                 | hda:2 | 512  | corrupt     | ends where the fault was | fault_corrupt
'

die() {
    echo "FAIL $label: $*"
    grep -v '^dump:' "$work/log" | head -60
    failed=$((failed + 1))
}

one() { # MACHINE NAME OPTIONS TEXT FUNCTION
    local image status place words said
    label="$1 $2"
    words="${2%-there}"
    [ "$2" != "$words" ] && [ "$2" != twice-there ] && words="$words there"
    [ "$2" = twice-there ] && words=twice-there
    if [ "$1" = h ]; then
        image="$build/host/faults"
        # shellcheck disable=SC2086 # words
        timeout $limit "$image" --cpus 2 -- dump=console $3 $words >"$work/log" 2>&1 </dev/null
    else
        image="$build/metal/faults.elf"
        timeout $limit tools/qemu.sh --no-net --cpus 2 --mem 32 --kernel "$image" \
            --append "dump=console $3 $words" >"$work/raw" 2>&1
    fi
    status=$?
    [ "$1" = h ] || tr -d '\r' <"$work/raw" >"$work/log"
    [ $status -ne 0 ] && [ $status -ne 124 ] || { die "status $status" && return; }
    grep -qE "$4" "$work/log" || { die "it does not say \"$4\"" && return; }
    place=$(sed -n 's/^panic in \([^ ]*\), \([^ ]*:[0-9]*\)$/\2/p' "$work/log" | tail -1)
    [ -n "$place" ] || { die "no function, file and line at the end" && return; }
    [ "$5" = - ] || [ "$5" = lost ] || grep -qE "^  (in|at) .* ($5)\+0x.*:[0-9]+$" "$work/log" ||
        { die "no frame of $5" && return; }
    said=$(sed -n 's/^panic: \(line \|.*:\)\([0-9]*\): assertion failed.*/\2/p' "$work/log" | head -1)
    [ -n "$said" ] || [[ "$4" != *"assertion failed" ]] || { die "it says no line" && return; }
    if [ -n "$said" ]; then
        # Of a process gcc may tell the line of the function for the call; the text is exact.
        [ "$1" = h ] || [ "$said" = "${place##*:}" ] || { die "it says line $said, and is at $place" && return; }
        sed -n "${said}p" "${place%:*}" | grep -q 'assert(' ||
            { die "no assertion is in line $said of ${place%:*}" && return; }
    fi
    tools/gdb/torc_core.py "$work/log" "$work/core" >"$work/threads" 2>&1 ||
        { die "$(cat "$work/threads")" && return; }
    gdb -q -nx -batch -ex 'bt 30' "$image" "$work/core" >"$work/bt" 2>&1 </dev/null
    [ "$5" = lost ] || grep -qF " at $place" "$work/bt" || grep -qF " at ./$place" "$work/bt" || {
        die "gdb has no frame at $place"
        cat "$work/bt"
        return
    }
    echo "ok   $label: $(sed -n 's/^panic in //p' "$work/log" | tail -1), status $status"
    passed=$((passed + 1))
}

# The disk is gone half a second after it was read: a file that is cut, or a card that is
# pulled out of its slot by the machine itself.
lose() { # MACHINE NAME TEXT STATUS
    local status cutter net=(--no-net) fault="${2%:*}"
    label="$1 $2"
    truncate -s 1M "$work/disk"
    if [ "$1" = h ]; then
        (sleep 0.5; truncate -s 0 "$work/disk") &
        cutter=$!
        timeout $limit "$build/host/faults" --disk "$work/disk" -- "$fault" >"$work/log" 2>&1 </dev/null
        status=$?
        wait $cutter
    else
        [ "$fault" = lost-card ] && net=()
        [ "$fault" = "$2" ] || net=(--card "${2#*:}")
        timeout $limit tools/qemu.sh --machine pc "${net[@]}" --mem 32 --disk "$work/disk" \
            --kernel "$build/metal/faults.elf" --append "$fault" >"$work/raw" 2>&1
        status=$?
        tr -d '\r' <"$work/raw" >"$work/log"
    fi
    [ $status -eq "$4" ] || { die "status $status" && return; }
    grep -qE "$3" "$work/log" || { die "it does not say \"$3\"" && return; }
    echo "ok   $label: $(grep -oE 'faults: (vda|net0).*' "$work/log"), status $status"
    passed=$((passed + 1))
}

dump() { # MACHINE MODEL NAME WHERE KIB WORDS TEXT FUNCTION
    local status image area="$work/disk"
    label="$1 $3"
    rm -f "$work/disk"
    truncate -s 1M "$work/disk"
    if [ "${4#*:}" != "$4" ]; then
        tests/faults/areas.py --disk "$work/disk"
        area="$work/disk:${4#*:}"
    fi
    if [ "$5" != - ]; then
        tools/gdb/torc_core.py --mark "$area" "${5}K" >"$work/log" || { die "no area" && return; }
    fi
    if [ "$1" = h ]; then
        image="$build/host/faults"
        # shellcheck disable=SC2086 # words
        timeout $limit "$image" --cpus 2 --disk "$work/disk" -- dump="$4" $6 >"$work/log" 2>&1 </dev/null
    else
        image="$build/metal/faults.elf"
        timeout $limit tools/qemu.sh --machine "${2%:*}" --drive "${2#*:}" --no-net --cpus 2 --mem 32 \
            --write --disk "$work/disk" --kernel "$image" --append "dump=$4 $6" >"$work/raw" 2>&1
    fi
    status=$?
    [ "$1" = h ] || tr -d '\r' <"$work/raw" >"$work/log"
    [ $status -ne 0 ] && [ $status -ne 124 ] || { die "status $status" && return; }
    grep -qF "$7" "$work/log" || { die "it does not say \"$7\"" && return; }
    if [ "$8" = - ]; then
        cmp -s "$work/disk" <(head -c 1M /dev/zero) || { die "it was written to" && return; }
    else
        tools/gdb/torc_core.py "$area" "$work/core" >"$work/threads" 2>&1 ||
            { die "$(cat "$work/threads")" && return; }
        gdb -q -nx -batch -ex 'bt 30' "$image" "$work/core" >"$work/bt" 2>&1 </dev/null
        grep -q "$8" "$work/bt" || { die "gdb has no frame of $8" && cat "$work/bt" && return; }
    fi
    echo "ok   $label: $(grep -oE "the dump has .* bytes|dump=.*" "$work/log" | tail -1), status $status"
    passed=$((passed + 1))
}

for name in "$@"; do
    grep -q "^$name " <<<"$table$lost$dumps" || { echo "faults: no row $name" >&2; exit 1; }
done
while IFS='|' read -r first options rest; do
    read -r name machines <<<"$first"
    [ -n "$name" ] || continue
    if [ $# -gt 0 ] && ! [[ " $* " == *" $name "* ]]; then
        continue
    fi
    # the last column is behind the last " | "
    function="${rest##* | }" text="${rest% | *}"
    read -r options <<<"$options"
    read -r text <<<"$text"
    read -r function <<<"$function"
    for machine in h m; do
        [[ "$machines" == *$machine* ]] && one $machine "$name" "$options" "$text" "$function"
    done
done <<<"$table"
while IFS='|' read -r first rest; do
    read -r name machines <<<"$first"
    [ -n "$name" ] || continue
    if [ $# -gt 0 ] && ! [[ " $* " == *" $name "* ]]; then
        continue
    fi
    status="${rest##* | }" text="${rest% | *}"
    read -r text <<<"$text"
    for machine in h m; do
        [[ "$machines" == *$machine* ]] && lose $machine "$name" "$text" "$status"
    done
done <<<"$lost"
while IFS='|' read -r first where kib words text function; do
    read -r name machine model <<<"$first"
    [ -n "$name" ] || continue
    if [ $# -gt 0 ] && ! [[ " $* " == *" $name "* ]]; then
        continue
    fi
    read -r where <<<"$where"
    read -r kib <<<"$kib"
    read -r words <<<"$words"
    read -r text <<<"$text"
    read -r function <<<"$function"
    dump "$machine" "$model" "$name" "$where" "$kib" "$words" "$text" "$function"
done <<<"$dumps"
if [ $# -eq 0 ]; then
    label="areas"
    if tests/faults/areas.py >"$work/log" 2>&1; then
        passed=$((passed + 1))
    else
        die "areas.py"
    fi
fi
echo "faults: $passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
