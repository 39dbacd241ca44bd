# IPv6: the web server, hosted and booted, beside Linux.

# Linux at the other end of the tap is fd77::1, and the router: its advertisements tell a
# prefix and a name server.
ip6_namespace() {
    ip address add fd77::1/64 dev torc0 nodad || die "no IPv6 here"
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    cat >"$work/$TEST_NAME.radvd" <<END
interface torc0 {
    AdvSendAdvert on;
    MinRtrAdvInterval 3;
    MaxRtrAdvInterval 4;
    prefix fd77::/64 { AdvValidLifetime 86400; AdvPreferredLifetime 14400; };
    RDNSS fd77::1 { };
};
END
    chmod 644 "$work/$TEST_NAME.radvd" # or it does not read it
}

# The router, when the machine has been started: it ends with that.
ip6_router() {
    rm -f "$work/$TEST_NAME.radvd.pid"
    radvd -n -u root -C "$work/$TEST_NAME.radvd" -p "$work/$TEST_NAME.radvd.pid" \
        >"$work/$TEST_NAME.radvd.log" 2>&1 &
    radvd=$!
    trap 'kill $radvd $child 2>/dev/null; wait $radvd $child 2>/dev/null' EXIT
}

# Which address with that prefix the machine says that it has.
ip6_address() { # PREFIX
    local end=$((SECONDS + 120)) address
    while [ $SECONDS -lt $end ]; do
        address=$(sed -n "s,.* has \($1[0-9a-f:]*\)/.*,\1,p" \
            "$work/$TEST_NAME.machine" | tail -1)
        [ -n "$address" ] && echo "$address" && return
        sleep 0.1
    done
    die "no address $1"
}

# What a web server with IPv6 must do for Linux, which is its router.
ip6_checks() {
    local link made url
    link=$(ip6_address fe80::) || die "no address of the link"
    made=$(ip6_address fd77::) || die "no address by the router"
    ping -6 -c 3 -i 0.2 "$link%torc0" || die "ping $link"
    ping -6 -c 3 -i 0.2 "$made" || die "ping $made"
    ping -6 -c 1 -s 1452 "$made" || die "ping of a full frame"
    ip -6 route add "$made/128" dev torc0 mtu 1280 # Linux sends fragments then
    ping -6 -c 1 -s 1400 "$made" || die "ping in fragments"
    ip -6 route del "$made/128" dev torc0
    ping -6 -c 1 ff02::1%torc0 || die "ping to all"
    ndisc6 "$made" torc0 | grep -qi '52:54:' || die "ndisc6 $made"
    ndisc6 "$link" torc0 | grep -qi '52:54:' || die "ndisc6 $link"
    url="http://[$made]"
    check_files "$url"
    check_parallel "$url"
    check_big "$url"
    curl -sf -o /dev/null "http://[$link%25torc0]/" || die "curl to $link"
    curl -sf -o /dev/null http://192.168.77.2/ || die "curl by IPv4"
}

test_ip6_host() { on_tap; }
on_tap_ip6_host() {
    ip6_namespace
    start "$work/$TEST_NAME.machine" "$build/host/webnode" --mem 32m \
        --disk "$work/site4k.img,ro" --net tap=torc0 \
        --pcap "$work/$TEST_NAME.pcapng" -- net=192.168.77.2/24 net6=auto
    ip6_router
    await http://192.168.77.2/ "$work/$TEST_NAME.machine"
    ip6_checks
    # tshark has nothing to say.
    kill $child && wait $child 2>/dev/null
    pcap_expect 0 "_ws.malformed"
    pcap_expect 0 "icmpv6.checksum.status == Bad"
    pcap_expect 0 "tcp.checksum.status == Bad && !(frame.packet_flags & 0x200)"
    [ "$(pcap_frames "icmpv6.type == 133")" -ge 1 ] || die "no router was asked for"
    [ "$(pcap_frames "icmpv6.type == 143 && ipv6.hlim == 1")" -ge 1 ] ||
        die "no group was told"
}

