#!/bin/bash
# Integration tests: the images in QEMU and the hosted processes, from outside.
#
#   run.sh [NAME...]     all tests, or those named; two at a time
#   run.sh --list
#
# Each test is a function test_NAME below; its log is build/integration/NAME.log,
# shown when it fails. Needs `make metal host` and the contract programs. Two runs at
# once need two directories: WORK=.
#
# A limit of time that only ends what would never end is long, since the host may be
# busy: on it nothing depends when the tests pass. What must be quick is measured in
# instructions, or in CPU time.
cd "$(dirname "$0")/../.." || exit 1
PATH="$PATH:/usr/sbin:/sbin"
build="${BUILD:-build}"
work="${WORK:-$build/integration}"
site="$work/site"
jobs=2

. tools/stalls.sh

# ---- Tools of the tests ---------------------------------------------------------

die() {
    echo "FAILED: $*"
    exit 1
}

# The test cannot run here, by no fault of its own.
skip() {
    echo "skipped: $*"
    exit 77
}

# A port that nobody has, and no other test will take: a file says which process has
# which, as long as that lives.
free_port() {
    local port owner taken="/tmp/torc_ports.$(id -u)"
    mkdir -p "$taken"
    (
        flock 9
        for port in $(seq $((20000 + TEST_INDEX * 20)) 29999); do
            owner=$(cat "$taken/$port" 2>/dev/null)
            [ -n "$owner" ] && [ "$owner" != $$ ] && [ -d "/proc/$owner" ] && continue
            (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && continue
            echo $$ >"$taken/$port"
            echo "$port"
            break
        done
    ) 9>"$taken/lock"
}

# start LOG COMMAND...: in the background, ended with the test.
start() {
    local log="$1"
    shift
    timeout 600 "$@" >"$log" 2>&1 </dev/null &
    child=$!
    trap 'kill $child 2>/dev/null; wait $child 2>/dev/null' EXIT
}

# Wait until the server answers.
await() {
    local end=$((SECONDS + 120))
    while [ $SECONDS -lt $end ]; do
        curl -s -o /dev/null --max-time 10 "$1" && return 0
        kill -0 $child 2>/dev/null || break
        sleep 0.1
    done
    cat "$2"
    die "no answer from $1"
}

# await_text TEXT LOG: two minutes long; whether it came.
await_text() {
    local end=$((SECONDS + 120))
    while [ $SECONDS -lt $end ]; do
        grep -q -- "$1" "$2" && return 0
        sleep 0.1
    done
    return 1
}

# expect STATUS TEXT COMMAND...: it ends with that status ("fail": any but 0) and
# prints the text on one line.
expect() {
    local status text got
    status="$1" text="$2"
    shift 2
    timeout 200 "$@" >"$work/$TEST_NAME.out" 2>&1 </dev/null
    got=$?
    cat "$work/$TEST_NAME.out"
    [ $got -ne 124 ] || die "it hangs: $*"
    if [ "$status" = fail ]; then
        [ $got -ne 0 ] || die "status 0, but it should fail: $*"
    else
        [ $got -eq "$status" ] || die "status $got and not $status: $*"
    fi
    grep -q -- "$text" "$work/$TEST_NAME.out" || die "it does not say \"$text\""
}

make_site() {
    [ "$site/.done" -nt "$build/metal/webserver.elf" ] && return
    rm -rf "$site"
    mkdir -p "$site/sub/deeper"
    echo '<h1>root</h1>' >"$site/index.html"
    echo '<h1>sub</h1>' >"$site/sub/index.html"
    for size in 0 1 511 512 1023 1024 1025 4096 65535 65536 100000 1048577; do
        head -c $size /dev/urandom >"$site/size-$size.bin"
    done
    head -c 20971520 /dev/urandom >"$site/big.bin"
    echo text >"$site/sub/deeper/a b.txt"
    ln -s ../size-1025.bin "$site/sub/relative.bin"
    ln -s /size-1024.bin "$site/absolute.bin"
    ln -s loop "$site/loop"
    tools/mkimg/mkimg.sh ext2 --dir "$site" --out "$work/site.img" &&
        tools/mkimg/mkimg.sh ext2 --dir "$site" --out "$work/site4k.img" \
            --block-size 4096 &&
        tools/mkimg/mkimg.sh disk --kernel "$build/metal/webserver.elf" \
            --dir "$site" --out "$work/disk.img" &&
        tools/mkimg/mkimg.sh iso --kernel "$build/metal/webserver.elf" \
            --dir "$site" --out "$work/cd.iso" || exit 1
    cp "$work/site.img" "$work/damaged.img"
    # The group descriptors, and the superblock's inode size.
    dd if=/dev/urandom of="$work/damaged.img" bs=1024 seek=2 count=1 \
        conv=notrunc status=none
    head -c 1000000 /dev/zero >"$work/empty.img"
    make_partitions
    touch "$site/.done"
}

# Disks whose second partition is the site: of a GPT, of a GPT of which only the backup
# is left, and the first logical one of an MBR.
make_partitions() {
    local sectors
    sectors=$(($(stat -c %s "$work/site4k.img") / 512))
    truncate -s $(((sectors + 8192) * 512)) "$work/gpt.img" "$work/logical.img"
    printf 'label: gpt\nstart=2048,size=8\nstart=4096,size=%d\n' $sectors |
        sfdisk -q "$work/gpt.img" || exit 1
    printf 'label: dos\nstart=1024,size=8,type=83\nstart=2048,size=%d,type=5\n\nstart=4096,size=%d,type=83\n' \
        $((sectors + 4096)) $sectors | sfdisk -q "$work/logical.img" || exit 1
    dd if="$work/site4k.img" of="$work/gpt.img" bs=512 seek=4096 conv=notrunc status=none
    dd if="$work/site4k.img" of="$work/logical.img" bs=512 seek=4096 conv=notrunc \
        status=none
    cp "$work/gpt.img" "$work/gpt_backup.img"
    dd if=/dev/zero of="$work/gpt_backup.img" bs=512 seek=1 count=1 conv=notrunc \
        status=none
}

# ---- What a web server must do ------------------------------------------------------

status_of() {
    curl -s -o /dev/null --max-time 120 -w '%{http_code}' "$@"
}

# Every file, byte by byte.
check_files() {
    local url="$1" file
    for file in "$site"/size-*.bin "$site/sub/relative.bin" \
        "$site/index.html" "$site/sub/index.html"; do
        curl -s --max-time 120 "$url/${file#"$site"/}" |
            cmp -s - "$file" || die "$file differs"
    done
    curl -s "$url/sub/deeper/a%20b.txt" | cmp -s - "$site/sub/deeper/a b.txt" ||
        die "a name with a blank"
    curl -s "$url/absolute.bin" | cmp -s - "$site/size-1024.bin" ||
        die "an absolute link"
    curl -s "$url/" | cmp -s - "$site/index.html" || die "the index of /"
    curl -sL "$url/sub" | cmp -s - "$site/sub/index.html" || die "redirection"
}

check_protocol() {
    local url="$1" port="${1##*:}" headers etag connects
    [ "$(status_of "$url/nope")" = 404 ] || die "404"
    [ "$(status_of "$url/loop")" = 404 ] || die "a link to itself"
    [ "$(status_of "$url/index.html/x")" = 404 ] || die "below a file"
    [ "$(status_of --path-as-is "$url/../etc/passwd")" = 400 ] || die "above /"
    [ "$(status_of -d x=y "$url/")" = 405 ] || die "a method with a body"
    [ "$(status_of -X GET -d x=y "$url/")" = 413 ] || die "a body"
    [ "$(status_of -X DELETE "$url/")" = 405 ] || die "another method"
    [ "$(status_of "$url/sub")" = 301 ] || die "a directory without its slash"
    headers=$(curl -sI "$url/size-1025.bin")
    grep -qi '^content-length: 1025' <<<"$headers" || die "HEAD: length"
    grep -qi '^content-type: application/octet-stream' <<<"$headers" ||
        die "HEAD: type"
    curl -sI "$url/" | grep -qi '^content-type: text/html' || die "html type"
    etag=$(sed -n 's/^ETag: \(.*\)\r$/\1/p' <<<"$headers")
    [ "$(status_of -H "If-None-Match: $etag" "$url/size-1025.bin")" = 304 ] ||
        die "If-None-Match"
    curl -s -r 100-299 "$url/size-1025.bin" |
        cmp -s - <(tail -c +101 "$site/size-1025.bin" | head -c 200) ||
        die "a range"
    [ "$(status_of -r 5000- "$url/size-1025.bin")" = 416 ] || die "416"
    connects=$(curl -s --max-time 120 -w '%{num_connects}\n' -o /dev/null \
        "$url/size-1.bin" -o /dev/null "$url/size-4096.bin" -o /dev/null \
        "$url/nope" | paste -sd+ | sed 's/+/ + /g')
    [ $((connects)) -eq 1 ] || die "keep-alive: $connects connections for three"
    # What is no HTTP gets an answer and a closed connection.
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'nonsense\r\n\r\n' >&3
    timeout 60 cat <&3 | grep -q '^HTTP/1.1 400' || die "nonsense"
    exec 3>&-
    # Two requests in one segment.
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET /size-1.bin HTTP/1.1\r\nHost: a\r\n\r\nGET /size-0.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' >&3
    [ "$(timeout 60 cat <&3 | tr -d '\0' | grep -ac 'HTTP/1.1 200')" = 2 ] ||
        die "pipelining"
    exec 3>&-
}

check_parallel() {
    local url="$1" i pids=()
    for i in 1 2 3 4 5 6 7 8; do
        (curl -s --max-time 120 "$url/size-1048577.bin" |
            cmp -s - "$site/size-1048577.bin") &
        pids+=($!)
    done
    for i in "${pids[@]}"; do
        wait "$i" || die "one of eight parallel downloads differs"
    done
}

check_web() {
    check_files "$1"
    check_protocol "$1"
    check_parallel "$1"
}

check_big() {
    local got want
    got=$(curl -s --max-time 120 "$1/big.bin" | sha256sum)
    want=$(sha256sum <"$site/big.bin")
    [ "$got" = "$want" ] || die "20 MB: SHA-256 $got, should be $want"
    echo "20 MB: SHA-256 is right"
}

# 64 connections for ten seconds: none lost, none refused, no wrong answer. The
# QEMU's user-mode network listens with a queue of one, so some of 64 connections at
# once are tried again by the client for seconds: there only losses count. Elsewhere
# every answer must come within 2 s.
check_load() { # URL [TIMEOUT_S]
    wrk -t2 -c64 -d10 --latency --timeout "${2:-30}" "$1/index.html" |
        tee "$work/$TEST_NAME.wrk"
    grep -q 'requests in' "$work/$TEST_NAME.wrk" || die "wrk did not run"
    ! grep -E 'Socket errors|Non-2xx' "$work/$TEST_NAME.wrk" ||
        die "64 connections: some were lost"
}

# CPU time of a process and its threads in ten seconds: under 1 %.
check_idle() {
    local before after ticks
    sleep 2
    before=$(awk '{print $14 + $15}' "/proc/$1/stat")
    sleep 10
    after=$(awk '{print $14 + $15}' "/proc/$1/stat")
    ticks=$((after - before))
    echo "idle: $ticks ticks of CPU in 10 s"
    [ $((ticks * 1000 / $(getconf CLK_TCK))) -lt 100 ] ||
        die "idle takes $ticks ticks of 1/$(getconf CLK_TCK) s in 10 s"
}

# ---- Machines ---------------------------------------------------------------------------

host_web() { # PORT CPUS [WORDS...]
    local port="$1" cpus="$2"
    shift 2
    start "$work/$TEST_NAME.machine" "$build/host/webserver" --cpus "$cpus" \
        --mem 64m --disk "$work/site4k.img,ro" \
        --net "user,hostfwd=tcp:127.0.0.1:$port-:80" -- "$@"
    await "http://127.0.0.1:$port/" "$work/$TEST_NAME.machine"
}

qemu_web() { # PORT QEMU.SH OPTIONS...
    local port="$1"
    shift
    start "$work/$TEST_NAME.machine" tools/qemu.sh --forward "$port" "$@"
    await "http://127.0.0.1:$port/" "$work/$TEST_NAME.machine"
}

microvm() { # PORT CPUS [CMDLINE]
    qemu_web "$1" --machine microvm --cpus "$2" --mem $((16 * $2)) \
        --kernel "$build/metal/webserver.elf" --disk "$work/site.img" \
        --append "${3:-}"
}

# ---- The tests ------------------------------------------------------------------------------

contract() { # COMMAND...
    local log="$work/$TEST_NAME.out" status
    timeout 400 "$@" >"$log" 2>&1 </dev/null
    status=$?
    cat "$log"
    [ $status -eq 0 ] || die "status $status"
    ! grep -q 'FAILED' "$log" || die "a contract test failed"
    [ "$(grep -c '       OK ' "$log")" -ge 20 ] || die "too few tests ran"
}

contract_qemu() { # MACHINE CPUS [CMDLINE]
    contract tools/qemu.sh --machine "$1" --cpus "$2" --mem $((32 * $2)) \
        --no-net --kernel "$build/metal/hal_contract.elf" --append "${3:-}"
}

test_contract_host_1() { contract "$build/host/hal_contract" --cpus 1; }
test_contract_host_4() { contract "$build/host/hal_contract" --cpus 4; }
test_contract_microvm_1() { contract_qemu microvm 1; }
test_contract_microvm_4() { contract_qemu microvm 4; }
test_contract_pc_1() { contract_qemu pc 1; }
test_contract_pc_4() { contract_qemu pc 4; }
test_contract_q35_4() { contract_qemu q35 4; }
test_contract_mwait() {
    contract_qemu microvm 1 idle=mwait
    contract_qemu pc 4 "idle=hlt idle=mwait"
    ! grep -q 'no store ends' "$work/$TEST_NAME.out" || die "no MWAIT"
    contract_qemu pc 2 "idle=mwait idle=hlt"
    grep -q 'no store ends' "$work/$TEST_NAME.out" || die "MWAIT against idle=hlt"
}

hello() { # CPUS COMMAND...
    local cpus="$1" i
    shift
    expect 0 "hello from cpu 0 of $cpus" "$@"
    for i in $(seq 0 $((cpus - 1))); do
        grep -q "hello from cpu $i of $cpus" "$work/$TEST_NAME.out" ||
            die "cpu $i says nothing"
    done
}

hello_qemu() { # MACHINE CPUS
    hello "$2" tools/qemu.sh --machine "$1" --cpus "$2" --mem $((8 * $2)) \
        --no-net --kernel "$build/metal/hello.elf"
}

test_hello_host_1() { hello 1 "$build/host/hello" --cpus 1; }
test_hello_host_4() { hello 4 "$build/host/hello" --cpus 4; }
test_hello_microvm_1() { hello_qemu microvm 1; }
test_hello_microvm_4() { hello_qemu microvm 4; }
test_hello_pc_4() { hello_qemu pc 4; }
test_hello_q35_1() { hello_qemu q35 1; }

web() { # STARTER ARGS...: the whole list of checks
    local port
    port=$(free_port)
    "$1" "$port" "${@:2}"
    check_web "http://127.0.0.1:$port"
    cat "$work/$TEST_NAME.machine"
}

test_web_host_1() { web host_web 1; }
test_web_host_4() { web host_web 4 cpu=3; }
test_web_microvm_1() { web microvm 1; }
test_web_microvm_4() { web microvm 4 cpu=all; }
test_web_microvm_4_cpu_2() { web microvm 4 cpu=2; }
test_web_pc_grub_1() { web qemu_web --machine pc --mem 32 --boot "$work/disk.img"; }
test_web_pc_grub_4() {
    web qemu_web --machine pc --cpus 4 --mem 64 --boot "$work/disk.img"
}
test_web_pc_iso() { web qemu_web --machine pc --mem 128 --cdrom "$work/cd.iso"; }
test_web_q35_4() {
    web qemu_web --machine q35 --cpus 4 --mem 64 --disk "$work/site4k.img" \
        --kernel "$build/metal/webserver.elf"
}
# The web server with virtio over PCI alone, and rings of one format.
test_web_virtio() {
    local image="$build/metal/web_virtio.elf"
    web qemu_web --machine q35 --mem 32 --disk "$work/site4k.img" --kernel "$image"
}
test_web_virtio_packed() {
    local port log="$work/$TEST_NAME.machine"
    port=$(free_port)
    start "$log" tools/qemu.sh --machine q35 --mem 32 --no-net \
        --kernel "$build/metal/web_virtio.elf" -- \
        -drive "if=none,id=disk0,file=$work/site4k.img,format=raw,snapshot=on" \
        -device virtio-blk-pci,packed=on,drive=disk0 \
        -netdev "user,id=net0,hostfwd=tcp:127.0.0.1:$port-:80" \
        -device virtio-net-pci,packed=on,romfile=,netdev=net0
    await "http://127.0.0.1:$port/" "$log"
    check_files "http://127.0.0.1:$port"
    cat "$log"
}
test_web_virtio_other_bus() {
    expect fail "virtio: image without MMIO: 2 left out" tools/qemu.sh --machine microvm \
        --disk "$work/site4k.img" --kernel "$build/metal/web_virtio.elf"
    [ "$(grep -c 'image without' "$work/$TEST_NAME.out")" = 1 ] || die "it says so again"
}
test_web_e1000() {
    web qemu_web --machine pc --mem 32 --disk "$work/site.img" --card e1000 \
        --kernel "$build/metal/webserver.elf"
    grep -q 'e1000 at' "$work/$TEST_NAME.machine" || die "another card"
}
test_web_e1000e() {
    web qemu_web --machine q35 --mem 64 --disk "$work/site4k.img" --card e1000e \
        --kernel "$build/metal/webserver.elf"
    grep -q 'e1000e at' "$work/$TEST_NAME.machine" || die "another card"
}
web_ide() { # CMDLINE WHAT-IT-SAYS
    web qemu_web --machine pc --mem 32 --disk "$work/site.img" --drive ide-hd \
        --kernel "$build/metal/webserver.elf" --append "$1"
    grep -q "hda: .* drive 0, $2" "$work/$TEST_NAME.machine" || die "no $2"
}
test_web_ide_dma() { web_ide "" DMA; }
test_web_ide_pio() { web_ide ide=pio PIO; }
test_web_ide_grub() {
    web qemu_web --machine pc --cpus 2 --mem 64 --boot "$work/disk.img" --drive ide-hd
}
# web_on_disk MACHINE FILE ROOT PROPERTIES [LINE]: the site is ROOT of a disk with these
# properties; the machine says LINE about it.
web_on_disk() {
    local blk=virtio-blk-pci
    [ "$1" = microvm ] && blk=virtio-blk-device
    web qemu_web --machine "$1" --kernel "$build/metal/webserver.elf" --append "root=$3" -- \
        -drive "if=none,id=site,file=$work/$2,format=raw,snapshot=on" \
        -device "$blk,drive=site$4"
    grep -q "${5:-ext2}" "$work/$TEST_NAME.machine" || die "it does not say \"$5\""
}
large=,logical_block_size=4096,physical_block_size=4096
test_web_sectors_4096_q35() { web_on_disk q35 site4k.img vda "$large"; }
test_web_sectors_4096_microvm() { web_on_disk microvm site4k.img vda "$large"; }
test_web_gpt() { web_on_disk q35 gpt.img vda2 ""; }
test_web_gpt_backup() {
    web_on_disk q35 gpt_backup.img vda2 "" "vda: the backup of its GPT is used"
}
test_web_logical_partition() { web_on_disk microvm logical.img vda5 ""; }
test_web_partition_host() {
    local port
    port=$(free_port)
    start "$work/$TEST_NAME.machine" "$build/host/webserver" --cpus 2 --mem 64m \
        --disk "$work/gpt.img,ro" --net "user,hostfwd=tcp:127.0.0.1:$port-:80" -- root=vda2
    await "http://127.0.0.1:$port/" "$work/$TEST_NAME.machine"
    check_files "http://127.0.0.1:$port"
}
test_web_8_mib() {
    web qemu_web --machine microvm --mem 8 --disk "$work/site.img" \
        --kernel "$build/metal/webserver.elf"
}

# Some rows of the serving matrix, with a smaller file.
serving() { # ROW
    local port
    port=$(free_port)
    WORK="$work/$TEST_NAME" SIZE=2000000 PORT=$((port - 1)) \
        expect 0 "^serving_matrix: 1 passed, 0 failed" \
        tests/integration/serving_matrix.sh "^$1\$"
}
test_serving_pc_legacy_ne2000() { serving "pc legacy ne2000"; }
test_serving_pc_ide_dma_e1000() { serving "pc ide-dma e1000"; }
test_serving_pc_ide_pio_legacy() { serving "pc ide-pio legacy"; }
test_serving_q35_modern_e1000e() { serving "q35 modern e1000e"; }

# The rest of a test, on_tap_NAME, in a network namespace of its own that has a tap.
on_tap() {
    local user
    user=$([ "$(id -u)" -eq 0 ] || echo --map-root-user)
    [ -r /dev/net/tun ] && unshare $user --net true ||
        skip "no right to make a tap: run as root"
    # shellcheck disable=SC2086 # perhaps no word
    TEST_NAME=$TEST_NAME unshare $user --net "$0" --tap
}
in_namespace() {
    ip link set lo up
    ip tuntap add dev torc0 mode tap || die "no tap here"
    ip address add 192.168.77.1/24 dev torc0
    ip link set torc0 up
    "on_tap_$TEST_NAME" http://192.168.77.2:80 # a minimal system knows no port by name
}
tap_web() { # URL [OPTIONS...]
    local url="$1"
    shift
    start "$work/$TEST_NAME.machine" "$build/host/webserver" --mem 32m \
        --disk "$work/site4k.img,ro" --net tap=torc0 "$@" -- net=192.168.77.2/24
    await "$url/" "$work/$TEST_NAME.machine"
}

# QEMU's card with several queues on a tap, which offers all that a card can do: sums
# are left to it, and come from the host unfinished.
test_web_tap_queues() { on_tap; }
on_tap_web_tap_queues() {
    local url=http://192.168.78.2:80
    ip tuntap add dev torc1 mode tap multi_queue || die "no tap with queues here"
    ip address add 192.168.78.1/24 dev torc1
    ip link set torc1 up
    start "$work/$TEST_NAME.machine" tools/qemu.sh --no-net --machine q35 --cpus 2 \
        --disk "$work/site.img" --kernel "$build/metal/webserver.elf" \
        --append net=192.168.78.2/24 -- \
        -netdev tap,id=net,ifname=torc1,script=no,downscript=no,queues=2 \
        -device virtio-net-pci,mq=on,vectors=6,netdev=net,romfile=
    await "$url/" "$work/$TEST_NAME.machine"
    check_files "$url"
    check_big "$url"
}

# Ping, and the list of checks.
test_web_host_tap() { on_tap; }
on_tap_web_host_tap() {
    local url="$1"
    tap_web "$url"
    ping -c 3 -i 0.2 -s 1400 192.168.77.2 || die "ping"
    check_files "$url"
    check_parallel "$url"
    check_big "$url"
    check_load "$url" 2
}

# A hosted machine and a booted one on one wire, neither with a tap: both serve. QEMU is
# the hub, and the way in.
test_unix_wire() {
    local port hosted_port hosted="$work/$TEST_NAME.hosted" ends="/tmp/torc_wire.$$" pid
    port=$(free_port)
    hosted_port=$((port + 1))
    rm -f "$ends".[ab]
    timeout 600 "$build/host/webserver" --mem 64m --disk "$work/site4k.img,ro" \
        --net "unix:$ends.a,peer=$ends.b" -- net=10.0.2.16/24 >"$hosted" 2>&1 </dev/null &
    pid=$!
    start "$work/$TEST_NAME.machine" tools/qemu.sh --machine q35 --mem 64 --no-net \
        --kernel "$build/metal/webserver.elf" --disk "$work/site.img" -- \
        -netdev "user,id=way,hostfwd=tcp:127.0.0.1:$port-10.0.2.15:80,hostfwd=tcp:127.0.0.1:$hosted_port-10.0.2.16:80" \
        -netdev "dgram,id=wire,local.type=unix,local.path=$ends.b,remote.type=unix,remote.path=$ends.a" \
        -netdev hubport,id=hub0,hubid=0,netdev=way -netdev hubport,id=hub1,hubid=0,netdev=wire \
        -netdev hubport,id=hub2,hubid=0 -device virtio-net-pci,romfile=,mac=52:54:00:00:00:02,netdev=hub2
    trap 'kill $child $pid 2>/dev/null; wait $child $pid 2>/dev/null; rm -f "$ends".[ab]' EXIT
    await "http://127.0.0.1:$port/" "$work/$TEST_NAME.machine"
    await "http://127.0.0.1:$hosted_port/" "$hosted"
    check_files "http://127.0.0.1:$port"
    check_files "http://127.0.0.1:$hosted_port"
    check_parallel "http://127.0.0.1:$hosted_port"
    check_big "http://127.0.0.1:$hosted_port"
}

# tshark reads what --pcap has written.
pcap_frames() { # FILTER: how many
    tshark -r "$work/$TEST_NAME.pcapng" -o ip.check_checksum:TRUE \
        -o tcp.check_checksum:TRUE -Y "$1" >"$work/$TEST_NAME.frames" || die "tshark"
    wc -l <"$work/$TEST_NAME.frames"
}
pcap_expect() { # COUNT FILTER
    local got
    got=$(pcap_frames "$2")
    [ "$got" -eq "$1" ] || die "$got frames and not $1 are: $2"
}
pcap_check() { # REQUESTS: of as many files
    kill $child
    wait $child
    ! grep 'torc: ' "$work/$TEST_NAME.machine" || die "it complains"
    [ "$(pcap_frames tcp)" -gt 20 ] && [ "$(stat -c %s "$work/$TEST_NAME.pcapng")" -gt 1048577 ] ||
        die "not all of a file is in the file"
    pcap_expect "$1" "http.request && frame.packet_flags_direction == 1"
    pcap_expect "$1" "http.response.code == 200 && frame.packet_flags_direction == 2"
    pcap_expect 0 "_ws.malformed"
    pcap_expect 0 "tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment"
    pcap_expect 0 "ip.checksum.status == Bad"
    # A checksum is wrong only where it was left to others (bit 9).
    pcap_expect 0 "tcp.checksum.status == Bad && !(frame.packet_flags & 0x200)"
}
test_pcap_host() {
    local url port i
    port=$(free_port)
    url="http://127.0.0.1:$port"
    start "$work/$TEST_NAME.machine" "$build/host/webserver" --cpus 2 --mem 64m \
        --disk "$work/site4k.img,ro" --pcap "$work/$TEST_NAME.pcapng" \
        --net "user,hostfwd=tcp:127.0.0.1:$port-:80"
    await "$url/" "$work/$TEST_NAME.machine"
    for i in 1 2 3 4 5 6 7 8 9; do
        curl -s --max-time 120 "$url/size-1048577.bin" |
            cmp -s - "$site/size-1048577.bin" || die "the file differs"
    done
    pcap_check 10
    pcap_expect 0 "frame.packet_flags & 0x200" # libslirp leaves nothing to others
}
test_pcap_tap() { on_tap; }
on_tap_pcap_tap() {
    local url="$1"
    tap_web "$url" --pcap "$work/$TEST_NAME.pcapng"
    curl -s --max-time 120 "$url/size-1048577.bin" |
        cmp -s - "$site/size-1048577.bin" || die "the file differs"
    pcap_check 2
    [ "$(pcap_frames "tcp && frame.packet_flags & 0x200")" -gt 10 ] ||
        die "no checksum was left to the host"
}
# A full disk is no reason to stop.
test_pcap_full() {
    local port
    port=$(free_port)
    start "$work/$TEST_NAME.machine" "$build/host/webserver" --mem 64m \
        --disk "$work/site4k.img,ro" --pcap /dev/full \
        --net "user,hostfwd=tcp:127.0.0.1:$port-:80"
    await "http://127.0.0.1:$port/" "$work/$TEST_NAME.machine"
    await_text "No space left" "$work/$TEST_NAME.machine" || die "it says nothing"
    check_files "http://127.0.0.1:$port"
    [ "$(grep -c 'torc: ' "$work/$TEST_NAME.machine")" -eq 1 ] || die "not one line"
}

test_big_host() {
    local port
    port=$(free_port)
    host_web "$port" 1
    check_big "http://127.0.0.1:$port"
}
test_big_microvm() {
    local port
    port=$(free_port)
    microvm "$port" 1
    check_big "http://127.0.0.1:$port"
}
big_card() { # MACHINE CARD
    local port
    port=$(free_port)
    qemu_web "$port" --machine "$1" --card "$2" --disk "$work/site.img" \
        --kernel "$build/metal/webserver.elf"
    check_big "http://127.0.0.1:$port"
}
test_big_e1000() { big_card pc e1000; }
test_big_e1000e() { big_card q35 e1000e; }

big_ide() { # CMDLINE
    local port
    port=$(free_port)
    qemu_web "$port" --machine pc --disk "$work/site.img" --drive ide-hd \
        --kernel "$build/metal/webserver.elf" --append "$1"
    check_big "http://127.0.0.1:$port"
}
test_big_ide_dma() { big_ide ""; }
test_big_ide_pio() { big_ide ide=pio; }

# Clients that behave differently from curl: uploads that are refused, connections
# that go on, answers without a body.
check_clients() { # PORT
    local url="http://127.0.0.1:$1"
    tests/integration/http_clients.py "$1" || die "python's clients"
    head -c 3000000 /dev/zero >"$work/$TEST_NAME.bin"
    wget -q -S -O /dev/null --tries=1 --timeout=120 --post-file "$work/$TEST_NAME.bin" \
        "$url/" 2>&1 | grep -q 'HTTP/1.1 405' || die "wget's upload"
    curl -s --max-time 120 -o /dev/null -w '%{http_code}' -T "$work/$TEST_NAME.bin" \
        -H 'Expect:' "$url/x" | grep -q 405 || die "curl's upload"
    ab -q -k -n 200 -c 4 "$url/size-4096.bin" >"$work/$TEST_NAME.ab" ||
        die "ab: $(cat "$work/$TEST_NAME.ab")"
    grep -q '^Keep-Alive requests: *200$' "$work/$TEST_NAME.ab" || die "ab -k"
    grep -q '^Failed requests: *0$' "$work/$TEST_NAME.ab" || die "ab: failures"
    h2load --h1 -n 200 -c 4 -m 4 "$url/size-4096.bin" >"$work/$TEST_NAME.h2load" ||
        die "h2load: $(cat "$work/$TEST_NAME.h2load")"
    grep -q '^status codes: 200 2xx' "$work/$TEST_NAME.h2load" ||
        die "h2load: $(cat "$work/$TEST_NAME.h2load")"
}
test_clients_host() {
    local port
    port=$(free_port)
    host_web "$port" 1
    check_clients "$port"
}
test_clients_microvm() {
    local port
    port=$(free_port)
    microvm "$port" 1
    check_clients "$port"
}
# node is large and wanted by nothing else: it is used where it is.
test_clients_node_host() {
    local port
    command -v node >/dev/null || skip "no node"
    port=$(free_port)
    host_web "$port" 1
    node tests/integration/http_node.js "$port" || die "node"
}

test_load_host() {
    local port
    port=$(free_port)
    host_web "$port" 1
    check_load "http://127.0.0.1:$port" 2
}
test_load_microvm() {
    local port
    port=$(free_port)
    microvm "$port" 1
    check_load "http://127.0.0.1:$port"
}

test_idle_host() {
    local port
    port=$(free_port)
    host_web "$port" 4
    check_idle "$(pgrep -P $child)"
}
test_idle_microvm() {
    local port
    port=$(free_port)
    microvm "$port" 4
    check_idle "$(pgrep -f "hostfwd=tcp:127.0.0.1:$port-" | head -1)"
}

# Four CPUs with nothing to do: next to no instructions, with a watchdog too. The
# first three seconds, in which the clock is measured, do not count; on a busy host that
# may take longer.
idle_instructions() { # CMDLINE
    local port ran last i
    port=$(free_port)
    qemu_web "$port" --machine microvm --cpus 4 --mem 64 \
        --kernel "$build/metal/webserver.elf" --disk "$work/site.img" \
        --append "$1" -- -plugin "$work/$TEST_NAME.so,every=1000" -d plugin \
        -D "$work/$TEST_NAME.count"
    sleep 10
    for i in $(seq 30); do
        sleep 1
        mapfile -t ran < <(sed -n 's/^at .* ms: \([0-9]*\) instructions$/\1/p' "$work/$TEST_NAME.count")
        last=$((${#ran[@]} - 1))
        [ $last -ge 8 ] && [ $((ran[last] - ran[last - 5])) -lt 25000 ] && break
    done
    kill $child
    wait $child
    cat "$work/$TEST_NAME.count"
    [ $last -ge 8 ] && [ "${ran[last]}" -gt 100000 ] || die "nothing was counted"
    echo "idle with \"$1\": $((ran[last] - ran[last - 5])) instructions in 5 s"
    [ $((ran[last] - ran[last - 5])) -lt 25000 ] || die "5000 in each second are allowed"
}
test_idle_instructions() {
    make_plugin
    idle_instructions ""
    idle_instructions "watchdog=100"
}

# Two nodes, of 96 and 160 MiB, with one and three CPUs: what each CPU has is of
# its node, and it is its part of it.
numa_metal() { # MACHINE
    local cpu
    # The HAL leaves the memory of a node without CPUs whole: up to the next.
    contract tools/qemu.sh --machine "$1" --cpus 4 --mem 320 --no-net \
        --kernel "$build/metal/hal_contract.elf" -- \
        -object memory-backend-ram,id=m0,size=96M -numa node,nodeid=0,memdev=m0,cpus=0 \
        -object memory-backend-ram,id=m1,size=64M -numa node,nodeid=1,memdev=m1 \
        -object memory-backend-ram,id=m2,size=160M -numa node,nodeid=2,memdev=m2,cpus=1-3
    grep -q 'are in a row' "$work/$TEST_NAME.out" || die "no nodes"
    expect 0 "hello from cpu 3 of 4" tools/qemu.sh --machine "$1" --cpus 4 \
        --mem 256 --no-net --kernel "$build/metal/hello.elf" \
        --append "log=debug" -- \
        -object memory-backend-ram,id=m0,size=96M -numa node,nodeid=0,memdev=m0,cpus=0 \
        -object memory-backend-ram,id=m1,size=160M -numa node,nodeid=1,memdev=m1,cpus=1-3
    check_nodes 0 1 1 1
    [ $(($(node_mib 0))) -ge 85 ] && [ $(($(node_mib 0))) -le 96 ] || die "cpu 0"
    for cpu in 1 2 3; do
        [ $(($(node_mib $cpu))) -ge 50 ] && [ $(($(node_mib $cpu))) -le 56 ] ||
            die "cpu $cpu"
    done
}
node_mib() { # CPU: a sum
    sed -n "s/.*debug: cpu $1, node [0-9]*: \([0-9]*\) MiB of node.*/\1/p" \
        "$work/$TEST_NAME.out" | paste -sd+
}
check_nodes() { # the node of each CPU: it has memory of that node and no other
    local cpu=0 node
    for node in "$@"; do
        grep -q "cpu $cpu, node $node: [0-9]* MiB of node $node" \
            "$work/$TEST_NAME.out" || die "cpu $cpu has no memory of node $node"
        ! grep "cpu $cpu, node" "$work/$TEST_NAME.out" |
            grep -v "cpu $cpu, node $node: [0-9]* MiB of node $node" ||
            die "cpu $cpu has memory of another node"
        cpu=$((cpu + 1))
    done
}
test_numa_pc() { numa_metal pc; }
test_numa_q35() { numa_metal q35; }
test_numa_host() {
    expect 0 "hello from cpu 3 of 4" "$build/host/hello" --cpus 4 --mem 16m \
        --nodes 2 -- log=debug
    check_nodes 0 0 1 1
    expect 0 "hello from cpu 1 of 2" "$build/host/hello" --cpus 2 --mem 16m \
        --nodes 3 -- log=debug
    grep -q "cpu 0, node 0: .* MiB of node 2" "$work/$TEST_NAME.out" ||
        die "the memory of the node without a CPU"
    expect 0 "hello from cpu 2 of 3" "$build/host/hello" --cpus 3 --mem 2m \
        --nodes 64
    contract "$build/host/hal_contract" --cpus 3 --nodes 2
    expect fail "1 to 64" "$build/host/hello" --nodes 65
}

# Machines with more memory than one top entry of the page table maps, sparse on
# the host.
big() { # MIB COMMAND...: qemu.sh with that memory
    expect 0 "$2" tools/qemu.sh "${@:3}" --no-net --mem "$1" -- \
        -object "memory-backend-ram,id=ram,size=$1M,reserve=off" \
        -machine memory-backend=ram -cpu "max,phys-bits=42$no_1g"
}
can_map() { # MIB
    tools/qemu.sh --no-net --mem "$1" -- -S -object \
        "memory-backend-ram,id=ram,size=$1M,reserve=off" -machine memory-backend=ram \
        -cpu max,phys-bits=42 >"$work/$TEST_NAME.out" 2>&1 &
    sleep 1
    kill $! 2>/dev/null || { # it has ended by itself
        cat "$work/$TEST_NAME.out"
        skip "this host cannot map $1 MiB"
    }
    wait $!
}
test_memory_520g() {
    local no_1g=
    can_map 532480
    big 532480 'hello from cpu 3 of 4' --machine q35 --cpus 4 --kernel "$build/metal/hello.elf"
    big 532480 'PASSED' --machine pc --cpus 2 --kernel "$build/metal/hal_contract.elf"
    big 532480 'PASSED' --machine microvm --kernel "$build/metal/hal_contract.elf"
    no_1g=,-pdpe1gb
    big 532480 'PASSED' --machine pc --cpus 2 --kernel "$build/metal/hal_contract.elf"
}
test_memory_1030g() {
    local no_1g=
    can_map 1054720
    big 1054720 'PASSED' --machine microvm --cpus 2 --kernel "$build/metal/hal_contract.elf"
    big 1054720 'hello from cpu 1 of 2' --machine pc --cpus 2 --kernel "$build/metal/hello.elf"
    # A border inside a GiB.
    big 1054977 'hello from cpu 2 of 3' --machine q35 --cpus 3 --kernel "$build/metal/hello.elf"
}
test_memory_600g_host() {
    local log="$work/$TEST_NAME.out"
    "$build/host/hello" --mem 600g >"$log" 2>&1 || {
        cat "$log"
        ! grep -q 'no room' "$log" || skip "this host cannot map 600 GiB"
        die "600 GiB"
    }
    grep -q 'hello from cpu 0 of 1' "$log" || die "it says nothing"
    contract "$build/host/hal_contract" --mem 300g --cpus 2
    # What is not used costs nothing.
    (ulimit -v 800000000 && exec "$build/host/webserver" --mem 600g \
        --disk "$work/site.img,ro" --net user) >"$log" 2>&1 &
    child=$!
    sleep 1
    local used
    used=$(awk '/^VmHWM/ {print $2}' "/proc/$child/status")
    kill $child
    wait $child
    cat "$log"
    echo "with 600 GiB the server uses ${used:-0} KiB"
    [ "${used:-0}" -gt 0 ] && [ "$used" -lt 100000 ] || die "too much, or no server"
}

# A panic names what happened, the thread, and the functions on its stack.
fault() { # TEXT HOW [there]
    expect fail "$1" tools/qemu.sh --no-net --cpus 2 --mem 32 "${fault_args[@]}" \
        --kernel "$build/metal/faults.elf" --append "${*:2}"
    grep -q 'thread victim' "$work/$TEST_NAME.out" || die "no thread"
    # What is executed in data has no frame; its caller's caller has.
    grep -qE "fault_$2\+0x|thread_entry\+0x" "$work/$TEST_NAME.out" ||
        die "no function"
}
test_panic_metal() {
    local stack
    fault 'panic: page fault, address 0x8' read
    fault 'panic: page fault, address 0x8, read of page 0' read there
    grep -q '^panic in fault_read, apps/faults/main.c:[0-9]*' "$work/$TEST_NAME.out" ||
        die "no line"
    grep -q 'cpu 0, thread .* main, .*: ' "$work/$TEST_NAME.out" || die "no threads"
    fault 'panic: page fault, .*, write of text' write
    fault 'panic: page fault, .*, execution of data' execute
    grep -q '^panic in fault_execute, apps/' "$work/$TEST_NAME.out" || die "not from where"
    fault 'panic: stack overflow' stack
    fault 'panic: stack overflow' stack there
    fault 'panic: stack overflow' alloca
    fault 'panic: stack overflow' alloca there
    for stack in ist1 ist2 ist3 ist4; do
        fault 'panic: stack overflow' $stack
        fault 'panic: stack overflow' $stack there
    done
    expect fail 'panic: stack overflow' tools/qemu.sh --no-net \
        --kernel "$build/metal/faults.elf" --append boot
    # Shares of less than two large pages: guard pages all the same.
    fault_args=(--mem 12 --cpus 4)
    fault 'panic: stack overflow' stack
    fault 'panic: stack overflow' stack there
    fault_args=()
    fault 'assertion failed' assert
    grep -q 'thread_entry+0x' "$work/$TEST_NAME.out" || die "no caller"
    panics tools/qemu.sh --no-net --mem 64 --kernel "$build/metal/faults.elf" \
        --cpus 4 --append
}
# Some of the planted faults, with what gdb sees in their dumps; make faults has all.
test_faults_dump() {
    BUILD=$build tests/faults/run.sh jump stack twice-there deadlock double corrupt || die "a fault"
}
# What is caught leaves nothing over; what cannot be is said.
test_exceptions_caught() {
    expect 0 'all were caught' "$build/host/faults" --cpus 2 -- caught
    expect 0 'all were caught' "$build/host/faults" --cpus 2 -- caught there
    expect 0 'all were caught' tools/qemu.sh --no-net --cpus 2 --mem 32 \
        --kernel "$build/metal/faults.elf" --append "caught there"
    expect fail 'not caught: the machine cannot go on' tools/qemu.sh --no-net --cpus 2 --mem 32 \
        --kernel "$build/metal/faults.elf" --append uncaught
}
# One CPU's panic stops the others, is the only one that is told, and ends.
panics() { # COMMAND...
    local i
    expect fail 'panic: .* fault' "$@" noisy
    ! sed '1,/panic:/d; /^last lines/,/^panic in/d' "$work/$TEST_NAME.out" |
        grep noise || die "others go on"
    grep -q 'fault_read+0x' "$work/$TEST_NAME.out" || die "no function"
    for i in 1 2 3; do
        expect fail 'assertion failed' "$@" all
        [ "$(grep -c 'panic:' "$work/$TEST_NAME.out")" = 1 ] || die "two panics"
        grep -q 'on cpu' "$work/$TEST_NAME.out" || die "a torn report"
    done
    # The report itself fails: one line more, and the end.
    expect fail 'panic: .* fault at .*, address 0x8' "$@" corrupt
    grep -q 'panic: the report has failed: ' "$work/$TEST_NAME.out" || die "why"
    [ "$(grep -c 'panic:' "$work/$TEST_NAME.out")" = 2 ] || die "too much"
}
# No line that was logged is lost at the end, on whichever CPU it comes.
exit_lines() { # COMMAND...
    expect 3 'line 49 of cpu 3' "$@"
    [ "$(tr -d '\r' <"$work/$TEST_NAME.out" | grep -cx 'line [0-9]* of cpu [0-3]')" = 250 ] ||
        die "lines are lost"
}
test_exit_host() {
    exit_lines "$build/host/faults" --cpus 4 -- exit
    exit_lines "$build/host/faults" --cpus 4 -- exit there
}
# An end is a success when the image says so, and never else.
test_exit_metal() {
    local machine device
    set -- --no-net --kernel "$build/metal/faults.elf"
    exit_lines tools/qemu.sh "$@" --cpus 4 --mem 64 --append exit
    exit_lines tools/qemu.sh "$@" --cpus 4 --mem 64 --append "exit there"
    for machine in microvm pc q35; do
        for device in "" --no-exit-device; do
            # shellcheck disable=SC2086 # perhaps no word
            set -- tools/qemu.sh --no-net $device --machine $machine --cpus 2 \
                --kernel "$build/metal/faults.elf" --append
            expect 2 'machine ended with status 2' "$@" nonsense
            expect 0 'machine ended with status 0' "$@" spin
            expect 127 'panic: page fault' "$@" "read there"
            expect fail 'ended by a triple fault' "$@" triple
        done
    done
}
# One that keeps its CPU for 300 ms is told of once, and goes on. A busy host may give
# it too little of that time to be noticed: then again.
watchdog() { # CPU COMMAND...
    local cpu="$1" i
    shift
    for i in 1 2 3 4 5; do
        expect 0 Torc "$@"
        ! grep -q 'has not yielded' "$work/$TEST_NAME.out" || break
    done
    grep -q "warning: cpu $cpu: thread victim has not yielded for [0-9]* ms" \
        "$work/$TEST_NAME.out" || die "not told"
    [ "$(grep -c 'has not yielded' "$work/$TEST_NAME.out")" = 1 ] || die "told twice"
    grep -qE '(in|at) .*fault_spin\+0x' "$work/$TEST_NAME.out" || die "no function"
    grep -q 'at .*thread_entry+0x' "$work/$TEST_NAME.out" || die "no caller"
}
test_watchdog_metal() {
    local how
    for how in "--machine microvm" "--machine pc"; do
        # shellcheck disable=SC2086 # two words
        set -- tools/qemu.sh --no-net $how --cpus 2 --mem 32 \
            --kernel "$build/metal/faults.elf" --append
        watchdog 0 "$@" "watchdog=100 spin"
        watchdog 1 "$@" "watchdog=100 spin there"
        expect 0 Torc "$@" "spin there"
        ! grep 'has not yielded' "$work/$TEST_NAME.out" || die "told unasked"
        expect 127 "panic: a CPU hangs with interrupts off" "$@" "watchdog=100 stuck=end hang-off there"
        expect 0 Torc "$@" "watchdog=1000 spin"
        ! grep 'has not yielded' "$work/$TEST_NAME.out" || die "told too early"
        expect 2 "watchdog=9: give a number from 10 to 60000" "$@" "watchdog=9 spin"
    done
}
test_watchdog_host() {
    watchdog 0 "$build/host/faults" -- watchdog=50 spin
    watchdog 1 "$build/host/faults" --cpus 2 -- watchdog=50 spin there
    expect 0 Torc "$build/host/faults" --cpus 2 -- spin there
    ! grep 'has not yielded' "$work/$TEST_NAME.out" || die "told unasked"
    expect 2 "watchdog=60001: give" "$build/host/faults" -- watchdog=60001
    expect 2 "watchdog=1s: give" "$build/host/faults" -- watchdog=1s
}
test_panic_host() {
    expect fail 'panic: segmentation fault, address 0x8, read of page 0' "$build/host/faults" -- read
    grep -q '^panic in fault_read, apps/faults/main.c:' "$work/$TEST_NAME.out" || die "no line"
    grep -q 'fault_read+0x' "$work/$TEST_NAME.out" || die "no function"
    expect fail 'panic: stack overflow' "$build/host/faults" -- stack
    expect fail 'panic: stack overflow' "$build/host/faults" -- alloca
    expect fail 'panic: stack overflow' "$build/host/faults" --cpus 2 -- alloca there
    expect fail 'assertion failed' "$build/host/faults" --cpus 2 -- assert there
    grep -q 'on cpu 1' "$work/$TEST_NAME.out" || die "not there"
    panics "$build/host/faults" --cpus 4 --
}

# From reset to the application that serves: instructions of one CPU, the firmware's
# included, counted by a plugin in QEMU.
make_plugin() {
    gcc -I. -shared -fPIC -O2 -pthread -o "$work/$TEST_NAME.so" tools/insn_count.c || die "the plugin"
}
count_boot() { # QEMU.SH OPTIONS... [-- QEMU'S]: sets count
    local plugin=(-plugin "$work/$TEST_NAME.so" -d plugin -D "$work/$TEST_NAME.count")
    local log="$work/$TEST_NAME.machine"
    case " $* " in
    *" -- "*) ;;
    *) set -- "$@" -- ;;
    esac
    timeout 120 tools/qemu.sh --disk "$work/site.img" \
        --kernel "$build/metal/webserver.elf" "$@" "${plugin[@]}" >"$log" 2>&1 &
    child=$!
    await_text 'webserver: serving' "$log"
    kill "$child"
    wait "$child"
    cat "$log" "$work/$TEST_NAME.count"
    count=$(sed -n 's/^instructions: firmware \([0-9]*\), kernel and application \([0-9]*\)$/\1 + \2/p' \
        "$work/$TEST_NAME.count")
    [ -n "$count" ] || die "nothing was counted"
    count=$((count))
}
test_boot_instructions() {
    local count one
    make_plugin
    count_boot
    [ $count -le 500000 ] || die "boot takes $count instructions"
    one=$count
    count_boot --cpus 4
    echo "each further CPU: $(((count - one) / 3)) instructions"
    [ $((count - one)) -le 600000 ] || die "a further CPU takes more than 200000 instructions"
}
# Boot costs the same, up to a tenth, with eight thousand times the memory.
test_boot_instructions_520g() {
    local count small
    can_map 532480
    make_plugin
    count_boot --mem 64
    small=$count
    count_boot --mem 532480 -- \
        -object memory-backend-ram,id=ram,size=532480M,reserve=off \
        -machine memory-backend=ram -cpu max,phys-bits=42
    echo "instructions: $small with 64 MiB, $count with 520 GiB"
    [ $((count * 10)) -le $((small * 11)) ] || die "more than a tenth more"
}

# ---- Time ---------------------------------------------------------------------------

# Put the host's time, in microseconds, before each line of the clock application:
# host, since boot, wall.
stamp() { # LOG
    local word since wall
    while read -r word since wall; do
        if [ "$word" = clock: ]; then
            echo "${EPOCHREALTIME/./} $since ${wall%$'\r'}"
        else
            echo "# $word $since $wall"
        fi
    done >"$1"
}

# The bursts of lines in a log. The line that came soonest after its time counts:
# host time of it, and how far ahead of the host the clock and the wall time are,
# in microseconds and relative to the first burst, and the wall time to the host.
bursts() { # LOG
    awk '/^[0-9]/ {
        if (n == 0 || $1 - last > 500000) { n++; ahead[n] = $2 - $1 }
        if ($2 - $1 >= ahead[n]) { ahead[n] = $2 - $1; at[n] = $1; wall[n] = $3 - $1 }
        last = $1
    }
    END { for (i = 1; i <= n; i++) printf "%.0f %.0f %.0f\n", at[i], ahead[i] - ahead[1], wall[i] }' "$1"
}

clock_log() { echo "$work/$TEST_NAME.$(tr -c 'a-z0-9\n' _ <<<"$*")"; }

# The rate of the clock against the host from the first burst to the last.
check_rate() { # LOG PPM
    local ppm
    ppm=$(bursts "$1" | awk 'NR == 1 { start = $1 }
        { now = $1; ahead = $2; n++ }
        END { if (n > 1) printf "%.0f", ahead * 1000000 / (now - start) }')
    [ -n "$ppm" ] || { cat "$1" && die "too few lines"; }
    echo "${1##*/}: $ppm ppm"
    [ "${ppm#-}" -le "$2" ] || { cat "$1" && die "the clock is $ppm ppm off"; }
}

# Applications that only sleep: on each type of machine, with a hypervisor and
# without, on CPU 0 and on another.
clock_rates() { # GAP_MS COUNT PPM
    local machine cpu log pids=()
    for machine in microvm pc q35; do
        for cpu in max max,-hypervisor; do
            log=$(clock_log "$machine" "$cpu")
            timeout 100 tools/qemu.sh --no-net --machine "$machine" --cpus 2 \
                --kernel "$build/metal/clock.elf" \
                --append "$1 $2$([ $machine = q35 ] && echo ' there')" -- \
                -cpu "$cpu" 2>&1 | stamp "$log" &
            pids+=($!)
        done
    done
    wait "${pids[@]}"
    for machine in microvm pc q35; do
        for cpu in max max,-hypervisor; do
            check_rate "$(clock_log "$machine" "$cpu")" "$3"
        done
    done
}
test_clock_rate() { clock_rates 4000 2 1000; } # a busy host delays the lines
test_clock_minute() { clock_rates 60000 2 50; } # only when asked for by name

# QEMU's machine protocol, by descriptor 3: one line for each answer.
qmp_open() { # PORT
    local i
    for i in $(seq 600); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && break
        sleep 0.1
    done
    exec 3<>"/dev/tcp/127.0.0.1/$1" || die "no monitor"
    qmp qmp_capabilities
}
qmp() { # COMMAND [ARGUMENTS]: sets answer
    answer=
    echo "{\"execute\":\"$1\"${2:+,\"arguments\":$2}}" >&3
    while [[ "$answer" != *'"return"'* ]]; do
        read -r -t 60 answer <&3 || die "the monitor does not answer $1"
    done
}

# How far the clock chip of QEMU is behind the host, in microseconds: QEMU starts it
# with a whole second (rtc_set_date_from_host() in hw/rtc/mc146818rtc.c). It goes on while
# the machine is paused.
chip_behind() { # sets behind
    local last= before started=0 now i answer least=-99999999 most=99999999 from to
    for i in $(seq 10000); do
        before=$started # when the look before this one began
        started=${EPOCHREALTIME/./}
        qmp qom-get '{"path":"/machine","property":"rtc-time"}'
        now=${EPOCHREALTIME/./}
        [[ "$answer" =~ \"tm_sec\":\ ([0-9]+) ]] || die "no chip: $answer"
        # At its edge, between two looks, the chip is at a whole second. Where they are not
        # close, several edges together tell.
        if [ -n "$last" ] && [ "${BASH_REMATCH[1]}" != "$last" ]; then
            to=$(((now - BASH_REMATCH[1] * 1000000 + 30000000) % 60000000 - 30000000))
            from=$((to - (now - before)))
            [ $from -lt $least ] || least=$from
            [ $to -gt $most ] || most=$to
            behind=$most
            [ $((most - least)) -ge 4000 ] || return
        fi
        last="${BASH_REMATCH[1]}"
    done
    die "the chip stands still"
}

# Right to 10 ms of the clock chip a second after the start; and again within
# seconds after the machine was paused. The time since boot leaves the pause out.
clock_pause() { # MACHINE
    local port log behind answer stopped paused
    port=$(free_port)
    log=$(clock_log "$1")
    timeout 300 tools/qemu.sh --no-net --machine "$1" \
        --kernel "$build/metal/clock.elf" --append "1300 6" -- -S \
        -qmp "tcp:127.0.0.1:$port,server=on,wait=off" 2>&1 | stamp "$log" &
    child=$!
    qmp_open "$port"
    qmp cont
    sleep 1
    stopped=${EPOCHREALTIME/./}
    qmp stop
    paused=${EPOCHREALTIME/./}
    chip_behind
    echo "the chip is $behind us behind the host"
    sleep 3.4
    paused=$((${EPOCHREALTIME/./} - paused))
    qmp cont
    stopped=$((${EPOCHREALTIME/./} - stopped))
    wait $child
    exec 3>&-
    cat "$log"
    # Of each burst that line counts that came soonest after its time.
    awk -v behind="$behind" -v least="$paused" -v most="$stopped" '
        !/^[0-9]/ { next }
        { error = $3 - $1 + behind; ahead = $2 - $1; lines++ }
        lines == 1 { early = error }
        lines == 1 || lines <= 20 && ahead > ahead_first { ahead_first = ahead }
        lines == 81 || lines > 81 && error > late { late = error }
        lines == 81 || lines > 81 && ahead > ahead_last { ahead_last = ahead }
        END {
            paused = ahead_first - ahead_last
            printf "wall time ahead of the chip: %d us at start, %d at the end; paused for %d (%d to %d)\n",
                early, late, paused, least, most
            exit !(lines == 120 && early < 10000 && early > -1010000 && late < 10000 &&
                late > -10000 && paused > least - 100000 && paused < most + 100000)
        }' "$log" || die "the wall time is not right"
}
test_clock_pause() {
    clock_pause microvm
    clock_pause q35
}

# Years of both centuries, with a register for the century and without.
test_clock_years() {
    local machine
    for machine in microvm pc; do
        expect 0 "^clock: [0-9]* 94668479" tools/qemu.sh --no-net --machine $machine \
            --kernel "$build/metal/clock.elf" --append "1 1" -- \
            -rtc base=1999-12-31T23:59:50
        expect 0 "^clock: [0-9]* 170916480" tools/qemu.sh --no-net --machine $machine \
            --kernel "$build/metal/clock.elf" --append "1 1" -- \
            -rtc base=2024-02-29T00:00:00
    done
}

# A process that was stopped: the wall time is right, the time since boot too.
test_clock_host() {
    local log
    log=$(clock_log host)
    "$build/host/clock" --cpus 2 -- 1000 3 there > >(stamp "$log") 2>&1 &
    child=$!
    sleep 0.6
    kill -STOP $child
    sleep 1.2
    kill -CONT $child
    wait $child || die "status $?"
    sleep 0.2
    cat "$log"
    check_rate "$log" 1000
    # It is never ahead, and right where a line came at once; a busy host is late with some,
    # but not for as long as the process was stopped.
    bursts "$log" | awk '$3 > 1000 || $3 < -400000 { bad = 1 } $3 >= -10000 { right = 1 }
        END { exit bad || !right || NR != 3 }' || die "the wall time is not the host's"
}

# ---- Randomness ---------------------------------------------------------------------

# Two starts of one machine: their bytes differ where the machine believes in them.
# Where an instruction counter makes the clock nothing is random: it says so.
random_twice() { # GOOD COMMAND...
    local good="$1" i bytes=()
    shift
    for i in 1 2; do
        expect 0 "^random: $good of 16: " "$@"
        bytes+=("$(sed -n 's/^random: [0-9]* of 16: \([0-9a-f]*\).*/\1/p' "$work/$TEST_NAME.out")")
    done
    [ "$good" = 0 ] || [ "${bytes[0]}" != "${bytes[1]}" ] || die "the same bytes twice"
}
test_random() {
    local machine counted=(-icount "shift=3,sleep=off" -cpu qemu64)
    random_twice 16 "$build/host/faults" -- random
    for machine in microvm pc; do
        set -- tools/qemu.sh --no-net --machine $machine --cpus 2 \
            --kernel "$build/metal/faults.elf" --append
        random_twice 16 "$@" random
        random_twice 16 "$@" "random there"
        random_twice 16 "$@" random -- -cpu qemu64
        random_twice 16 "$@" "random there" -- -cpu qemu64
        random_twice 0 "$@" random --cpus 1 --count -- "${counted[@]}"
    done
    start "$work/$TEST_NAME.machine" tools/qemu.sh --count --disk "$work/site.img" \
        --kernel "$build/metal/webserver.elf" -- "${counted[@]}"
    await_text 'webserver: serving' "$work/$TEST_NAME.machine" || die "no server"
    for room in net mount; do
        grep -q "$room: this machine has no random numbers" \
            "$work/$TEST_NAME.machine" || die "no warning of $room"
    done
}

# The entropy device gives its seed, over each interface that QEMU has.
entropy() { # MACHINE DEVICE
    local machine="$1" device="$2"
    start "$work/$TEST_NAME.$device" tools/qemu.sh --machine "$machine" \
        --disk "$work/site.img" --kernel "$build/metal/webserver.elf" -- \
        -cpu qemu64 -device "$device"
    await_text 'webserver: serving' "$work/$TEST_NAME.$device" || die "no server"
    await_text 'random numbers are seeded by the device' "$work/$TEST_NAME.$device" ||
        die "no seed"
    kill "$child"
}
test_entropy_device() {
    entropy pc virtio-rng-pci
    entropy pc virtio-rng-pci-non-transitional
    entropy q35 virtio-rng-pci,disable-modern=on,disable-legacy=off
    entropy microvm virtio-rng-device
}

# What the basic operations may cost in the guest: docs/bench.md.
test_guest_instructions() {
    STRICT=1 tools/bench_guest.sh || die "an operation takes more than it may"
}

# make profile, of an application of which it is known what it executes, and which
# another plugin counts in the same run; and of a server.
test_profile() {
    local out="$work/$TEST_NAME.bin/known" image="$build/metal/profile_app.elf" marks room
    mkdir -p "$work/$TEST_NAME.bin"
    marks=$(nm "$image" | awk '$3 ~ /^bench_(begin|end)$/ {
        printf ",%s=%s", substr($3, 7), $1 }')
    gcc -std=c11 -I. -O2 -shared -fPIC -o "$out.marks.so" tests/bench/insn_marks.c || die "the plugin"
    OUT="$out" LOAD=known ALSO="-plugin $out.marks.so$marks -d plugin -D $out.marks" \
        tools/profile/profile.sh profile_app || die "the profile"
    tests/integration/profile_check.py "$out" "$out.marks" || die "it is not right"
    profile_must_be_whole "$out"
    profile_function "$out" "$image"
    out="$work/$TEST_NAME.bin/web"
    OUT="$out" REQUESTS=20 tools/profile/profile.sh webserver || die "of the server"
    for room in net kernel/file kernel/cache drivers net/http kernel/thread '(idle)'; do
        grep -q "^$room," "$out.csv" || die "no instructions of $room"
    done
    profile_differences "$out"
    OUT="$out" LOAD="exit 3" expect fail "the load failed: exit 3" tools/profile/profile.sh webserver
    expect fail "there is no .*nowhere.elf" tools/profile/profile.sh nowhere
}
# A row that is missing, or has another number, is noticed.
profile_must_be_whole() { # PREFIX
    local report=(tools/profile/report.pl --requests 10 --profile "$1.bad") row
    cp "$1.functions" "$1.bad.functions"
    row=$(awk '$1 == "node" && $6 > 0 { print NR; exit }' "$1.counts")
    sed "${row}d" "$1.counts" >"$1.bad.counts"
    expect fail "the rows hold .* but .* were executed" "${report[@]}"
    awk -v row="$row" 'NR == row { $6++ } 1' "$1.counts" >"$1.bad.counts"
    expect fail "the rows hold .* but .* were executed" "${report[@]}"
    : >"$1.bad.counts"
    expect fail "nothing was counted" "${report[@]}"
    cp "$1.counts" "$1.bad.counts"
    expect 0 "^sum " "${report[@]}"
}
# Callers and lines of the function whose loop is the longest.
profile_function() { # PREFIX IMAGE
    expect 0 "^app_main  *tests/integration  *1.0  *400002.0 " tools/profile/report.pl \
        --requests 10 --profile "$1" --function known_spin --image "$2"
    grep -q "^ *200000.0 .* jnz 1b" "$work/$TEST_NAME.out" || die "the line of the loop"
    grep -q "^ *400002.0  *sum" "$work/$TEST_NAME.out" || die "the sum of the lines"
    expect 0 "^known_inner_a .* 5.0 *1010.0 " tools/profile/report.pl --requests 10 \
        --profile "$1" --function known_leaf --image "$2"
    expect fail "no nobody was executed" tools/profile/report.pl --requests 10 \
        --profile "$1" --function nobody --image "$2"
}
profile_differences() { # PREFIX
    local log="$work/$TEST_NAME.out"
    expect 0 "^sum .* +0.0 *+0.0%" tools/profile/report.pl --diff "$1.csv" "$1.csv"
    awk -F, -v OFS=, '$2 == "tcp_output" { $5 += 1000 } 1' "$1.csv" >"$1.more.csv"
    expect 0 "^sum .* +1000.0 " tools/profile/report.pl --diff "$1.csv" "$1.more.csv"
    grep -q '^net/tcp  .* +1000.0 ' "$log" || die "the room of what has changed"
    grep -q '^tcp_output (net/tcp) .* +1000.0 ' "$log" || die "what has changed"
    grep -v ',tcp_output,' "$1.csv" >"$1.less.csv"
    expect 0 "^tcp_output (net/tcp) .* new" tools/profile/report.pl --diff "$1.less.csv" "$1.csv"
}

# qemu.sh stays until the machine has ended, whatever signals it is sent: files that
# QEMU writes at its end are whole then. A machine that is slow to end stands in.
test_qemu_ends() {
    local slow="$work/$TEST_NAME.bin" ended="$work/$TEST_NAME.ended" status i
    mkdir -p "$slow"
    rm -f "$ended"
    printf '#!/bin/bash\n%s\n' "trap 'sleep 1; echo >$ended; exit 3' TERM" \
        'echo up; while :; do sleep 0.05; done' >"$slow/qemu-system-x86_64"
    chmod +x "$slow/qemu-system-x86_64"
    PATH="$slow:$PATH" tools/qemu.sh --no-net >"$work/$TEST_NAME.out" 2>&1 &
    child=$!
    await_text up "$work/$TEST_NAME.out" || die "the machine does not start"
    for i in 1 2 3; do
        kill "$child"
        sleep 0.1
    done
    wait "$child"
    status=$?
    [ -e "$ended" ] || die "it left a machine behind"
    [ $status -eq 1 ] || die "status $status and not the machine's"
}

# stalls.pl sees that it was stopped. A test program that fails is run again if a stall
# was seen meanwhile, and only then; three failures are one.
test_stalls() {
    local seen="$work/$TEST_NAME.seen" program="$work/$TEST_NAME.program" out i
    : >"$seen"
    perl tools/stalls.pl "$seen" &
    child=$!
    trap 'kill $child 2>/dev/null' EXIT
    for i in $(seq 100); do
        since=$EPOCHREALTIME
        sleep 0.2
        pkill -STOP -P $child
        sleep 1
        pkill -CONT -P $child
        sleep 0.2
        stalls_since "$since" "$seen" && break
    done
    [ "$i" -lt 100 ] || die "it sees no stall"
    stalls_since 9999999999 "$seen" && die "a stall that has not been"
    cat >"$program" <<'END'
#!/bin/bash
# The plan: how often it still fails, and how often a stall is noted then.
read -r fails stalled <"$0.plan"
[ "$fails" -le 0 ] && { echo '[       OK ] test'; exit 0; }
[ "$stalled" -gt 0 ] && echo "1.0 $EPOCHREALTIME" >>"$stalls"
echo "$((fails - 1)) $((stalled - 1))" >"$0.plan"
echo ' 1 FAILED TEST(S)'
exit 1
END
    chmod +x "$program"
    while read -r fails stalled status again; do
        echo "$fails $stalled" >"$program.plan"
        out=$(tools/run_unit.sh "$program")
        [ $? -eq "$status" ] || die "$fails failures, $stalled stalls: not $status: $out"
        [ "$(grep -c '^again' <<<"$out")" -eq "$again" ] ||
            die "$fails failures, $stalled stalls: not $again times again: $out"
    done <<'END'
0 0 0 0
1 0 1 0
1 1 0 1
2 2 0 2
2 1 1 1
3 3 1 3
END
}

# ---- What is wrong gets one clear line and a status -----------------------------------------

bad_qemu() { # TEXT CMDLINE OPTIONS...
    local text="$1" cmdline="$2"
    shift 2
    expect fail "$text" tools/qemu.sh --kernel "$build/metal/webserver.elf" \
        --append "$cmdline" "$@"
}
bad_host() { # TEXT OPTIONS...
    local text="$1"
    shift
    expect fail "$text" "$build/host/webserver" "$@"
}

test_bad_disk_metal() {
    bad_qemu "error: no disk: attach" ""
    bad_qemu "run e2fsck" "" --disk "$work/damaged.img"
    bad_qemu "error: no disk holds an ext2" "" --disk "$work/empty.img"
    bad_qemu "root=vdz: there is no such disk" "root=vdz" --disk "$work/site.img"
}
test_bad_disk_host() {
    bad_host "error: no disk: attach" --net user
    bad_host "run e2fsck" --net user --disk "$work/damaged.img"
    bad_host "error: no disk holds an ext2" --net user --disk "$work/empty.img"
    bad_host "nowhere" --net user --disk "$work/nowhere.img"
}
test_bad_net() {
    bad_qemu "error: no network card: attach" "" --no-net \
        --disk "$work/site.img"
    bad_host "error: no network card: attach" --disk "$work/site.img"
    bad_host "torc: " --net tap --disk "$work/site.img"
    bad_host "torc: " --net user,hostfwd=nonsense --disk "$work/site.img"
}
test_bad_arguments() {
    bad_qemu 'unknown argument "nett=1"' "-- nett=1" --disk "$work/site.img"
    bad_qemu 'unknown argument "x"' "-- x" --disk "$work/site.img"
    bad_qemu 'bad address "10.0.0.1"' "net=10.0.0.1" --disk "$work/site.img"
    bad_qemu 'port=0: give a number from 1 to 65535' "port=0" --disk "$work/site.img"
    bad_qemu 'no such cpu "1"' "cpu=1" --disk "$work/site.img"
    bad_qemu 'log=loud' "log=loud" --disk "$work/site.img"
    bad_qemu 'idle=poll: use mwait|hlt' "idle=poll" --disk "$work/site.img"
    bad_qemu 'dir=/none' "dir=/none" --disk "$work/site.img"
    bad_host "torc: " --no-such-option
    bad_host "torc: " --cpus 0
    bad_host "torc: " --mem nothing
    bad_host 'port=70000: give a number from 1 to 65535' --net user --disk "$work/site.img" -- port=70000
}
# Without ACPI the MP table tells of CPUs and I/O APICs; the devices of microvm are in
# the command line, behind the words of the application.
test_no_acpi() {
    local port machine
    for machine in microvm pc q35; do
        port=$(free_port)
        qemu_web "$port" --machine "$machine,acpi=off" --cpus 2,sockets=2 --mem 32 \
            --kernel "$build/metal/webserver.elf" --disk "$work/site.img" --append "-- cpu=1"
        grep -q '2 CPUs' "$work/$TEST_NAME.machine" || die "$machine: not two CPUs"
        check_files "http://127.0.0.1:$port"
        kill $child
        wait $child
    done
}
# A card behind a second host bridge; PCI that cannot be reached.
test_pci_roots() {
    local port
    port=$(free_port)
    qemu_web "$port" --machine q35 --mem 64 --no-net --kernel "$build/metal/webserver.elf" \
        --disk "$work/site.img" -- \
        -device pxb-pcie,id=root2,bus_nr=64 -device pcie-root-port,id=port2,bus=root2 \
        -netdev "user,id=net0,hostfwd=tcp:127.0.0.1:$port-:80" \
        -device virtio-net-pci,romfile=,netdev=net0,bus=port2
    check_files "http://127.0.0.1:$port"
    expect 0 "warning: PCI devices are not found" tools/qemu.sh --no-net \
        --machine microvm,pcie=on --kernel "$build/metal/hello.elf"
    expect 0 "hello" tools/qemu.sh --no-net --kernel "$build/metal/hello.elf"
    ! grep -q "PCI" "$work/$TEST_NAME.out" || die "a warning without reason"
}
# Words that boot loaders add for other systems are no reason to stop; a disk may be
# named as Linux names it.
test_foreign_words() {
    local port words log="$work/$TEST_NAME.machine"
    words="BOOT_IMAGE=/torc reboot=k pci=off rw quiet nomodules console=ttyS0"
    port=$(free_port)
    microvm "$port" 1 "root=/dev/vda panic=1 $words -- port=80"
    check_files "http://127.0.0.1:$port"
    [ "$(grep -c warning "$log")" -eq 1 ] || die "not one warning"
    grep -q "warning: command line: ignored.*: $words" "$log" || die "not these words"
}
# hello has enough with a MiB for each CPU, the web server with two, besides the image.
test_small_memory() {
    local port
    hello 4 tools/qemu.sh --cpus 4 --mem 6 --no-net --kernel "$build/metal/hello.elf"
    # CPUs that are not used take none of it.
    hello 2 tools/qemu.sh --cpus 64 --mem 4 --no-net --kernel "$build/metal/hello.elf" \
        --append cpus=2
    port=$(free_port)
    qemu_web "$port" --mem 4 --kernel "$build/metal/webserver.elf" --disk "$work/site.img"
    check_files "http://127.0.0.1:$port"
}
test_bad_memory() {
    local machine
    expect fail "too little" tools/qemu.sh --mem 2 --no-net \
        --kernel "$build/metal/hello.elf"
    expect fail "too little" tools/qemu.sh --mem 8 --cpus 16 --no-net \
        --kernel "$build/metal/hello.elf"
    bad_host "too small" --mem 1m
    for machine in microvm pc q35; do
        expect 1 "KiB of memory, too little to serve" tools/qemu.sh --machine $machine \
            --mem 3 --kernel "$build/metal/webserver.elf" --disk "$work/site.img"
    done
}
# A machine that cannot start says why, with a status that is not 0.
test_bad_machine() {
    local hello=(--no-net --kernel "$build/metal/hello.elf") row
    for row in "-cpu qemu32:no 64-bit mode" "-cpu pentium3:no 64-bit mode" \
        "-cpu max,-nx:no NX bit" "-cpu max,-apic:no local APIC" \
        "-cpu max,-pat:no page attribute table"; do
        # shellcheck disable=SC2086 # two words
        expect 1 "error: this processor has ${row#*:}" \
            tools/qemu.sh "${hello[@]}" -- ${row%:*}
    done
    expect 1 "needs 2 MiB of memory to be loaded" tools/qemu.sh --mem 1 "${hello[@]}"
}
# 24 MiB of text and as much .bss; what is loaded of it in 28 MiB can say so.
test_big_image() {
    local machine big=(--no-net --kernel "$build/metal/big_image.elf")
    for machine in microvm pc; do
        expect 0 "hello from cpu 0" tools/qemu.sh --machine $machine --mem 64 "${big[@]}"
        expect 1 "too little memory for the image" \
            tools/qemu.sh --machine $machine --mem 64 "${big[@]}" -- -m 28M
        expect 1 "needs 50 MiB of memory" tools/qemu.sh --machine $machine --mem 49 "${big[@]}"
    done
}
test_bad_tools() {
    local port place="$work/$TEST_NAME"
    expect fail "no such directory" tools/mkimg/mkimg.sh ext2 --dir /nowhere \
        --out "$work/x.img"
    expect fail "no such file" tools/mkimg/mkimg.sh disk --dir "$site" \
        --kernel /nowhere --out "$work/x.img"
    # One that fails half-way leaves what was there, and nothing else.
    mkdir -p "$place"
    echo old >"$place/x.img"
    expect fail "is the size enough" tools/mkimg/mkimg.sh disk --dir "$site" --size 1 \
        --kernel "$build/metal/hello.elf" --out "$place/x.img"
    expect fail "is the size enough" tools/mkimg/mkimg.sh ext2 --dir "$site" --size 1 \
        --out "$place/x.img"
    [ "$(ls -A "$place") $(cat "$place/x.img")" = "x.img old" ] || die "left: $(ls -A "$place")"
    port=$(free_port)
    host_web "$port" 1
    expect fail "is in use" tools/run.sh "$port" true
}

# ---- Of other files ---------------------------------------------------------------------

# Linux and we agree on trees of files, in images that both change (docs/agree.md).
test_agree() {
    timeout 500 python3 tests/agree/agree.py --seeds 8 --jobs 2 "$build/asan/agree/trees" \
        >"$work/$TEST_NAME.out" 2>&1
    local status=$?
    cat "$work/$TEST_NAME.out"
    [ $status -ne 77 ] || skip "$(tail -n 1 "$work/$TEST_NAME.out")"
    [ $status -eq 0 ] || die "status $status"
}

. tests/integration/fuse.sh
. tests/integration/virtio_fs.sh
. tests/integration/balloon.sh
. tests/integration/fileserver.sh
. tests/integration/boot.sh
. tests/integration/mkimg.sh
. tests/integration/services.sh
. tests/integration/net_services.sh
. tests/integration/ip6.sh
. tests/integration/shell.sh
. tests/integration/sockets.sh
. tests/integration/vsock.sh

# ---- Running them --------------------------------------------------------------------------

all_tests() {
    declare -F | sed -n 's/^declare -f test_//p' | grep -v '^clock_minute$'
}

# One test, in a process of its own.
if [ "$1" = --one ]; then
    TEST_NAME="${2#*:}" TEST_INDEX="${2%%:*}"
    log="$work/$TEST_NAME.log"
    began=$SECONDS
    # Again, if it failed while the machine stood still.
    for try in 1 2 3; do
        since=$EPOCHREALTIME
        ("test_$TEST_NAME") >"$log" 2>&1
        status=$?
        [ $status -ne 0 ] && [ $status -ne 77 ] &&
            longest=$(stalls_since "$since" "$work/stalls") || break
        printf 'again %-26s the machine stood still (%s)\n' "$TEST_NAME" "$longest"
    done
    if [ $status -eq 0 ]; then
        printf 'ok   %-28s %3s s\n' "$TEST_NAME" $((SECONDS - began))
        echo ok >"$work/$TEST_NAME.result"
    elif [ $status -eq 77 ]; then
        printf 'skip %-28s %s\n' "$TEST_NAME" "$(tail -n 1 "$log")"
    else
        { cat "$log" && printf 'FAIL %s (%s)\n' "$TEST_NAME" "$log"; } |
            sed 's/\r//g'
        echo failed >"$work/$TEST_NAME.result"
    fi
    exit 0
fi
if [ "$1" = --tap ]; then
    in_namespace
    exit
fi
if [ "$1" = --list ]; then
    all_tests
    exit 0
fi

tools/need.sh build run test || exit 1
mkdir -p "$work"
rm -f "$work"/*.result
make_site
stalls_watch "$work/stalls"
if [ $# -gt 0 ]; then
    printf '%s\n' "$@"
else
    all_tests
fi | awk '{print NR ":" $0}' | xargs -P "$jobs" -n 1 "$0" --one
passed=$(cat "$work"/*.result | grep -c '^ok$')
failed=$(cat "$work"/*.result | grep -c '^failed$')
echo "integration: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
