#!/bin/bash
# Attacks beside honest clients, in a network namespace: docs/attacks.md.
#
#   run.sh [ROW...]      all rows of `rows`, or those named
#
# For each row a hosted server on a tap, honest clients alone for SECONDS (default 8),
# then as long beside the attack. Prints
#
#   ROW SERVED FAILED SHARE QUIET-P50 QUIET-P99 P50 P99 RATIO ok|over REACHED
#
# times in us; "over": fewer than 99.9 % served, or p99 more than twice the quiet one.
# STRICT=1 exits with 1 then. SHORT=1 for CI: one start of each server, no quiet time;
# the share alone is judged. Exits with 77 where the machine refuses a namespace or a
# tap, with 1 when anything else keeps it from measuring: a server that ends, no such ROW.
cd "$(dirname "$0")/../.." || exit 1
PATH="$PATH:/usr/sbin:/sbin"
build="${BUILD:-build}"
work="${WORK:-$build/attack}"
seconds="${SECONDS_EACH:-8}"
clients="${CLIENTS:-4}"
settle="${SETTLE:-4}" # until the attack stands, s

# ROW|SERVER|ATTACK AND ITS OPTIONS
rows='
syn|webserver|syn
syn-silent|webserver|syn-silent
syn-hello|hello_service|syn
slow-heads|webserver|slow-heads
slow-heads-1|webserver|slow-heads sources=1
slow-heads-near|webserver|slow-heads near=1
slow-heads-hello|hello_service|slow-heads
one-byte|webserver|one-byte
one-byte-1|webserver|one-byte sources=1
zero-window|webserver|zero-window
slow-readers|webserver|slow-readers
slow-readers-1|webserver|slow-readers sources=1
fast-readers|webserver|fast-readers
hole|webserver|hole
no-fin|webserver|no-fin
no-ack|webserver|no-ack
fragments|webnode|fragments
arp|webserver|arp
icmp|webserver|icmp
nd|webnode|nd to6=fd77::2
'

fail() {
    echo "attack: $*" >&2
    exit 1
}
refused() {
    echo "attack: $*" >&2
    exit 77
}

if [ "$1" != --inside ]; then
    for name in "$@"; do
        [[ $rows == *$'\n'"$name|"* ]] || fail "no row $name"
    done
    for tool in unshare ip curl; do
        command -v $tool >/dev/null || fail "$tool is missing: run make deps"
    done
    mkdir -p "$work"
    user=$([ "$(id -u)" -eq 0 ] || echo --map-root-user)
    # shellcheck disable=SC2086 # perhaps no word
    [ -r /dev/net/tun ] && unshare $user --net true 2>/dev/null ||
        refused "no right to make a namespace with a tap"
    # shellcheck disable=SC2086
    exec unshare $user --net "$0" --inside "$@"
fi
shift
names=" $* "

server=
own=()
stop() {
    [ ${#own[@]} -eq 0 ] || { kill "${own[@]}" 2>/dev/null; wait "${own[@]}" 2>/dev/null; }
    own=()
}
trap stop EXIT

make_site() {
    mkdir -p "$work/site"
    [ -s "$work/site.img" ] && return
    echo '<h1>honest</h1>' >"$work/site/index.html"
    head -c 20971520 /dev/zero >"$work/site/big.bin"
    printf 'Hello World!\n' >"$work/hello.txt"
    tools/mkimg/mkimg.sh ext2 --dir "$work/site" --out "$work/site.img" >/dev/null ||
        fail "no image"
}

make_link() {
    ip link set lo up
    ip tuntap add dev torc0 mode tap || refused "no right to make a tap"
    ip address add 10.77.0.1/16 dev torc0
    ip address add fd77::1/64 dev torc0 nodad 2>/dev/null
    ip link set torc0 txqueuelen 5000 up
    # The honest clients close first: each port waits for a minute.
    echo 1024 65535 >/proc/sys/net/ipv4/ip_local_port_range
    echo 1 >/proc/sys/net/ipv4/tcp_tw_reuse
}

start_server() { # NAME
    local disk=(--disk "$work/site.img,ro") words=(net=10.77.0.2/16,10.77.0.1)
    [ "$server" != "$1" ] || { [ -n "$SHORT" ] && return; }
    stop
    server="$1"
    [ "$1" = hello_service ] && disk=()
    [ "$1" = webnode ] && words+=(net6=fd77::2/64,fd77::1)
    for _ in $(seq 600); do
        # The tap of the last one is free a moment after its end.
        [ ${#own[@]} -gt 0 ] && kill -0 "${own[0]}" 2>/dev/null || {
            "$build/host/$1" --mem 64m "${disk[@]}" --net tap=torc0 -- "${words[@]}" \
                >"$work/$row.server" 2>&1 </dev/null &
            own=($!)
        }
        curl -s -o /dev/null --max-time 10 http://10.77.0.2:80/ && return
        kill -0 "${own[0]}" 2>/dev/null ||
            grep -q 'used by another process' "$work/$row.server" || break
        sleep 0.1
    done
    cat "$work/$row.server" >&2
    fail "$1 does not serve"
}

honest() { # SECONDS
    local path=/index.html file="$work/site/index.html"
    [ "$server" = hello_service ] && path=/ file="$work/hello.txt"
    "$build/attack/honest" 10.77.0.2 80 "$1" "$clients" $path "$file" \
        2>>"$work/$row.failures"
}

over=0
measure() { # ROW SERVER WORDS...
    local row="$1" quiet=- beside
    start_server "$2"
    shift 2
    rm -f "$work/$row.failures"
    [ -n "$SHORT" ] || quiet=$(honest "$seconds")
    # The clients begin when the attack stands.
    "$build/attack/attack" torc0 10.77.0.2 600 "$@" >"$work/$row.attack" 2>&1 &
    attacker=$!
    sleep "$settle"
    beside=$(honest "$seconds")
    kill -0 $attacker 2>/dev/null || fail "$row: $(cat "$work/$row.attack")"
    kill $attacker
    wait $attacker
    kill -0 "${own[0]}" || { cat "$work/$row.server" >&2; fail "$row: the server has ended"; }
    awk -v row="$row" -v quiet="$quiet" -v beside="$beside" -v reached="$(cat "$work/$row.attack")" '
        BEGIN {
            split(quiet, q); split(beside, b)
            share = b[2] * 100 / (b[2] + b[4] + (b[2] + b[4] == 0))
            ratio = q[8] > 0 ? b[8] / q[8] : 0
            bad = share < 99.9 || ratio > 2
            printf "%-17s %7d %5d %7.3f %6s %6s %6d %7d %6.2f %s  %s\n", row, b[2], b[4],
                share, q[6], q[8], b[6], b[8], ratio, bad ? "over" : "ok", reached
            exit bad
        }' || over=1
}

make_site
make_link
printf '%-17s %7s %5s %7s %6s %6s %6s %7s %6s\n' row served fail share q-p50 q-p99 p50 p99 ratio
while IFS='|' read -r name program words; do
    [ -n "$name" ] || continue
    [ "$names" = "  " ] || [[ $names == *" $name "* ]] || continue
    # shellcheck disable=SC2086 # words
    measure "$name" "$program" $words
done <<<"$rows"
[ "${STRICT:-0}" = 0 ] && [ -z "$SHORT" ] || exit $over
