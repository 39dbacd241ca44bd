#!/bin/bash
# What disks and cards of the hosted machine carry, beside fio (io_uring) on the same
# file and a bare loop of read() and write() on a tap: docs/bench.md.
#
# Prints a line "NAME TORC PEER WHO RATIO BAR ok|over" for each row: operations,
# frames, or bytes of payload (tap-offload) a second. All contenders take turns, each
# on one processor; a figure is the best of the groups, since noise only adds. BAR is
# "-" where there is none. With STRICT=1 it exits 1 when one is over; 2 when nothing
# could be measured.
#   GROUPS_OF=8 MS=800 ROWS="read32 ..." FILE_MIB=256
cd "$(dirname "$0")/.." || exit 2
build="${BUILD:-build}"
work="$build/bench"
program="$work/io_host"
file="$work/io.img"
groups="${GROUPS_OF:-8}"
ms="${MS:-800}"
mib="${FILE_MIB:-256}"
samples="$work/io_host.samples"
processor=$(($(nproc) - 1))
tap=bench0

# ROW|BAR|PEER|FUNCTION ARGUMENTS
rows='
read-4k-1||fio|disk 4096 1 direct
read-4k-32|0.95|fio|disk 4096 32 direct
read-1m-4||fio|disk 1048576 4 direct
cached-4k-1||fio|disk 4096 1
cached-4k-32|0.95|fio|disk 4096 32
cached-1m-4||fio|disk 1048576 4
sorted-read-4k-32||drawn|order read
sorted-write-4k-32||drawn|order write
tap-sent-64|0.9|write()|frames send bare-send 64
tap-sent-1500|0.9|write()|frames send bare-send 1514
tap-received-64|0.9|read()|frames receive bare-receive 64
tap-received-1500|0.9|read()|frames receive bare-receive 1514
tap-offload|4|plain|offload
'

fail() {
    echo "bench_io_host: $*" >&2
    exit 2
}

# Each prints the sample of Torc and that of the peer.
disk() { # BYTES DEPTH [direct]
    local order=randread torc
    [ "$1" -le 4096 ] || order=read
    [ -n "$3" ] || cat "$file" >/dev/null # it is in the cache
    torc=$(sample --disk "$file,ro,engine=uring${3:+,direct}" -- \
        read "$1" "$2" "$ms" $([ $order = read ] && echo seq)) || return 1
    # Batches as large as the depth, as Torc makes them by itself.
    echo "$torc $(taskset -c $processor fio --name=x --filename="$file" --rw=$order \
        --bs="$1" --iodepth="$2" --iodepth_batch_submit="$2" --iodepth_batch_complete_min=1 \
        --iodepth_batch_complete_max="$2" --ioengine=io_uring \
        --direct=$([ -n "$3" ] && echo 1 || echo 0) --runtime="${ms}ms" --time_based \
        --norandommap --randrepeat=0 --invalidate=0 --gtod_reduce=1 --readonly \
        --output-format=terse --terse-version=3 | awk -F';' '{ print $8 }')"
}
sample() {
    taskset -c $processor "$program" "$@" | awk '$1 == "sample" { print $2; n++ } END { exit n != 1 }'
}
order() { # read|write
    local torc=("$file,engine=uring,direct" -- batch "$1")
    echo "$(sample --disk "${torc[@]}" sorted 32 "$ms")" \
        "$(sample --disk "${torc[@]}" drawn 32 "$ms")"
}
frames() { # COMMAND OF-THE-PEER BYTES
    echo "$(sample --net "tap=$tap" -- "$1" "$3" "$ms" $tap)" \
        "$(sample -- "$2" "$3" "$ms" $tap)"
}
offload() {
    # 44 segments of 1460 bytes in each frame, or one.
    echo $((44 * 1460 * $(sample --net "tap=$tap" -- send-long 0 "$ms" $tap))) \
        $((1460 * $(sample --net "tap=$tap,plain" -- send 1514 "$ms" $tap)))
}

# A tap needs a network namespace of its own; without the right to have one its rows
# are left out.
if [ "$1" != --inside ]; then
    mkdir -p "$work"
    user=$([ "$(id -u)" -eq 0 ] || echo --map-root-user)
    # shellcheck disable=SC2086 # perhaps no word
    if [ -r /dev/net/tun ] && unshare $user --net true 2>/dev/null; then
        # shellcheck disable=SC2086
        exec unshare $user --net "$0" --inside tap
    fi
    echo "bench_io_host: no right to make a tap: its rows are left out" >&2
    exec "$0" --inside
fi
if [ "$2" = tap ]; then
    ip tuntap add dev $tap mode tap && ip link set $tap up || fail "no tap"
    echo 1 >/proc/sys/net/ipv6/conf/$tap/disable_ipv6 # it would speak
else
    rows=$(grep -v '^tap' <<<"$rows")
fi
[ -z "$ROWS" ] || rows=$(grep -E "^(${ROWS// /|})\|" <<<"$rows")

[ "$(stat -c %s "$file" 2>/dev/null)" = $((mib << 20)) ] ||
    dd if=/dev/urandom of="$file" bs=1M count="$mib" status=none || exit 2
: >"$samples"
for group in $(seq "$groups"); do
    while IFS='|' read -r row bar peer command; do
        [ -n "$row" ] || continue
        result=$($command) || fail "$row: nothing was measured"
        [ "$(wc -w <<<"$result")" -eq 2 ] || fail "$row: nothing was measured"
        echo "$row ${bar:--} $peer $result" >>"$samples"
    done <<<"$rows"
done
awk -v strict="${STRICT:-0}" '
    { if (!($1 in bar)) names[++n] = $1; bar[$1] = $2; who[$1] = $3 }
    $4 > torc[$1] + 0 { torc[$1] = $4 }
    $5 > peer[$1] + 0 { peer[$1] = $5 }
    END {
        for (i = 1; i <= n; i++) {
            name = names[i]
            ratio = torc[name] / peer[name]
            verdict = bar[name] != "-" && ratio < bar[name] ? "over" : "ok"
            if (verdict == "over") over++
            printf "%s %.0f %.0f %s %.2f %s %s\n", name, torc[name], peer[name], who[name],
                ratio, bar[name], verdict
        }
        exit strict == 1 && over > 0
    }' "$samples"
