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

# kvstore, whose port 6379 leads to PORT: kvstore host|microvm PORT CPUS
start_kvstore() {
    if [ "$1" = host ]; then
        start "$work/$TEST_NAME.machine" "$build/host/kvstore" --cpus "$3" --mem 64m \
            --net "user,hostfwd=tcp:127.0.0.1:$2-:80" -- port=80 memory=8m
    else
        start "$work/$TEST_NAME.machine" tools/qemu.sh --forward "$2" --machine microvm \
            --cpus "$3" --mem $((16 * $3)) --kernel "$build/metal/kvstore.elf" \
            --append "-- port=80 memory=8m"
    fi
    await_text "listens on port 80" "$work/$TEST_NAME.machine" || die "it does not listen"
}

# redis COMMAND...: its reply on one line
redis() { redis-cli -h 127.0.0.1 -p "$redis_port" "$@" | tr -d '\r' | paste -sd' '; }

# said WHAT COMMAND...
said() {
    local wanted="$1" got
    shift
    got=$(redis "$@")
    [ "$got" = "$wanted" ] || die "$*: $got and not $wanted"
}

check_kvstore() { # PORT REQUESTS
    local redis_port="$1" i
    said PONG ping
    said OK set a 1
    said 2 incr a
    said 2 get a
    said OK mset k1 v1 k2 v2 k3 v3 k4 v4
    said "v4  v1" mget k4 none k1
    said 5 dbsize
    said 1 expire k1 100
    said 100 ttl k1
    said "k2" keys '*2'
    [ "$(redis --scan | tr ' ' '\n' | sort | paste -sd' ')" = "a k1 k2 k3 k4" ] || die scan
    said 3 del k1 k2 k3
    redis lpush l x | grep -q 'strings only' || die "lists are not refused"
    head -c 100000 /dev/urandom >"$work/$TEST_NAME.value"
    redis-cli -h 127.0.0.1 -p "$redis_port" -x set big <"$work/$TEST_NAME.value" |
        grep -q OK || die "a large value"
    redis-cli -h 127.0.0.1 -p "$redis_port" get big | head -c 100000 |
        cmp - "$work/$TEST_NAME.value" || die "a large value differs"
    redis-cli -3 -h 127.0.0.1 -p "$redis_port" get none >/dev/null || die "RESP3"
    redis-benchmark -h 127.0.0.1 -p "$redis_port" -t ping,set,get,incr,mset -n "$2" -c 8 \
        -r 1000 --csv >"$work/$TEST_NAME.csv" 2>&1 || die "redis-benchmark"
    cat "$work/$TEST_NAME.csv"
    [ "$(grep -c '^"[^t].*",' "$work/$TEST_NAME.csv")" -ge 6 ] || die "too few results"
    redis-benchmark -h 127.0.0.1 -p "$redis_port" -t set,get -n "$2" -c 8 -P 16 -r 1000 \
        --csv >"$work/$TEST_NAME.csv" 2>&1 || die "redis-benchmark -P"
    said OK flushall
    said 0 dbsize
    # More than there is room for: a clear error, and it goes on.
    for i in $(seq 1 200); do
        printf '*3\r\n$3\r\nSET\r\n$6\r\nkey%03d\r\n$100000\r\n' "$i"
        head -c 100000 /dev/zero
        printf '\r\n'
    done | redis-cli -h 127.0.0.1 -p "$redis_port" --pipe 2>&1 |
        tee "$work/$TEST_NAME.full" | grep -q "OOM command not allowed" || {
        cat "$work/$TEST_NAME.full"
        die "it is never full"
    }
    said PONG ping
    [ "$(redis dbsize)" -ge 40 ] || die "too few fit"
}

test_kvstore_host() {
    local port
    port=$(free_port)
    start_kvstore host "$port" 1
    check_kvstore "$port" 2000
}
test_kvstore_host_4() {
    local port
    port=$(free_port)
    start_kvstore host "$port" 4
    check_kvstore "$port" 2000
}
test_kvstore_microvm() {
    local port
    port=$(free_port)
    start_kvstore microvm "$port" 2
    check_kvstore "$port" 500
}
test_kvstore_options() {
    expect 2 'memory=1: no number' "$build/host/kvstore" -- memory=1
    expect 2 'value-max=x: no number' "$build/host/kvstore" -- value-max=x
}

check_websocket() { # PORT
    tests/integration/websocket_client.py "$1" || die "the client has found something"
    [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$1/echo")" = 426 ] ||
        die "no 426"
    curl -s "http://127.0.0.1:$1/" | grep -q 'new WebSocket' || die "no page"
}
test_websocket_host() {
    local port
    port=$(free_port)
    host_service websocket "$port" 1
    check_websocket "$port"
}
test_websocket_microvm() {
    local port
    port=$(free_port)
    microvm_service websocket "$port" 1
    check_websocket "$port"
}

# echo, TCP and UDP on two ports of ours.
test_echo_host() {
    local port
    port=$(free_port)
    start "$work/$TEST_NAME.machine" "$build/host/echo" --mem 32m --net \
        "user,hostfwd=tcp:127.0.0.1:$port-:7,hostfwd=udp:127.0.0.1:$((port + 1))-:7"
    await_text "listens on port 7" "$work/$TEST_NAME.machine" || die "it does not listen"
    tests/integration/echo_client.py "$port" "$((port + 1))" || die "the client"
}
test_echo_microvm() {
    local port
    port=$(free_port)
    start "$work/$TEST_NAME.machine" tools/qemu.sh --no-net --machine microvm --mem 32 \
        --kernel "$build/metal/echo.elf" -- -device virtio-net-device,netdev=n \
        -netdev "user,id=n,hostfwd=tcp:127.0.0.1:$port-:7,hostfwd=udp:127.0.0.1:$((port + 1))-:7"
    await_text "listens on port 7" "$work/$TEST_NAME.machine" || die "it does not listen"
    tests/integration/echo_client.py "$port" "$((port + 1))" || die "the client"
}
