# Sockets between machine and host: tests/vsock/host.py is the host's side.

# Start it for CID 5; its Unix sockets are in $sockets.
vsock_host() { # ARGUMENT...
    child=
    tests/vsock/host.py --cid 5 "$@" "$sockets/v" >"$work/$TEST_NAME.host" 2>&1 &
    host=$!
    trap 'kill $host $child 2>/dev/null; wait $host $child 2>/dev/null; rm -rf "$sockets"' EXIT
    await_text ready "$work/$TEST_NAME.host" || die "no host"
}

# The machine with its device; its memory is shared with host.py.
vsock_qemu() { # MACHINE DEVICE IMAGE COMMANDLINE
    tools/qemu.sh --no-net --machine "$1,memory-backend=mem" --mem 64 \
        --kernel "$build/metal/$3.elf" --append "$4" -- \
        -object memory-backend-memfd,id=mem,size=64M,share=on \
        -chardev "socket,id=vsock,path=$sockets/qemu" -device "$2,chardev=vsock" \
        >"$work/$TEST_NAME.machine" 2>&1 &
    child=$!
}

vsock_echo() { # MACHINE DEVICE [ARGUMENT...]
    sockets=$(mktemp -d) || die "no directory" # the path of a socket is short
    vsock_host "${@:3}" --vhost-user "$sockets/qemu"
    vsock_qemu "$1" "$2" echo vsock=5000
    await_text 'port 5000 of vsock' "$work/$TEST_NAME.machine" || die "the machine"
    timeout 200 tests/vsock/client.py "$sockets/v" 5000 1000000 || die "other bytes"
    timeout 200 tests/vsock/client.py "$sockets/v" 5000 20000 30 || die "other bytes of thirty"
    ! timeout 20 tests/vsock/client.py "$sockets/v" 5001 1 || die "nobody listens there"
}
test_vsock_microvm() { vsock_echo microvm vhost-user-vsock-device; }
test_vsock_q35() { vsock_echo q35 vhost-user-vsock-pci --random 1; }

# A program of the host that echoes on port 9000, for the machine to connect to.
vsock_echo_server() {
    tests/integration/echo_server.py "$sockets/v_9000" >"$work/$TEST_NAME.echo" 2>&1 &
    echo=$!
    trap 'kill $echo $host $child 2>/dev/null; wait $echo $host $child 2>/dev/null
        rm -rf "$sockets"' EXIT
    await_text ready "$work/$TEST_NAME.echo" || die "no echo"
}

test_vsock_connect_microvm() {
    sockets=$(mktemp -d) || die "no directory"
    vsock_host --vhost-user "$sockets/qemu"
    vsock_echo_server
    vsock_qemu microvm vhost-user-vsock-device connect "-- vsock:2:9000 1000000"
    wait $child || die "the machine"
    grep -q 'connect: 1000000 bytes there and back' "$work/$TEST_NAME.machine" ||
        die "no word of it"
}

# A hosted machine: the packets are datagrams.
vsock_hosted() { # PROGRAM ARGUMENT...
    timeout 200 "$build/host/$1" --mem 32m \
        --net "unix:$sockets/machine,peer=$sockets/host,vsock=5" -- "${@:2}" \
        >"$work/$TEST_NAME.machine" 2>&1
}
test_vsock_hosted() {
    sockets=$(mktemp -d) || die "no directory"
    vsock_host --random 1 --datagrams "$sockets/host,$sockets/machine"
    vsock_echo_server
    vsock_hosted connect vsock:2:9000 1000000 || die "connect"
    ! vsock_hosted connect vsock:2:9001 1 || die "nobody listens there"
    grep -q 'error -111' "$work/$TEST_NAME.machine" || die "it is not refused"
    for port in 0 4294967295 4294972296; do
        ! vsock_hosted echo "vsock=$port" || die "the port $port"
        grep -q "vsock=$port: give a number from 1 to 4294967294" \
            "$work/$TEST_NAME.machine" || die "no word of the port $port"
    done
    vsock_hosted echo vsock=5000 &
    child=$!
    await_text 'port 5000 of vsock' "$work/$TEST_NAME.machine" || die "the machine"
    timeout 200 tests/vsock/client.py "$sockets/v" 5000 1000000 4 || die "other bytes"
}