test_ip6_microvm() { on_tap; }
on_tap_ip6_microvm() {
    ip6_namespace
    start "$work/$TEST_NAME.machine" tools/qemu.sh --no-net --machine microvm \
        --mem 32 --disk "$work/site.img" --kernel "$build/metal/webnode.elf" \
        --append "net=192.168.77.2/24 net6=auto" -- \
        -netdev tap,id=net,ifname=torc0,script=no,downscript=no \
        -device virtio-net-device,netdev=net
    ip6_router
    await http://192.168.77.2/ "$work/$TEST_NAME.machine"
    ip6_checks
}

# An address that was configured; a router that is not heard.
test_ip6_static() { on_tap; }
on_tap_ip6_static() {
    ip6_namespace
    ip address add 2001:db8::1/64 dev torc0 nodad
    start "$work/$TEST_NAME.machine" "$build/host/webnode" --mem 32m \
        --disk "$work/site4k.img,ro" --net tap=torc0 -- \
        net=192.168.77.2/24 net6=2001:db8::2/64,2001:db8::1
    ip6_router
    await "http://[2001:db8::2]/" "$work/$TEST_NAME.machine"
    check_files "http://[2001:db8::2]"
    ! grep -q ' has fd77:' "$work/$TEST_NAME.machine" || die "it listens to routers"
}

# Linux has the address already: ours is not used (RFC 4862, 5.4).
test_ip6_duplicate() { on_tap; }
on_tap_ip6_duplicate() {
    ip6_namespace
    ip address add 2001:db8::1/64 dev torc0 nodad
    start "$work/$TEST_NAME.machine" "$build/host/webnode" --mem 32m \
        --disk "$work/site4k.img,ro" --net tap=torc0 -- \
        net=192.168.77.2/24 net6=2001:db8::1/64
    ip6_router
    await_text "2001:db8::1 is the address of another host: not used" \
        "$work/$TEST_NAME.machine" || die "it does not notice"
}

# Lies of Neighbour Discovery, some 20,000 a second, beside a client that is honest.
test_ip6_flood() { on_tap; }
on_tap_ip6_flood() {
    local made flood i
    ip6_namespace
    start "$work/$TEST_NAME.machine" "$build/host/webnode" --mem 32m \
        --disk "$work/site4k.img,ro" --net tap=torc0 -- \
        net=192.168.77.2/24 net6=auto
    ip6_router
    made=$(ip6_address fd77::) || die "no address by the router"
    await "http://[$made]/" "$work/$TEST_NAME.machine"
    python3 tests/integration/ip6_flood.py torc0 8 "$made" fd77::1 \
        >"$work/$TEST_NAME.count" &
    flood=$!
    i=0
    while kill -0 $flood 2>/dev/null; do
        curl -sf -o /dev/null --max-time 10 "http://[$made]/" || die "fetch $i"
        i=$((i + 1))
    done
    wait $flood || die "the flood"
    echo "$(cat "$work/$TEST_NAME.count") lies in 8 s, $i fetches"
    [ "$(cat "$work/$TEST_NAME.count")" -gt 10000 ] || die "that was no flood"
    [ $i -gt 10 ] || die "only $i fetches"
    [ "$(ip6_address fd77::)" = "$made" ] || die "another address"
}

# QEMU's own network has a router with the prefix fec0::/64.
test_ip6_user() {
    local port
    port=$(free_port)
    start "$work/$TEST_NAME.machine" tools/qemu.sh --forward "$port" --machine q35 \
        --mem 32 --disk "$work/site.img" --kernel "$build/metal/webnode.elf" \
        --append net6=auto
    await "http://127.0.0.1:$port/" "$work/$TEST_NAME.machine"
    ip6_address fec0:: >/dev/null || die "no address by QEMU's router"
}

test_ip6_options() {
    local program="$build/host/webnode"
    expect 2 'net6=yes: give off|auto' "$program" -- net6=yes
    expect 2 'net6=fe80::1: give' "$program" -- net6=fe80::1
    expect 1 'ignored, because nobody knows it: net6=auto' \
        "$build/host/webserver" -- net6=auto
}
