#!/bin/bash
# Guest instructions of a load by function and by room: docs/profile.md.
#
#   profile.sh APP
#
# Boots build/metal/APP.elf in QEMU under tools/profile/plugin.c and prints a table;
# beside it are written build/profile/APP.csv, .stacks and .svg. What LOAD is, depends
# on the application:
#   a server (webserver, or LOAD is given): get, new, big, missing; keep, close: GETs of
#            12 bytes as fast as the answers come, 16 at a time, on 16 connections or
#            each on its own; or a shell command, which is told PORT and URL, and run
#            REQUESTS times; boot: until it serves
#   bench    the name of one of its loads: what it does between its marks
#   others   no load: all that app_main() does
# In the environment:
#   LOAD; REQUESTS (200); WARMUP (20): requests before those that count
#   RATE (100/s; empty: as fast as the answers come): get, new, big, missing
#   CPUS, MEM (MiB), MACHINE, DIR (the site), ARGS (the command line)
#   TOP (25): rows; OUT: a prefix instead of build/profile/APP
#   TAP (1): a tap in a network namespace, which needs root: the card sums and cuts up
#            what is sent; else QEMU's user network, which does neither
#   QUEUES: of the card on the tap; with MACHINE=q35 CARD=virtio-net-pci
#   READY (serving): what a server says when it serves; ALSO: more words for QEMU
cd "$(dirname "$0")/../.." || exit 2
build="${BUILD:-build}"
app="$1"
load="$LOAD"
image="$build/metal/$app.elf"
work="$build/profile"
out="${OUT:-$work/$app}"
plugin="$work/plugin.so"
[ -z "$TAP" ] || [ -n "$PROFILE_NETNS" ] || PROFILE_NETNS=1 exec unshare -n "tools/profile/profile.sh" "$@"
site="${DIR:-apps/$app/www}"
requests="${REQUESTS:-200}"
warmup="${WARMUP:-20}"
rate="${RATE-100/s}"
title=
child=
read -ra also <<<"$ALSO"

die() {
    echo "profile: $*" >&2
    exit 1
}

address() { # FUNCTION: empty when the image has none of this name
    nm "$image" | awk -v name="$1" '$3 == name { print $1; exit }'
}

