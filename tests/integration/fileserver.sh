# Tests of the file server, a part of run.sh.

store_disk() { # FILE ext2|fat: an empty one of 64 MB
    rm -f "$1"
    truncate -s 64M "$1"
    case $2 in
    ext2) mke2fs -q -F -t ext2 "$1" ;;
    fat) mkfs.vfat "$1" >/dev/null ;;
    esac || die "no $2"
}

# The status of a request; what came is in $store/out.
store_ask() { # STATUS CURL-ARGUMENTS...
    local want="$1" got
    shift
    got=$(curl -s --max-time 120 -o "$store/out" -w '%{http_code}' "$@")
    [ "$got" = "$want" ] || die "status $got and not $want: $*"
}

store_same() { # URL FILE
    curl -s --max-time 120 "$1" | cmp - "$2" || die "$1 is not $2"
}

check_store() { # URL
    local url="$1" etag pids=() i
    store_ask 201 -T "$site/big.bin" "$url/big.bin"
    store_same "$url/big.bin" "$site/big.bin"
    store_ask 201 -T - "$url/chunked.bin" <"$site/size-1048577.bin"
    store_same "$url/chunked.bin" "$site/size-1048577.bin"
    store_ask 201 -T "$site/size-0.bin" "$url/empty"
    store_same "$url/empty" "$site/size-0.bin"
    curl -sv --max-time 60 -H 'Expect: 100-continue' -T "$site/size-100000.bin" \
        "$url/big.bin" 2>&1 | grep -q 'HTTP/1.1 100 Continue' || die "no 100 Continue"
    store_same "$url/big.bin" "$site/size-100000.bin"
    store_ask 409 -H 'Expect: 100-continue' -T "$site/size-1.bin" "$url/none/x"
    # The tag of the answer is that of the file.
    etag=$(curl -s -D - -o /dev/null -T "$site/size-512.bin" "$url/big.bin" |
        sed -n 's/^ETag: \(.*\)\r$/\1/p')
    store_ask 304 -H "If-None-Match: $etag" "$url/big.bin"
    store_ask 204 -H "If-Match: $etag" -T "$site/size-511.bin" "$url/big.bin"
    store_ask 412 -H "If-Match: $etag" -T "$site/size-1.bin" "$url/big.bin"
    store_ask 412 -H "If-None-Match: *" -T "$site/size-1.bin" "$url/big.bin"
    store_same "$url/big.bin" "$site/size-511.bin"
    # One name, eight uploads at once: one of them is what is there.
    for i in 1 511 512 1023 1024 1025 4096 65535; do
        curl -s --max-time 120 -o /dev/null -T "$site/size-$i.bin" "$url/same" &
        pids+=($!)
    done
    wait "${pids[@]}"
    curl -s --max-time 60 -o "$store/same" "$url/same"
    cmp "$store/same" "$site/size-$(stat -c %s "$store/same").bin" || die "mixed"
    store_ask 200 "$url/"
    grep -q 'href="./chunked.bin"' "$store/out" || die "it is not listed"
    ! grep -qi 'put.tmp' "$store/out" || die "what nobody may name is listed"
    store_ask 404 "$url/put.tmp/"
    store_ask 403 -T "$site/size-1.bin" "$url/PUT.TMP/x"
    store_ask 204 -X DELETE "$url/chunked.bin"
    store_ask 404 "$url/chunked.bin"
    store_ask 404 -X DELETE "$url/chunked.bin"
    store_ask 405 -X POST -d x "$url/empty"
}

# Some seconds after the last change the disk is clean, though it is mounted.
await_clean() { # FILE ext2|fat
    local end=$((SECONDS + 120))
    while [ $SECONDS -lt $end ]; do
        case $2 in
        ext2) dumpe2fs -h "$1" 2>/dev/null | grep -q '^Filesystem state: *clean$' ;;
        fat) ! fsck.vfat -n "$1" | grep -q 'Dirty bit' ;;
        esac && return 0
        sleep 0.2
    done
    die "the disk is not made clean"
}

check_disk() { # FILE ext2|fat
    case $2 in
    ext2) e2fsck -fn "$1" ;;
    fat) fsck.vfat -n "$1" ;;
    esac || die "the disk has errors"
}

read_disk() { # FILE ext2|fat PATH
    case $2 in
    ext2) debugfs -R "cat $3" "$1" 2>/dev/null ;;
    fat) mtype -i "$1" "::$3" ;;
    esac
}

store_host() { # PORT DISK [WORDS...]
    local port="$1" disk="$2"
    shift 2
    start "$work/$TEST_NAME.machine" "$build/host/fileserver" --cpus 2 --mem 64m \
        ${disk:+--disk "$disk"} --net "user,hostfwd=tcp:127.0.0.1:$port-:80" -- "$@"
    await "http://127.0.0.1:$port/" "$work/$TEST_NAME.machine"
}
store_microvm() { # PORT DISK [WORDS...]
    local port="$1" disk="$2"
    shift 2
    qemu_web "$port" --machine microvm --cpus 2 --mem 64 --disk "$disk" --write \
        --kernel "$build/metal/fileserver.elf" --append "$*"
}

on_store() { # host|microvm ext2|fat
    local port
    port=$(free_port)
    store="$work/$TEST_NAME.store"
    mkdir -p "$store"
    store_disk "$store/disk" "$2"
    "store_$1" "$port" "$store/disk"
    check_store "http://127.0.0.1:$port"
    await_clean "$store/disk" "$2"
    kill $child
    wait $child
    check_disk "$store/disk" "$2"
    read_disk "$store/disk" "$2" /big.bin | cmp - "$site/size-511.bin" || die "not on the disk"
}
test_fileserver_host_ext2() { on_store host ext2; }
test_fileserver_host_fat() { on_store host fat; }
test_fileserver_microvm_ext2() { on_store microvm ext2; }
test_fileserver_microvm_fat() { on_store microvm fat; }

