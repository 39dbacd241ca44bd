# Memory that goes back to the host: docs/balloon.md. A part of run.sh.

# balloon_rss: what QEMU has of the host's memory, in MiB.
balloon_rss() {
    awk '$1 == "VmRSS:" { print int($2 / 1024) }' "/proc/$balloon_qemu/status"
}

# balloon_type LINE LOG: and wait until the application has done it.
balloon_type() {
    local before
    before=$(grep -c '^done' "$2")
    echo "$1" >&5
    local end=$((SECONDS + 120))
    while [ $SECONDS -lt $end ]; do
        [ "$(grep -c '^done' "$2")" -gt "$before" ] && return
        sleep 0.1
    done
    cat "$2"
    die "no end of: $1"
}

# balloon_done LOG: how many MiB the last command was about.
balloon_done() {
    tr -d '\r' <"$1" | sed -n 's/^done: \([0-9]*\) MiB/\1/p' | tail -n 1
}

# balloon_rss_until OPERATOR MIB: two minutes long.
balloon_rss_until() {
    local end=$((SECONDS + 120))
    while [ $SECONDS -lt $end ]; do
        [ "$(balloon_rss)" "$1" "$2" ] && return
        sleep 0.2
    done
    die "QEMU has $(balloon_rss) MiB, not $1 $2"
}

# balloon_until MIB: what the monitor says that the machine has.
balloon_until() {
    local end=$((SECONDS + 120))
    while [ $SECONDS -lt $end ]; do
        qmp query-balloon
        [[ $answer == *"\"actual\": $(($1 << 20))}"* ]] && return
        sleep 0.2
    done
    die "the balloon: $answer, not $1 MiB"
}

# balloon_machine MACHINE DEVICE [ARGUMENT...]: 256 MiB, with two CPUs.
balloon_machine() {
    local machine="$1" device="$2" port log="$work/$TEST_NAME.log.$1" pipe
    shift 2
    pipe="$log.pipe"
    port=$(free_port)
    rm -f "$pipe"
    mkfifo "$pipe"
    timeout 600 tools/qemu.sh --machine "$machine" --cpus 2 --mem 256 --no-net --typed "$pipe" \
        --kernel "$build/metal/balloon_app.elf" -- "$@" -device "$device" \
        -pidfile "$log.pid" -qmp "tcp:127.0.0.1:$port,server=on,wait=off" >"$log" 2>&1 &
    child=$!
    trap 'kill $child 2>/dev/null; wait $child 2>/dev/null' EXIT
    exec 5>"$pipe"
    await_text '^ready' "$log" || { cat "$log"; die "it does not start"; }
    balloon_qemu=$(cat "$log.pid")
    qmp_open "$port"
    local empty full
    empty=$(balloon_rss)
    balloon_type 'use 80' "$log"
    full=$(balloon_rss)
    [ "$full" -ge $((empty + 150)) ] || die "160 MiB in use: $empty, then $full"
    # Free memory goes back by itself, and comes again when it is used.
    balloon_type free "$log"
    balloon_rss_until -le $((empty + 20))
    echo "$machine: $empty MiB, $full with 160 in use, $(balloon_rss) when they are free"
    balloon_type 'use 80' "$log"
    [ "$(balloon_rss)" -ge $((empty + 150)) ] || die "it is in use again: $(balloon_rss)"
    balloon_type free "$log"
    # The host wants half of it.
    qmp balloon '{"value":134217728}'
    balloon_until 128
    balloon_type all "$log"
    balloon_all=$(balloon_done "$log")
    echo "$machine: with 128 MiB in the balloon there are $balloon_all"
    balloon_type free "$log"
    qmp balloon '{"value":268435456}'
    balloon_until 256
    balloon_type all "$log"
    local all
    all=$(balloon_done "$log")
    [ "$all" -ge 200 ] || die "all memory is back: $all MiB"
    echo exit >&5
    wait $child || die "the end of the machine: $?"
}

test_balloon_microvm() {
    balloon_machine microvm virtio-balloon-device,free-page-reporting=on \
        -global virtio-mmio.force-legacy=false
    [ "$balloon_all" -le 127 ] || die "$balloon_all MiB beside the balloon"
}
test_balloon_pci() {
    balloon_machine q35 virtio-balloon-pci,free-page-reporting=on,deflate-on-oom=on
    [ "$balloon_all" -ge 200 ] || die "memory is short: $balloon_all MiB"
    balloon_machine pc virtio-balloon-pci,disable-modern=on,free-page-reporting=on
}
