#!/bin/bash
# Goodput of our TCP over bad cables, beside the kernel's (CUBIC, SACK) behind the
# same forwarder (tests/bench/forward.c): docs/bench.md.
#
# The client is always the kernel's; "get" is a download from the server, "put" an
# upload to it. Prints a line "ROW TORC KERNEL RATIO ok|over" for each row, in
# Mbit/s: medians over the rounds, in which both take turns with the same seed.
# With STRICT=1 it exits 1 when a ratio is below 0.95; 2 when nothing was measured.
#   ROWS="get-1% ..." ROUNDS=5 SECONDS_MAX=6 CAPTURE=DIRECTORY
# CAPTURE keeps the frames of Torc's card, and what Torc has logged.
cd "$(dirname "$0")/.." || exit 2
build="${BUILD:-build}"
work="$build/bench"
rounds="${ROUNDS:-5}"
limit="${SECONDS_MAX:-6}"
samples="$work/net.samples"

# NAME|MEGABYTES|OPTIONS OF THE FORWARDER. "delay" is half of a round trip.
cables='
clean|400|
20ms-100M|60|delay=10000 rate=100
100ms-100M|60|delay=50000 rate=100
100ms-1G|400|delay=50000 rate=1000 queue=8000
loss-0.1%|300|loss=10
loss-1%|150|loss=100
loss-5%|20|loss=500
loss-0.1%-20ms|60|loss=10 delay=10000
loss-1%-20ms|20|loss=100 delay=10000
loss-5%-20ms|6|loss=500 delay=10000
reorder-5%-20ms|60|reorder=500 late=4000 delay=10000
reorder-30%|150|reorder=3000 late=300
twice-5%-20ms|60|twice=500 delay=10000
vanish-1400-20ms|60|largest=1400 delay=10000 rate=100
mixed-20ms|10|loss=200 twice=200 reorder=500 late=4000 delay=10000
'

fail() {
    echo "bench_net: $*" >&2
    exit 2
}

if [ "$1" != --inside ]; then
    mkdir -p "$work"
    user=$([ "$(id -u)" -eq 0 ] || echo --map-root-user)
    # shellcheck disable=SC2086 # perhaps no word
    [ -r /dev/net/tun ] && unshare $user --net true 2>/dev/null ||
        fail "no right to make a tap"
    # shellcheck disable=SC2086
    exec unshare $user --net "$0" --inside
fi

