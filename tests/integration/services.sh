# The small services: hello_service, and what else is built on net/http and sockets.

# A service as a process, PORT leads to its port 80: host_service NAME PORT CPUS [WORDS...]
host_service() {
    local name="$1" port="$2" cpus="$3"
    shift 3
    start "$work/$TEST_NAME.machine" "$build/host/$name" --cpus "$cpus" --mem 64m \
        --net "user,hostfwd=tcp:127.0.0.1:$port-:80" -- "$@"
    await_text "listens on port 80" "$work/$TEST_NAME.machine" ||
        die "$name does not listen"
}

# The same in QEMU: microvm_service NAME PORT CPUS [CMDLINE]
microvm_service() {
    start "$work/$TEST_NAME.machine" tools/qemu.sh --forward "$2" --machine microvm \
        --cpus "$3" --mem $((16 * $3)) --kernel "$build/metal/$1.elf" --append "${4:-}"
    await_text "listens on port 80" "$work/$TEST_NAME.machine" ||
        die "$1 does not listen"
}

check_hello() { # PORT
    local url="http://127.0.0.1:$1"
    [ "$(curl -s "$url/")" = "Hello World!" ] || die "no hello"
    [ "$(curl -s -o /dev/null -w '%{http_code}' "$url/x")" = 404 ] || die "/x"
    [ "$(curl -s -o /dev/null -w '%{http_code}' -d x "$url/")" = 405 ] || die "POST"
    [ "$(curl -s "$url/" "$url/" "$url/" -w '%{num_connects}')" = "Hello World!
1Hello World!
0Hello World!
0" ] || die "a connection for each request"
    ab -q -k -n 2000 -c 16 "$url/" >"$work/$TEST_NAME.ab" || die "ab"
    grep -q 'Failed requests: *0$' "$work/$TEST_NAME.ab" || die "requests failed"
    grep -q 'Keep-Alive requests: *2000$' "$work/$TEST_NAME.ab" || die "not kept alive"
}

test_hello_service_host() {
    local port
    port=$(free_port)
    host_service hello_service "$port" 1
    check_hello "$port"
}
test_hello_service_microvm() {
    local port
    port=$(free_port)
    microvm_service hello_service "$port" 1
    check_hello "$port"
}
test_hello_service_options() {
    expect 2 'port=0: no number' "$build/host/hello_service" -- port=0
    expect 2 'net=x: no ADDRESS' "$build/host/hello_service" -- net=x
    expect 2 'no network card' "$build/host/hello_service"
}
