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

check_hello() { # PORT, or ADDRESS PORT
    local url="http://127.0.0.1:$1"
    [ $# -eq 1 ] || url="http://$1:$2"
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

# Each CPU of a hosted machine has work while connections come; one without any sleeps.
check_all_busy() { # PORT CPUS
    local before after task time
    before=$(run_times)
    check_spread "$1" "$2"
    after=$(run_times)
    [ "$(wc -l <<<"$after")" -eq $(($2 - 1)) ] || die "it has not $2 CPUs: $after"
    while read -r task time; do
        [ $((time - $(awk -v t="$task" '$1 == t { print $2 }' <<<"$before"))) -gt 500000 ] ||
            die "$task does nothing: $before; $after"
    done <<<"$after"
}
run_times() { # of the threads that are CPUs, but for CPU 0: NAME NANOSECONDS
    local task
    for task in /proc/"$(pgrep -P "$child")"/task/*; do
        grep -q '^cpu' "$task/comm" && echo "$(<"$task/comm") $(cut -d' ' -f1 "$task/schedstat")"
    done
}

# A card with one queue: the first CPU hands frames to the others.
test_hello_service_host_cpus() {
    local port
    port=$(free_port)
    host_service hello_service "$port" 4
    check_hello "$port"
    check_all_busy "$port" 4
    grep -q 'on 4 CPUs, 1 queues' "$work/$TEST_NAME.machine" || die "queues"
}
test_hello_service_microvm_cpus() {
    local port
    port=$(free_port)
    microvm_service hello_service "$port" 3
    check_hello "$port"
    grep -q 'on 3 CPUs, 1 queues' "$work/$TEST_NAME.machine" || die "queues"
}

# 200 connections are spread over CPUS: each has at least half of its share.
check_spread() { # PORT CPUS
    local counts
    counts=$(curl -s -H 'Connection: close' "http://127.0.0.1:$1/cpu?[1-200]" |
        sort | uniq -c)
    awk -v cpus="$2" '{ all += $1; least += $1 < 100 / cpus }
        END { exit NR != cpus || all != 200 || least > 0 }' <<<"$counts" ||
        die "connections of each CPU: $counts"
}
test_hello_service_microvm_spread() {
    local port
    port=$(free_port)
    microvm_service hello_service "$port" 4
    check_spread "$port" 4
}

# A queue for each CPU; Linux gives a connection's segments to the queue by which we last
# sent for it.
queues_up() {
    ip tuntap add dev torc1 mode tap multi_queue || die "no tap with queues here"
    ip address add 192.168.78.1/24 dev torc1
    ip link set torc1 up
}
test_hello_service_tap_queues() { on_tap; }
on_tap_hello_service_tap_queues() {
    queues_up
    start "$work/$TEST_NAME.machine" "$build/host/hello_service" --cpus 4 --mem 64m \
        --net tap=torc1 -- net=192.168.78.2/24
    await_text 'on 4 CPUs, 4 queues' "$work/$TEST_NAME.machine" || die "queues"
    await http://192.168.78.2:80/ "$work/$TEST_NAME.machine"
    check_hello 192.168.78.2 80
    ping -c 3 -i 0.2 192.168.78.2 || die "ping"
    ping -c 3 -i 0.2 192.168.78.2 2>&1 | grep DUP && die "several answer"
    return 0
}
test_hello_service_q35_queues() { on_tap; }
on_tap_hello_service_q35_queues() {
    queues_up
    start "$work/$TEST_NAME.machine" tools/qemu.sh --no-net --machine q35 --cpus 2 \
        --kernel "$build/metal/hello_service.elf" --append net=192.168.78.2/24 -- \
        -netdev tap,id=net,ifname=torc1,script=no,downscript=no,queues=2 \
        -device virtio-net-pci,mq=on,vectors=6,netdev=net,romfile=
    await_text 'on 2 CPUs, 2 queues' "$work/$TEST_NAME.machine" || die "queues"
    await http://192.168.78.2:80/ "$work/$TEST_NAME.machine"
    check_hello 192.168.78.2 80
}
# The forwarded port is that of the status page; the service itself has another.
check_status() { # PORT
    local url="http://127.0.0.1:$1"
    await_text "status page: http://0.0.0.0:80/" "$work/$TEST_NAME.machine" || die "no line"
    curl -s "$url/" | grep -q '<title>Torc status</title>' || die "no page"
    curl -s "$url/status.json" | python3 -m json.tool >"$work/$TEST_NAME.json" ||
        die "no JSON"
    grep -q '"name": "hello_service"' "$work/$TEST_NAME.json" || die "no name"
    curl -s "$url/metrics" | promtool check metrics || die "metrics"
    curl -s "$url/trace" >"$work/$TEST_NAME.trace"
    "$build/host/torc-trace" --text "$work/$TEST_NAME.trace" >"$work/$TEST_NAME.text" ||
        die "no trace"
    for kind in switch slot_take interrupt packet_in packet_out alloc; do
        grep -q " cpu 0 $kind " "$work/$TEST_NAME.text" || die "no $kind in the trace"
    done
}
status_words="port=8000 status=0.0.0.0:80 trace=all"
test_status_host() {
    local port
    port=$(free_port)
    host_service hello_service "$port" 2 $status_words
    check_status "$port"
}
test_status_microvm() {
    local port
    port=$(free_port)
    microvm_service hello_service "$port" 2 "$status_words"
    check_status "$port"
}

test_hello_service_options() {
    expect 2 'port=0: give a number from 1 to 65535' "$build/host/hello_service" -- port=0
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
    [[ "$(redis ttl k1)" =~ ^(100|9[0-9])$ ]] || die "ttl"
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
    host_service websocket "$port" 2
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

test_fetch_host() {
    tests/integration/fetch_server.py HOST "$build/host/fetch" --mem 32m --net user -- ||
        die "what is fetched"
    expect 1 'error -111' "$build/host/fetch" --mem 32m --net user -- http://10.0.2.2:1/
    expect 1 'no URL' "$build/host/fetch" --mem 32m --net user -- https://10.0.2.2/
    expect 2 'usage' "$build/host/fetch" --mem 32m --net user
}
test_fetch_microvm() {
    tests/integration/fetch_server.py QEMU tools/qemu.sh --machine microvm --mem 32 \
        --kernel "$build/metal/fetch.elf" --append "--" || die "what is fetched"
}

test_slow_heads_host() {
    local port
    port=$(free_port)
    host_service hello_service "$port" 1
    tests/integration/slow_heads.py "$port" || die "honest clients are kept out"
}

# A second of some attacks beside honest clients: docs/attacks.md.
test_attacks_host() {
    local status
    WORK="$work/attack" SHORT=1 SECONDS_EACH=1 SETTLE=0.7 tests/attack/run.sh slow-heads-1 \
        one-byte zero-window slow-readers hole no-ack icmp syn-silent fragments nd
    status=$?
    [ $status -ne 77 ] || skip "no right to make a tap"
    [ $status -eq 0 ] || die "honest clients are kept out, or the server has ended"
}
