#!/bin/bash
# What a machine costs its host while it has nothing to do, and while traffic comes in
# bursts: seconds of CPU (user and system) of the QEMU process, or of the hosted one. Two
# CPUs and 512 MiB, as in Toro's experiment of 2018.
#
#   bench_power.sh CHART     writes CHART (SVG), prints the tables of docs/power.md
#
# BURSTS=4 ON=5 OFF=5 (s) IDLE=10 (s) RATE=200 (requests a second in a burst)
cd "$(dirname "$0")/../.." || exit 1
build="${BUILD:-build}"
chart="${1:?bench_power.sh CHART}"
bursts="${BURSTS:-4}" on="${ON:-5}" off="${OFF:-5}" idle="${IDLE:-10}" rate="${RATE:-200}"
work=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

die() {
    echo "bench_power.sh: $*" >&2
    cat "$work/log" >&2
    exit 2
}

port=28080
while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done

# The process that has the machine, in ticks of the clock since its start.
ticks=$(getconf CLK_TCK)
used() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$(cat "$work/pid")/stat"; }

# boot MACHINE OPTIONS: the web server, until it serves.
boot() {
    rm -f "$work/pid"
    if [ "$1" = hosted ]; then
        # shellcheck disable=SC2086 # words
        "$build/host/webserver" --cpus 2 --mem 512m --disk "$work/site.img" \
            --net "user,hostfwd=tcp:127.0.0.1:$port-:80" -- $2 >"$work/log" 2>&1 </dev/null &
        server=$!
        echo $server >"$work/pid"
    else
        tools/qemu.sh --machine "$1" --cpus 2 --mem 512 --disk "$work/site.img" \
            --forward "$port" --kernel "$build/metal/webserver.elf" --append "$2" \
            -- -pidfile "$work/pid" >"$work/log" 2>&1 </dev/null &
        server=$!
    fi
    local end=$((SECONDS + 120))
    until curl -s -o /dev/null --max-time 5 "http://127.0.0.1:$port/"; do
        [ $SECONDS -lt $end ] && kill -0 $server 2>/dev/null || die "no server: $*"
        sleep 0.2
    done
    sleep 3 # what the start has left to do
}

halt() {
    kill "$(cat "$work/pid")"
    wait $server 2>/dev/null
}

# ---- Nothing to do ---------------------------------------------------------------------

nothing() { # MACHINE OPTIONS
    local before after
    boot "$1" "$2"
    before=$(used)
    sleep "$idle"
    after=$(used)
    halt
    awk -v machine="$1" -v options="$2" -v n=$((after - before)) -v hz="$ticks" -v s="$idle" \
        'BEGIN { printf "| %s | `%s` | %.1f ms |\n", machine, options, n / hz / s * 1000 }'
}

# ---- Bursts ----------------------------------------------------------------------------

# Half a second's use of the CPU, again and again: "TIME PERCENT".
sample() {
    local last now at=0
    last=$(used)
    while sleep 0.5; do
        now=$(used) || break
        at=$((at + 1))
        echo "$((at * 5)) $(((now - last) * 200 / ticks))"
        last=$now
    done 2>/dev/null
}

# Requests at that rate for ON seconds, over one connection in five of a second.
burst() {
    local i urls=() pids=()
    for ((i = 0; i < rate / 5; i++)); do urls+=(-o /dev/null "http://127.0.0.1:$port/"); done
    local end=$((SECONDS + on))
    while [ $SECONDS -lt $end ]; do
        curl -s --max-time 30 "${urls[@]}" -w '%{http_code}\n' >>"$work/codes" &
        pids+=($!)
        sleep 0.2
    done
    wait "${pids[@]}"
    return 0
}

run_bursts() { # NAME MACHINE OPTIONS
    local name="$1" i before in_burst=0 in_pause=0 sampler
    boot "$2" "$3"
    : >"$work/codes"
    sample >"$work/$name.samples" &
    sampler=$!
    for ((i = 0; i < bursts; i++)); do
        before=$(used)
        sleep "$off"
        in_pause=$((in_pause + $(used) - before))
        before=$(used)
        burst
        in_burst=$((in_burst + $(used) - before))
    done
    kill $sampler
    wait $sampler 2>/dev/null
    halt
    awk -v machine="$2" -v options="$3" -v b=$in_burst -v p=$in_pause -v hz="$ticks" \
        -v pause=$((bursts * off)) '$1 == 200 { n++ } END {
        printf "| %s | `%s` | %d | %.2f s | %.2f ms | %.1f ms |\n", machine, options, n,
            b / hz, n == 0 ? 0 : b / hz / n * 1000, p / hz / pause * 1000 }' "$work/codes"
}

mkdir "$work/site"
echo '<h1>root</h1>' >"$work/site/index.html"
tools/mkimg/mkimg.sh ext2 --dir "$work/site" --out "$work/site.img" >"$work/log" || die "no disk"

echo "| machine | options | CPU a second, idle |"
echo "|---|---|---|"
for machine in microvm pc q35 hosted; do
    for options in poll=0 poll=1000; do nothing $machine $options; done
done
echo
echo "| machine | options | requests | CPU in bursts | of a request | CPU a second between |"
echo "|---|---|---|---|---|---|"
run_bursts "0-poll=0" microvm poll=0
run_bursts "1-poll=200" microvm poll=200
run_bursts "2-poll=1000" microvm poll=1000
run_bursts "3-hosted,_poll=0" hosted poll=0
for file in "$work"/*.samples; do
    awk -v name="$(basename "$file" .samples)" '{ print name, $1, $2 }' "$file"
done | awk -v out="$chart" -v on="$on" -v off="$off" -f tools/power/chart.awk