own=() # processes
stop() {
    [ ${#own[@]} -eq 0 ] || kill "${own[@]}" 2>/dev/null
}
trap stop EXIT

# A namespace that lives as long as a process in it; and a command in it.
namespace() { # NAME OF A VARIABLE
    unshare --net sleep 86400 &
    own+=($!)
    printf -v "$1" %s $!
    while [ "$(readlink "/proc/$!/ns/net")" = "$(readlink /proc/self/ns/net)" ]; do
        sleep 0.01
    done
}
in_ns() { # PID COMMAND...
    local pid=$1
    shift
    nsenter -t "$pid" -n -- "$@"
}

# The kernel's TCP as it comes, but for windows that the longest path needs, without
# memory of earlier connections, and with a search for what passes where full segments
# vanish (RFC 4821).
tune() {
    in_ns "$1" sh -c 'cd /proc/sys/net/ipv4
        echo 1 >tcp_no_metrics_save
        echo 1 >tcp_mtu_probing
        echo 4096 131072 67108864 >tcp_rmem; echo 4096 16384 67108864 >tcp_wmem
        echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
}
address() { # NAMESPACE INTERFACE OWN-NUMBER
    ip link set "$2" netns "$1"
    in_ns "$1" ip link set "$2" address 02:00:00:09:09:0"$3" txqueuelen 20000 up
    in_ns "$1" ip addr add 10.9.9."$3"/24 dev "$2"
}

# Start the forwarder between tap "client" and an END, with the options of a cable.
cable() { # END OPTIONS...
    rm -f "$work/net.forward"
    "$work/forward" tap:client "$@" >"$work/net.forward" &
    forwarder=$!
    until grep -qs ready "$work/net.forward"; do
        kill -0 $forwarder 2>/dev/null || fail "no forwarder"
        sleep 0.01
    done
    address "$client_ns" client 1
}
uncable() {
    kill $forwarder && wait $forwarder
}

# Prints Mbit/s.
transfer() { # get|put NUMBER-OF-SERVER MEGABYTES
    in_ns "$client_ns" "$work/net_peer" "$1" 10.9.9."$2" 80 $(($3 * 1000000)) \
        "$limit" | awk '{ print $1 * 8 / 1e6 / $2; n++ } END { exit n != 1 }'
}

with_torc() { # get|put MEGABYTES SEED OPTIONS...
    local way=$1 size=$2 seed=$3 torc
    shift 3
    cable raw:torc "seed=$seed" "$@"
    "$work/net_host" ${CAPTURE:+--pcap "$CAPTURE/$row.pcap,snap=120"} --mem 768m --net tap=torc,plain -- 10.9.9.3/24 \
        >"$work/net.log" 2>&1 &
    torc=$!
    until in_ns "$client_ns" ping -c1 -W1 -q 10.9.9.3 >/dev/null 2>&1; do
        kill -0 $torc 2>/dev/null || { cat "$work/net.log" >&2; fail "no net_host"; }
    done
    transfer "$way" 3 "$size"
    [ -z "$CAPTURE" ] || sleep 0.5 # the counters are logged at the end
    kill $torc
    wait $torc 2>/dev/null
    [ -z "$CAPTURE" ] || cat "$work/net.log" "$work/net.forward" >"$CAPTURE/$row.log"
    uncable
}
with_kernel() {
    local way=$1 size=$2 seed=$3
    shift 3
    cable tap:server "seed=$seed" "$@"
    address "$server_ns" server 2
    transfer "$way" 2 "$size"
    uncable
}

ip link set lo up
ip tuntap add dev torc mode tap || fail "no tap"
echo 1 >/proc/sys/net/ipv6/conf/torc/disable_ipv6
ip link set torc txqueuelen 20000 up
namespace client_ns
namespace server_ns
tune "$client_ns"
tune "$server_ns"
nsenter -t "$server_ns" -n -- "$work/net_peer" serve 80 & # not in_ns: its process
own+=($!)

: >"$samples"
for round in $(seq "$rounds"); do
    while IFS='|' read -r name size options; do
        for way in get put; do
            row="$way-$name"
            [ -n "$name" ] || continue
            [ -z "$ROWS" ] || [[ " $ROWS " == *" $row "* ]] || continue
            # shellcheck disable=SC2086
            torc=$(with_torc $way "$size" "$round" $options)
            # shellcheck disable=SC2086
            kernel=$(with_kernel $way "$size" "$round" $options)
            [ -n "$torc" ] && [ -n "$kernel" ] || fail "$row: nothing was measured"
            echo "$row $torc $kernel" >>"$samples"
        done
    done <<<"$cables"
done
awk -v strict="${STRICT:-0}" '
    function median(list, count,   i, j, t) {
        for (i = 2; i <= count; i++)
            for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
                t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
            }
        return (list[int((count + 1) / 2)] + list[int(count / 2) + 1]) / 2
    }
    { if (!($1 in seen)) names[++n] = $1; c = ++seen[$1]; t[$1, c] = $2; k[$1, c] = $3 }
    END {
        for (i = 1; i <= n; i++) {
            name = names[i]
            for (c = 1; c <= seen[name]; c++) {
                a[c] = t[name, c]; b[c] = k[name, c]
            }
            torc = median(a, seen[name]); kernel = median(b, seen[name])
            verdict = torc / kernel < 0.95 ? "over" : "ok"
            if (verdict == "over") over++
            printf "%s %.1f %.1f %.2f %s\n", name, torc, kernel, torc / kernel, verdict
        }
        if (n == 0) exit 2
        exit strict == 1 && over > 0
    }' "$samples"
