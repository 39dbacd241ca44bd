# Connections that we open, to Linux.

# Linux at the other end of the tap echoes on port 7 of both families, each connection
# until its other side ends.
echo_server() {
    ip address add fd77::1/64 dev torc0 nodad || die "no IPv6 here"
    sysctl -qw net.ipv4.tcp_ecn=1
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