# Made anew when a source is newer.
make_plugin() {
    local source sources=(tools/profile/{plugin,decode,shadow,tree}.c)
    for source in "${sources[@]}" tools/profile/*.h tools/qemu_plugin.h; do
        [ "$source" -nt "$plugin" ] || continue
        gcc -std=c11 -D_GNU_SOURCE -I. -O2 -shared -fPIC -o "$plugin.$$" \
            "${sources[@]}" && mv "$plugin.$$" "$plugin" || exit 2
        return
    done
}

# boot WHEN-TO-COUNT QEMU.SH OPTIONS...
boot() {
    local arguments="$1"
    shift
    arguments="$(realpath "$plugin"),functions=$out.functions,out=$out.counts,traps=$traps,$arguments"
    rm -f "$out.counts"
    timeout 900 tools/qemu.sh --count --machine "${MACHINE:-microvm}" \
        --cpus "${CPUS:-1}" --mem "${MEM:-64}" --kernel "$image" "$@" \
        -- -plugin "$arguments" "${also[@]}" >"$out.log" 2>&1 </dev/null &
    child=$!
    trap 'kill $child 2>/dev/null; wait $child 2>/dev/null' EXIT
}

report() { # REQUESTS
    [ -s "$out.counts" ] || {
        cat "$out.log"
        die "the machine has counted nothing"
    }
    echo "$1" >"$out.requests"
    tools/profile/report.pl --profile "$out" --requests "$1" --title "$title" \
        --top "${TOP:-25}" || exit 1
    echo
    echo "$out.csv, $out.stacks, $out.svg"
}

# ---- Servers ----------------------------------------------------------------------

free_port() {
    local port
    for port in $(shuf -n 50 -i 30000-39999); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || {
            echo "$port"
            return
        }
    done
    die "no free port"
}

await_ready() {
    local end=$((SECONDS + 120))
    while [ $SECONDS -lt $end ]; do
        grep -q -- "${READY:-serving}" "$out.log" && return
        kill -0 "$child" 2>/dev/null || break
        sleep 0.1
    done
    cat "$out.log"
    die "the server does not come up"
}

# Gets of one file, by one process, not faster than the rate. Each answer is looked at.
get() { # COUNT FILE STATUS BYTES CONNECTIONS [CURL OPTIONS...]
    local count="$1" file="$2" status="$3" bytes="$4" connections="$5" i
    shift 5
    for ((i = 0; i < count; i++)); do
        printf 'url = "%s"\noutput = /dev/null\n' "$URL/$file"
    done >"$out.urls"
    curl -s ${rate:+--rate "$rate"} --max-time 300 -w '%{http_code} %{size_download} %{num_connects}\n' \
        "$@" -K "$out.urls" |
        awk -v status="$status" -v bytes="$bytes" -v count="$count" \
            -v connections="$connections" '
            $1 == status && (bytes == "any" || $2 == bytes) { good++; connects += $3 }
            END { exit !(NR == count && good == count && connects == connections) }' ||
        die "not every request for $file was answered as it should be"
}

# The same by ab, many at a time.
many() { # COUNT AB OPTIONS...
    local count="$1"
    shift
    ab -q -s 300 -c 16 -n "$count" "$@" "$URL/${PAGE-profile-12.txt}" >"$out.ab" 2>&1 &&
        awk -v count="$count" '/^Complete requests:/ { done = $3 }
            /^Failed requests:/ { failed = $3 }
            /^Non-2xx responses:/ { failed += $3 }
            END { exit !(done == count && failed == 0) }' "$out.ab" || {
        cat "$out.ab"
        die "not every request was answered as it should be"
    }
}

run_load() { # COUNT
    local i
    case "$load" in
    get) get "$1" profile-1k.bin 200 1024 1 ;;
    new) get "$1" profile-1k.bin 200 1024 "$1" -H "Connection: close" ;;
    big) get "$1" profile-1m.bin 200 1048576 1 ;;
    keep) many "$1" -k ;;
    close) many "$1" ;;
    missing) get "$1" profile-none.bin 404 any 1 ;;
    *)
        for ((i = 0; i < $1; i++)); do
            PORT=$PORT URL=$URL bash -c "$load" >/dev/null || die "the load failed: $load"
        done
        ;;
    esac
}

profile_server() {
    local with_disk=()
    load="${load:-get}"
    title="$app, $load"
    rm -rf "$out.site"
    mkdir -p "$out.site"
    if [ -d "$site" ]; then
        cp -r "$site/." "$out.site/"
    fi
    printf 'twelve bytes' >"$out.site/profile-12.txt"
    head -c 1024 /dev/zero >"$out.site/profile-1k.bin"
    head -c 1048576 /dev/zero >"$out.site/profile-1m.bin"
    tools/mkimg/mkimg.sh ext2 --dir "$out.site" --out "$out.img" || exit 2
    [ "$load" = boot ]
    echo $(($? == 0)) >"$out.window"
    if [ -n "$TAP" ]; then
        PORT=80
        URL="http://10.0.2.15"
        ip link set lo up
        # shellcheck disable=SC2086 # perhaps no word
        ip tuntap add tap0 mode tap vnet_hdr ${QUEUES:+multi_queue} && ip addr add 10.0.2.2/24 dev tap0 &&
            ip link set tap0 up || die "no tap can be made"
        also+=(-netdev "tap,id=net0,ifname=tap0,script=no,downscript=no,vnet_hdr=on${QUEUES:+,queues=$QUEUES}"
            -device "${CARD:-virtio-net-device},netdev=net0${QUEUES:+,mq=on,vectors=$((2 * QUEUES + 2))}")
        boot "window=$out.window" --no-net --disk "$out.img" --append "$ARGS"
    else
        PORT=$(free_port) || exit 2
        URL="http://127.0.0.1:$PORT"
        boot "window=$out.window" --disk "$out.img" --forward "$PORT" --append "$ARGS"
    fi
    await_ready
    if [ "$load" = boot ]; then
        printf 0 1<>"$out.window"
        kill "$child"
        wait "$child"
        report 1
        return
    fi
    run_load "$warmup"
    sleep 0.5
    printf 1 1<>"$out.window"
    run_load "$requests"
    sleep 0.3
    printf 0 1<>"$out.window"
    kill "$child"
    wait "$child"
    report "$requests"
}

# ---- What ends by itself -------------------------------------------------------------

await_end() {
    wait "$child" || {
        cat "$out.log"
        die "$app failed"
    }
}

# Two CPUs: some of its loads need them.
profile_bench() {
    load="${load:-yield}"
    title="$app, $load"
    CPUS="${CPUS:-2}" boot "begin=$(address bench_begin),end=$(address bench_end)" \
        --no-net --append "-- $load"
    await_end
    requests=$(tr -d '\r' <"$out.log" | awk -v load="$load" '$1 == "bench" && $2 == load { n += $3 } END { if (n) print n }')
    [ -n "$requests" ] || die "bench has no load $load"
    report "$requests"
}

profile_all() {
    title="$app, app_main()"
    boot "begin=$(address app_main),end=$(address machine_exit)" --no-net --append "$ARGS"
    await_end
    report 1
}

[ -f "$image" ] || die "there is no $image: make it, or give another APP"
mkdir -p "$work" "$(dirname "$out")"
tools/profile/report.pl --functions "$image" >"$out.functions" || exit 2
traps=$(address trap_stubs)
make_plugin
if [ -n "$(address bench_begin)" ]; then
    profile_bench
elif [ "$app" = webserver ] || [ -n "$load" ]; then
    profile_server
else
    profile_all
fi