test_fileserver_host_memory() {
    local port
    port=$(free_port)
    store="$work/$TEST_NAME.store"
    mkdir -p "$store"
    store_host "$port" "" root=memory cpu=1 upload-max=5000000 parents=1 list=0
    store_ask 201 -T "$site/size-1.bin" "http://127.0.0.1:$port/p/q/r"
    store_same "http://127.0.0.1:$port/p/q/r" "$site/size-1.bin"
    store_ask 404 "http://127.0.0.1:$port/"
    store_ask 413 -T "$site/big.bin" "http://127.0.0.1:$port/large"
    store_ask 404 "http://127.0.0.1:$port/large"
    store_ask 413 -T - "http://127.0.0.1:$port/large" <"$site/big.bin"
    store_ask 404 "http://127.0.0.1:$port/large"
}

# It is asked to stop while one client is slow, and another does nothing: it ends in
# order, in a few seconds, and its disk is clean.
stop_store() { # DISK COMMAND-THAT-ASKS...
    local disk="$1" url="$2" began status
    shift 2
    store_ask 201 -T "$site/big.bin" "$url/big.bin"
    began=$SECONDS
    curl -s --limit-rate 10k --max-time 100 -o "$store/slow" "$url/big.bin" &
    sleep 20 | curl -s --max-time 100 -o /dev/null -T - "$url/never" &
    until [ -s "$store/slow" ]; do
        [ $((SECONDS - began)) -lt 60 ] || die "nothing comes"
        sleep 0.1
    done
    "$@" || die "it cannot be asked"
    wait $child
    status=$?
    [ $status -eq 0 ] || die "status $status"
    [ $((SECONDS - began)) -lt 60 ] || die "it stops only after $((SECONDS - began)) s"
    grep -q 'stopped, and the files are unmounted' "$work/$TEST_NAME.machine" || die "no word"
    dumpe2fs -h "$disk" 2>/dev/null | grep -q '^Filesystem state: *clean$' || die "not clean"
    check_disk "$disk" ext2
    debugfs -R 'ls -p /PUT.TMP' "$disk" 2>/dev/null | grep -v '/\.\.*/' | grep . &&
        die "an upload is left"
    read_disk "$disk" ext2 /big.bin | cmp - "$site/big.bin" || die "not the file"
}
stop_signal() { kill -TERM "$(pgrep -P $child)"; }
test_fileserver_host_stop() {
    local port
    port=$(free_port)
    store="$work/$TEST_NAME.store"
    mkdir -p "$store"
    store_disk "$store/disk" ext2
    store_host "$port" "$store/disk" cpu=1
    stop_store "$store/disk" "http://127.0.0.1:$port" stop_signal
}

# The power button of a PC.
stop_button() {
    qmp_open "$1"
    qmp system_powerdown
}
stop_metal() { # MACHINE
    local port monitor
    port=$(free_port)
    monitor=$((port + 1)) # of the twenty that a test has
    store="$work/$TEST_NAME.store"
    mkdir -p "$store"
    store_disk "$store/disk" ext2
    qemu_web "$port" --machine "$1" --cpus 2 --mem 64 --disk "$store/disk" --write \
        --kernel "$build/metal/fileserver.elf" --append cpu=1 \
        -- -qmp "tcp:127.0.0.1:$monitor,server=on,wait=off"
    stop_store "$store/disk" "http://127.0.0.1:$port" stop_button "$monitor"
}
test_fileserver_pc_stop() { stop_metal pc; }
test_fileserver_q35_stop() { stop_metal q35; }

# It is killed during an upload. What was answered is there; what was not is gone.
test_fileserver_host_crash() {
    local port i status left
    port=$(free_port)
    store="$work/$TEST_NAME.store"
    mkdir -p "$store"
    store_disk "$store/disk" ext2
    store_host "$port" "$store/disk"
    for i in 0 1 511 512 1025 65536 1048577; do
        store_ask 201 -T "$site/size-$i.bin" "http://127.0.0.1:$port/file-$i"
    done
    store_ask 204 -X DELETE "http://127.0.0.1:$port/file-1"
    curl -sv --limit-rate 100k --max-time 100 -o /dev/null -T "$site/big.bin" \
        "http://127.0.0.1:$port/file-big" 2>"$store/upload" &
    touch "$store/upload"
    await_text 'HTTP/1.1 100 Continue' "$store/upload" || die "no upload"
    kill -9 "$(pgrep -P $child)"
    wait
    e2fsck -p "$store/disk"
    status=$?
    [ $status -le 1 ] || die "e2fsck -p: status $status"
    check_disk "$store/disk" ext2
    debugfs -w -R "write $site/size-512.bin PUT.TMP/77" "$store/disk" 2>/dev/null
    store_host "$port" "$store/disk"
    for i in 0 511 512 1025 65536 1048577; do
        store_same "http://127.0.0.1:$port/file-$i" "$site/size-$i.bin"
    done
    store_ask 404 "http://127.0.0.1:$port/file-1"
    store_ask 404 "http://127.0.0.1:$port/file-big"
    await_clean "$store/disk" ext2
    left=$(debugfs -R 'ls -p /PUT.TMP' "$store/disk" 2>/dev/null |
        awk -F/ 'NF > 2 && $2 != 0 && $6 != "." && $6 != ".."')
    [ -z "$left" ] || die "it is left over: $left"
}
