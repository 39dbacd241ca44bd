# DHCP, names and time: docs/net_services.md. Sourced by run.sh.

# ---- DHCP ---------------------------------------------------------------------------

# A booted machine takes the address that QEMU's own server gives, and serves.
dhcp_qemu() { # MACHINE [QEMU.SH OPTIONS...]
    local port
    port=$(free_port)
    qemu_web "$port" --machine "$1" --cpus 1 --mem 32 --disk "$work/site.img" \
        --kernel "$build/metal/webnode.elf" --append net=dhcp "${@:2}"
    check_files "http://127.0.0.1:$port"
    grep -q 'dhcp: 10.0.2.15/24, gateway 10.0.2.2, from 10.0.2.2' \
        "$work/$TEST_NAME.machine" || die "no word of the lease"
    grep -q 'serving / on port 80 of 10.0.2.15' "$work/$TEST_NAME.machine" ||
        die "it serves before it has its address"
}
test_dhcp_microvm() { dhcp_qemu microvm; }
test_dhcp_q35_e1000e() { dhcp_qemu q35 --card e1000e; }

# A hosted machine, and the addresses of others stay what they were.
test_dhcp_host() {
    local port
    port=$(free_port)
    start "$work/$TEST_NAME.machine" "$build/host/webnode" --mem 32m \
        --disk "$work/site4k.img,ro" \
        --net "user,hostfwd=tcp:127.0.0.1:$port-10.0.2.15:80" -- net=dhcp
    await "http://127.0.0.1:$port/" "$work/$TEST_NAME.machine"
    check_files "http://127.0.0.1:$port"
}

# dnsmasq on the tap of the namespace: addresses .100 to .110.
dnsmasq_start() { # OPTIONS...
    cat >"$work/$TEST_NAME.conf" <<EOF
port=0
interface=torc0
bind-interfaces
no-ping
dhcp-authoritative
leasefile-ro
log-dhcp
dhcp-range=192.168.77.100,192.168.77.110,255.255.255.0,2m
EOF
    printf '%s\n' "$@" >>"$work/$TEST_NAME.conf"
    dnsmasq --keep-in-foreground --user=root --pid-file= --log-facility=- \
        --conf-file="$work/$TEST_NAME.conf" >"$work/$TEST_NAME.dnsmasq" 2>&1 &
    dnsmasq=$!
    await_text 'DHCP, IP range' "$work/$TEST_NAME.dnsmasq" || die "dnsmasq"
}

# The machine that DHCP configures; sets $child.
node_start() {
    start "$work/$TEST_NAME.machine" "$build/host/webnode" --mem 32m \
        --disk "$work/site4k.img,ro" --net tap=torc0 "$@" -- net=dhcp
    trap 'kill $child $dnsmasq 2>/dev/null; wait $child $dnsmasq 2>/dev/null' EXIT
}

leased() { # the address in the machine's last lease
    sed -n 's/.*dhcp: \([0-9.]*\)\/24, gateway.*/\1/p' "$work/$TEST_NAME.machine" |
        tail -n 1
}

# The lease comes, is used, and renewed at T1; routes and MTU are those of the server;
# tshark finds nothing wrong with our messages.
test_dhcp_dnsmasq() { on_tap; }
on_tap_dhcp_dnsmasq() {
    local address
    dnsmasq_start dhcp-option=option:T1,12 dhcp-option=option:T2,100 \
        dhcp-option=option:mtu,1400 dhcp-option=option:router,192.168.77.1 \
        dhcp-option=option:dns-server,192.168.77.1 \
        dhcp-option=option:classless-static-route,0.0.0.0/0,192.168.77.1,10.9.0.0/16,192.168.77.1
    node_start --pcap "$work/$TEST_NAME.pcapng"
    await_text 'dhcp: 192.168.77' "$work/$TEST_NAME.machine" || die "no lease"
    address=$(leased)
    await "http://$address/" "$work/$TEST_NAME.machine"
    check_files "http://$address"
    ping -c 1 -M 'do' -s 1372 "$address" >"$work/$TEST_NAME.ping" || die "ping of 1400"
    # The request, and the first renewal.
    for _ in $(seq 300); do
        [ "$(grep -c 'DHCPACK(torc0)' "$work/$TEST_NAME.dnsmasq")" -ge 2 ] && break
        sleep 0.1
    done
    [ "$(grep -c 'DHCPACK(torc0)' "$work/$TEST_NAME.dnsmasq")" -ge 2 ] ||
        die "the lease is not renewed"
    [ "$(grep -c 'dhcp: ' "$work/$TEST_NAME.machine")" -eq 1 ] || die "it begins anew"
    kill $child
    wait $child
    [ "$(pcap_frames 'dhcp.option.dhcp == 3')" -ge 2 ] || die "tshark sees no requests"
    pcap_expect 0 'dhcp && (_ws.malformed || _ws.expert.severity >= 0x600000)'
}

# Another host has the address that the server would give first.
test_dhcp_conflict() { on_tap; }
on_tap_dhcp_conflict() {
    local address taken
    for taken in $(seq 100 109); do
        ip address add "192.168.77.$taken/24" dev torc0
    done
    dnsmasq_start
    node_start
    await_text 'DHCPDECLINE' "$work/$TEST_NAME.dnsmasq" || die "nothing is declined"
    for taken in $(seq 100 109); do
        ip address del "192.168.77.$taken/24" dev torc0
    done
    await_text 'dhcp: 192.168.77' "$work/$TEST_NAME.machine" || die "no lease"
    address=$(leased)
    await "http://$address/" "$work/$TEST_NAME.machine"
    grep -q "another host has 192.168.77.1[0-9]*, which is declined" \
        "$work/$TEST_NAME.machine" || die "no word of the conflict"
}

# Nobody answers: the server starts all the same, and says so; a server that comes
# later is found.
test_dhcp_late() { on_tap; }
on_tap_dhcp_late() {
    dnsmasq=
    node_start
    await_text 'dhcp: no address after 20 s' "$work/$TEST_NAME.machine" ||
        die "no word of it"
    await_text 'webnode: serving' "$work/$TEST_NAME.machine" || die "it does not start"
    dnsmasq_start
    await_text 'dhcp: 192.168.77' "$work/$TEST_NAME.machine" || die "no lease"
    await "http://$(leased)/" "$work/$TEST_NAME.machine"
}
