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

# The lease of a card of four CPUs, which all serve, and an address of IPv6.
test_dhcp_cpus() { on_tap; }
on_tap_dhcp_cpus() {
    local address
    dnsmasq_start
    ip -6 address add fd00:77::1/64 dev torc0 nodad
    start "$work/$TEST_NAME.machine" "$build/host/webnode" --cpus 4 --mem 64m \
        --disk "$work/site4k.img,ro" --net tap=torc0 -- net=dhcp cpu=all net6=fd00:77::7/64
    trap 'kill $child $dnsmasq 2>/dev/null; wait $child $dnsmasq 2>/dev/null' EXIT
    await_text 'dhcp: 192.168.77' "$work/$TEST_NAME.machine" || die "no lease"
    grep -q 'on 4 CPUs, 1 queues' "$work/$TEST_NAME.machine" || die "queues"
    address=$(leased)
    await "http://$address/" "$work/$TEST_NAME.machine"
    check_files "http://$address"
    await "http://[fd00:77::7]/" "$work/$TEST_NAME.machine"
    check_files "http://[fd00:77::7]"
    ping -c 3 -i 0.2 "$address" >"$work/$TEST_NAME.ping" || die "ping"
    ! grep DUP "$work/$TEST_NAME.ping" || die "several answer"
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

# ---- Names --------------------------------------------------------------------------

# dnsmasq knows names and nothing else, on the tap; DHCP tells of it.
names_start() {
    local i
    {
        printf '%s\n' address=/one.test/192.0.2.1 address=/both.test/192.0.2.2 \
            address=/both.test/2001:db8::2 host-record=six.test,2001:db8::6 \
            cname=alias.test,target.test host-record=target.test,192.0.2.9 \
            ptr-record=9.2.0.192.in-addr.arpa,target.test \
            local=/test/ local=/arpa/ no-resolv no-hosts log-queries log-dhcp no-ping \
            interface=torc0 bind-interfaces dhcp-authoritative leasefile-ro \
            dhcp-range=192.168.77.100,192.168.77.110,255.255.255.0,2m
        for i in $(seq 100); do
            echo "host-record=many.test,192.0.2.$i"
        done
    } >"$work/$TEST_NAME.conf"
    dnsmasq --keep-in-foreground --user=root --pid-file= --log-facility=- \
        --conf-file="$work/$TEST_NAME.conf" >"$work/$TEST_NAME.dnsmasq" 2>&1 &
    dnsmasq=$!
    trap 'kill $dnsmasq 2>/dev/null; wait $dnsmasq 2>/dev/null' EXIT
    await_text 'started, version' "$work/$TEST_NAME.dnsmasq" || die "dnsmasq"
}

# The lines that the machine must print, no more and no other.
names_check() { # COMMAND that takes arguments behind --
    local got want status
    "$@" one.test both.test ALIAS.test. 192.0.2.9 localhost 10.1.2.3 gone.test six.test \
        >"$work/$TEST_NAME.out" 2>&1 </dev/null
    status=$?
    cat "$work/$TEST_NAME.out"
    [ $status -eq 1 ] || die "status $status and not 1"
    got=$(tr -d '\r' <"$work/$TEST_NAME.out" | grep -E '^[a-zA-Z0-9.]+ [0-9a-z.:]+$')
    want='one.test 192.0.2.1
both.test 192.0.2.2
ALIAS.test. 192.0.2.9
192.0.2.9 target.test
localhost 127.0.0.1'
    [ "$got" = "$want" ] || die "it found: $got"
    grep -q 'gone.test: there is no such name' "$work/$TEST_NAME.out" || die "gone.test"
    grep -q 'six.test: it has no such address' "$work/$TEST_NAME.out" || die "six.test"
    # DHCP, or the option, told of the server; each name was asked for once.
    [ "$(grep -c 'query\[A\] one.test' "$work/$TEST_NAME.dnsmasq")" -eq 1 ] ||
        die "questions for one.test"
}

test_resolve_host() { on_tap; }
on_tap_resolve_host() {
    names_start
    names_check timeout 200 "$build/host/resolve" --mem 16m --net tap=torc0 \
        --pcap "$work/$TEST_NAME.pcapng" -- net=dhcp --
    pcap_expect 0 'dns && (_ws.malformed || _ws.expert.severity >= 0x600000)'
    tap_resolve 0 'six.test 2001:db8::6' dns=192.168.77.1 -- -6 six.test
    # 100 addresses are larger than UDP takes: eight of them come over TCP.
    tap_resolve 0 'many.test 192.0.2' dns=192.168.77.1 -- many.test
    [ "$(grep -c '^many.test 192.0.2' "$work/$TEST_NAME.out")" -eq 8 ] ||
        die "addresses of many.test"
    tap_resolve 1 'no server answers' dns=192.168.77.3 wait=2 -- one.test
    tap_resolve 1 'no server is known' -- one.test
    # Nobody listens: ICMP says so, and nobody is waited for.
    ip address add 192.168.77.4/24 dev torc0
    tap_resolve 1 'no server answers' dns=192.168.77.4 -- one.test
    [ "$(sed -n 's/^\[ *\([0-9]*\)\..*no server answers.*/\1/p' "$work/$TEST_NAME.out")" -lt 10 ] ||
        die "it waits for nobody"
}
# The kernel frees a tap some time after its process has ended.
await_tap() {
    local end=$((SECONDS + 60))
    while [ $SECONDS -lt $end ]; do
        ip -o link show torc0 | grep -q NO-CARRIER && break
        sleep 0.1
    done
}
tap_resolve() { # STATUS TEXT WORDS...
    await_tap
    expect "$1" "$2" "$build/host/resolve" --mem 16m --net tap=torc0 \
        -- net=192.168.77.2/24 "${@:3}"
}

# A booted machine, on the same tap.
resolve_qemu() { # NAME...
    timeout 200 tools/qemu.sh --no-net --mem 32 --kernel "$build/metal/resolve.elf" \
        --append "net=dhcp -- $*" -- \
        -netdev tap,id=net,ifname=torc0,script=no,downscript=no \
        -device virtio-net-device,netdev=net
}
test_resolve_microvm() { on_tap; }
on_tap_resolve_microvm() {
    names_start
    names_check resolve_qemu
}

test_resolve_usage() {
    expect 2 'no name is given' "$build/host/resolve" --net user
    expect 2 'unknown option "-5"' "$build/host/resolve" --net user -- -- -5 a.test
    expect 2 'bad time "x"' "$build/host/resolve" --net user -- wait=x -- a.test
    expect 2 'bad server "nonsense"' "$build/host/resolve" --net user -- dns=nonsense -- a.test
    expect 2 'no network card' "$build/host/resolve" -- -- a.test
    expect 2 'net=nonsense' "$build/host/resolve" --net user -- net=nonsense -- a.test
}

# ---- Time ---------------------------------------------------------------------------

# ntp_start OFFSET [KISS]: a server on the tap, and DHCP that tells of it.
ntp_start() {
    python3 tests/integration/ntp_server.py 192.168.77.1 "$@" \
        >"$work/$TEST_NAME.ntp" 2>&1 &
    ntp=$!
    trap 'kill $ntp 2>/dev/null; wait $ntp 2>/dev/null' EXIT
    await_text ready "$work/$TEST_NAME.ntp" || die "the server of NTP"
}

# What the server says in its Date, less the time here before it was asked, and after.
date_ahead() { # URL: sets least and most
    local date before
    before=$(date +%s)
    date=$(curl -sI --max-time 60 "$1/" | tr -d '\r' | sed -n 's/^Date: //p')
    date=$(date -d "$date" +%s)
    most=$((date - before))
    least=$((date - $(date +%s)))
}

date_check() { # URL SECONDS: within two
    local least most
    date_ahead "$1"
    [ "$most" -ge $(($2 - 2)) ] && [ "$least" -le $(($2 + 2)) ] ||
        die "the clock is ahead by $least to $most s and not $2"
}

# The clock is set to that of the server, an hour ahead, of which DHCP tells; a kiss
# is heard.
test_ntp_host() { on_tap; }
on_tap_ntp_host() {
    local least most
    ntp_start 3600
    dnsmasq_start dhcp-option=option:ntp-server,192.168.77.1
    start "$work/$TEST_NAME.machine" "$build/host/webnode" --mem 32m \
        --disk "$work/site4k.img,ro" --net tap=torc0 \
        --pcap "$work/$TEST_NAME.pcapng" -- net=dhcp ntp=dhcp
    trap 'kill $child $dnsmasq $ntp 2>/dev/null; wait $child $dnsmasq $ntp 2>/dev/null' EXIT
    await_text 'dhcp: 192.168.77' "$work/$TEST_NAME.machine" || die "no lease"
    await "http://$(leased)/" "$work/$TEST_NAME.machine"
    date_ahead "http://$(leased)"
    # Before, or it had not the time to be seen.
    grep -q 'set at once' "$work/$TEST_NAME.machine" || { [ "$most" -ge -2 ] && [ "$least" -le 2 ]; } ||
        die "the clock is ahead by $least to $most s before it is set"
    await_text 'set at once, by 192.168.77.1' "$work/$TEST_NAME.machine" || die "not set"
    date_check "http://$(leased)" 3600
    [ "$(grep -c question "$work/$TEST_NAME.ntp")" -eq 5 ] || die "questions"
    kill $child
    wait $child
    [ "$(pcap_frames 'ntp.flags.mode == 3')" -eq 5 ] || die "tshark sees other questions"
    pcap_expect 0 'ntp && (_ws.malformed || _ws.expert.severity >= 0x600000)'
}

# A booted machine, a clock that is behind, and a server that first says: not so often.
test_ntp_microvm() { on_tap; }
on_tap_ntp_microvm() {
    ntp_start -86400
    start "$work/$TEST_NAME.machine" tools/qemu.sh --no-net --mem 32 \
        --disk "$work/site.img" --kernel "$build/metal/webnode.elf" \
        --append "net=192.168.77.2/24 ntp=192.168.77.1" -- \
        -netdev tap,id=net,ifname=torc0,script=no,downscript=no \
        -device virtio-net-device,netdev=net
    trap 'kill $child $ntp 2>/dev/null; wait $child $ntp 2>/dev/null' EXIT
    await http://192.168.77.2/ "$work/$TEST_NAME.machine"
    await_text 'set at once, by 192.168.77.1' "$work/$TEST_NAME.machine" || die "not set"
    date_check http://192.168.77.2 -86400
}

# A server that denies is not asked again.
test_ntp_denied() { on_tap; }
on_tap_ntp_denied() {
    ntp_start 3600 DENY
    start "$work/$TEST_NAME.machine" "$build/host/webnode" --mem 32m \
        --disk "$work/site4k.img,ro" --net tap=torc0 -- net=192.168.77.2/24 ntp=192.168.77.1
    trap 'kill $child $ntp 2>/dev/null; wait $child $ntp 2>/dev/null' EXIT
    await http://192.168.77.2/ "$work/$TEST_NAME.machine"
    await_text '192.168.77.1 does not want to be asked' "$work/$TEST_NAME.machine" ||
        die "the kiss is not heard"
    sleep 5
    [ "$(grep -c question "$work/$TEST_NAME.ntp")" -eq 1 ] || die "it is asked again"
    date_check http://192.168.77.2 0
}
