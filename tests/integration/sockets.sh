# Connections that we open, to Linux.

# Linux at the other end of the tap echoes on port 7 of both families, each connection
# until its other side ends.
echo_server() {
    ip address add fd77::1/64 dev torc0 nodad || die "no IPv6 here"
    sysctl -qw net.ipv4.tcp_ecn=1
    rm -f "$work/$TEST_NAME.server" # an earlier run's says "ready", too
    tests/integration/echo_server.py 7 >"$work/$TEST_NAME.server" 2>&1 &
    server=$!
    trap 'kill $server 2>/dev/null; wait $server 2>/dev/null' EXIT
    await_text 'ready' "$work/$TEST_NAME.server" || die "no server"
}

# A FIN was sent, perhaps again.
has_fin() { # FIELD ADDRESS
    [ "$(pcap_frames "$1 == $2 && tcp.flags.fin == 1")" -ge 1 ] || die "no FIN: $1"
}

# Whether datagrams of ours are capable of ECN. A SYN that was sent again, since the tap
# loses the first frames, does not ask for it.
ecn_agreed() {
    local i
    for i in 1 2 3 4 5; do
        connect_host ecn=1 -- 192.168.77.1:7 300000 || die "with ECN"
        [ "$(pcap_frames 'ip.src == 192.168.77.2 && ip.dsfield.ecn == 2 && tcp.len > 0')" \
            -gt 0 ] && return
    done
    return 1
}

# Run apps/connect, hosted; its output is in the file .machine.
connect_host() { # [OPTION=...] -- ENDPOINT [BYTES]
    timeout 120 "$build/host/connect" --mem 32m --net tap=torc0 \
        --pcap "$work/$TEST_NAME.pcapng" -- net=192.168.77.2/24 "$@" \
        >"$work/$TEST_NAME.machine" 2>&1
}

test_connect_host() { on_tap; }
on_tap_connect_host() {
    echo_server
    connect_host -- 192.168.77.1:7 3000000 || die "IPv4"
    grep -q 'connect: 3000000 bytes there and back' "$work/$TEST_NAME.machine" ||
        die "no word of it"
    # The SYN offers all options.
    [ "$(pcap_frames 'tcp.flags == 2 && tcp.options.sack_perm &&
        tcp.options.timestamp.tsval && tcp.options.wscale.shift == 8')" -ge 1 ] ||
        die "another SYN"
    has_fin ip.src 192.168.77.1
    has_fin ip.dst 192.168.77.1
    pcap_expect 0 '_ws.malformed || tcp.flags.reset == 1'
    ecn_agreed || die "no segment is capable of ECN"
    connect_host net6=fd77::2/64 -- '[fd77::1]:7' 3000000 || die "IPv6"
    # Ours may be the address of the link, while the other one is being checked.
    has_fin ipv6.src fd77::1
    has_fin ipv6.dst fd77::1
    ! connect_host -- 192.168.77.1:8 || die "nobody listens there"
    grep -q 'error -111' "$work/$TEST_NAME.machine" || die "it is not refused"
    ! connect_host -- 192.168.77.1 || die "no port"
}

test_connect_microvm() { on_tap; }
on_tap_connect_microvm() {
    echo_server
    timeout 300 tools/qemu.sh --no-net --machine microvm --mem 32 \
        --kernel "$build/metal/connect.elf" \
        --append "net=192.168.77.2/24 -- 192.168.77.1:7 3000000" -- \
        -netdev tap,id=net,ifname=torc0,script=no,downscript=no \
        -device virtio-net-device,netdev=net \
        >"$work/$TEST_NAME.machine" 2>&1 || die "the machine"
    grep -q 'connect: 3000000 bytes there and back' "$work/$TEST_NAME.machine" ||
        die "no word of it"
}

# ---- A path that takes less than the link ------------------------------------------

# Datagrams of more than 1400 bytes vanish between the server and curl, and no router says
# so: the file comes all the same, in segments that nearly fill what passes.
test_black_hole() { on_tap; }
on_tap_black_hole() {
    local size
    ip address flush dev torc0
    sysctl -qw net.ipv4.conf.torc0.arp_ignore=1 # or it answers, past the forwarder
    "$build/bench/forward" raw:torc0 tap:client largest=1400 delay=1000 >"$work/$TEST_NAME.forward" &
    forward=$!
    trap 'kill $forward 2>/dev/null; wait $forward 2>/dev/null' EXIT
    await_text ready "$work/$TEST_NAME.forward" || die "no forwarder"
    ip address add 192.168.77.1/24 dev client
    ip link set client up
    start "$work/$TEST_NAME.machine" "$build/host/webserver" --mem 32m \
        --disk "$work/site4k.img,ro" --net tap=torc0,plain \
        --pcap "$work/$TEST_NAME.pcapng" -- net=192.168.77.2/24
    trap 'kill $child $forward 2>/dev/null; wait $child $forward 2>/dev/null' EXIT
    await http://192.168.77.2/ "$work/$TEST_NAME.machine"
    curl -sf --max-time 60 http://192.168.77.2/size-1048577.bin |
        cmp - "$site/size-1048577.bin" || die "other bytes, or not all"
    kill $child
    wait $child
    size=$(tshark -r "$work/$TEST_NAME.pcapng" -Y 'ip.src == 192.168.77.2 && tcp.len > 0' \
        -T fields -e ip.len | tail -n 100 | sort -n | uniq -c | sort -n | tail -n 1 |
        awk '{ print $2 }')
    # The search may not be at its end yet.
    [ "$size" -gt 1350 ] && [ "$size" -le 1400 ] || die "datagrams have $size bytes"
}

# ---- Echoes -------------------------------------------------------------------------

# Linux routes from the tap to another host, 10.8.0.2 and fd78::2, which is a namespace of
# its own behind a link of 1300 bytes. Nobody is 10.9.0.1.
echo_hosts() {
    unshare --net sleep 300 &
    far=$!
    trap 'kill $far 2>/dev/null; wait $far 2>/dev/null' EXIT
    while [ "$(readlink /proc/$far/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do
        kill -0 $far || die "no namespace"
    done
    ip address add fd77::1/64 dev torc0 nodad || die "no IPv6 here"
    sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    ip link add near mtu 1300 type veth peer name far mtu 1300 netns $far
    ip address add 10.8.0.1/24 dev near
    ip address add fd78::1/64 dev near nodad
    ip link set near up
    ip route add unreachable 10.9.0.0/24
    nsenter -t $far -n sh -ec 'ip address add 10.8.0.2/24 dev far
        ip address add fd78::2/64 dev far nodad
        ip link set far up
        ip route add default via 10.8.0.1
        ip -6 route add default via fd78::1' || die "the far host"
}

# Run apps/ping, hosted, with Linux as its router.
ping_host() { # STATUS TEXT [OPTION=...] -- HOST
    await_tap
    expect "$1" "$2" "$build/host/ping" --mem 16m --net tap=torc0 \
        --pcap "$work/$TEST_NAME.pcapng" -- net=192.168.77.2/24,192.168.77.1 \
        interval=10 "${@:3}"
}

test_ping_host() { on_tap; }
on_tap_ping_host() {
    local net6=net6=fd77::2/64,fd77::1
    echo_hosts
    ping_host 0 '4 sent, 4 received, 0 % lost' -- 192.168.77.1
    grep -qE '^round trip min/avg/max [0-9]+\.[0-9]{3}/[0-9.]+/[0-9.]+ ms' \
        "$work/$TEST_NAME.out" || die "no times"
    [ "$(grep -c '^56 bytes from 192.168.77.1: seq=[0-3] time=' "$work/$TEST_NAME.out")" \
        -eq 4 ] || die "no answers"
    [ "$(pcap_frames 'icmp.type == 8 && data.len == 56')" -ge 4 ] || die "other requests"
    pcap_expect 0 '_ws.malformed || icmp.checksum.status == 0'
    ping_host 0 '1272 bytes from 10.8.0.2' size=1272 count=1 -- 10.8.0.2
    ping_host 1 'too large, says 192.168.77.1 (at most 1300 ' size=1273 count=1 -- 10.8.0.2
    ping_host 1 'too large (at most 1500 ' size=1473 count=1 -- 10.8.0.2
    ping_host 1 'more hops away, says 192.168.77.1' hops=1 count=1 -- 10.8.0.2
    ping_host 1 'cannot be reached, says 192.168.77.1' count=1 -- 10.9.0.1
    ping_host 1 'seq=0: no answer' wait=1 count=1 -- 192.168.77.77
    ping_host 0 '^2 10.8.0.2 [0-9]' trace=1 -- 10.8.0.2
    grep -q '^1 192.168.77.1 ' "$work/$TEST_NAME.out" || die "no first hop"
    ping_host 0 '2 sent, 2 received' $net6 count=2 size=1252 -- fd78::2
    ping_host 1 'too large, says fd77::1 (at most 1300 ' $net6 size=1253 count=1 -- fd78::2
    ping_host 0 '^2 fd78::2 [0-9]' $net6 trace=1 -- fd78::2
    grep -qE '^1 (fe80|fd77)::' "$work/$TEST_NAME.out" || die "no first hop of IPv6"
    pcap_expect 0 '_ws.malformed || icmpv6.checksum.status == 0'
}

# QEMU's own network: its router answers; the name is looked up at QEMU's server.
test_ping_microvm() {
    expect 0 '3 sent, 3 received' timeout 200 tools/qemu.sh --machine microvm --mem 16 \
        --kernel "$build/metal/ping.elf" \
        --append "net=dhcp count=3 interval=10 -- 10.0.2.2"
}

test_ping_usage() {
    expect 0 '2 sent, 2 received' "$build/host/ping" --net user -- net=dhcp count=2 \
        interval=0 -- -4 10.0.2.2
    expect 0 '1 sent, 1 received' "$build/host/ping" --net user -- count=1 -- localhost
    expect 1 'not the address of a host' "$build/host/ping" --net user -- count=1 -- 224.0.0.1
    expect 1 'none.invalid: no address' "$build/host/ping" --net user -- -- none.invalid
    expect 2 'one host is needed ""' "$build/host/ping" --net user
    expect 2 'one host is needed "-6"' "$build/host/ping" --net user -- -- -6
    expect 2 'hops=0: give a number' "$build/host/ping" --net user -- hops=0 -- 10.0.2.2
    expect 2 'bad network "x"' "$build/host/ping" --net user -- net6=x -- 10.0.2.2
    expect 2 'bad server "x"' "$build/host/ping" --net user -- dns=x -- 10.0.2.2
}
