#!/bin/bash
# Every way in which QEMU offers virtio devices: the web server serves a file over each.
#
#   virtio_matrix.sh [REGEX]    all rows, or those whose name matches
#
# Needs `make metal`. A line for each row; the status is 0 when all serve.
cd "$(dirname "$0")/../.." || exit 1
build="${BUILD:-build}"
work="$build/virtio_matrix"
filter="${1:-.}"
size="${SIZE:-3000000}"
seconds=120 # for one row

# NAME MACHINE CPUS DISK CARD [FURTHER QEMU ARGUMENTS]
rows() {
    local kind option form
    for form in "" ,disable-modern=on ,disable-legacy=on ,disable-legacy=off \
        ,packed=on,disable-legacy=on ,event_idx=off ,indirect_desc=off \
        ,event_idx=off,indirect_desc=off ,packed=on,event_idx=off ,vectors=0 ,vectors=1 \
        ,vectors=2; do
        echo "pci$form pc 1 virtio-blk-pci$form virtio-net-pci,romfile=$form"
    done
    echo "q35 q35 2 virtio-blk-pci virtio-net-pci,romfile="
    for option in num-queues=4 num-queues=1 queue-size=1024 queue-size=16 \
        logical_block_size=4096,physical_block_size=4096 write-cache=off discard=off \
        seg-max-adjust=off; do
        echo "blk,$option pc 4 virtio-blk-pci,$option virtio-net-pci,romfile="
        echo "blk,$option,legacy pc 4 virtio-blk-pci,disable-modern=on,$option virtio-net-pci,romfile="
    done
    for option in mq=on,vectors=10 mrg_rxbuf=off mrg_rxbuf=on csum=off guest_csum=off \
        guest_tso4=off,guest_tso6=off host_tso4=off,host_tso6=off ctrl_vq=off status=off \
        rx_queue_size=1024,tx_queue_size=256 host_mtu=1400 packed=on,mrg_rxbuf=off; do
        echo "net,$option pc 1 virtio-blk-pci virtio-net-pci,romfile=,$option"
        [[ $option == packed* ]] ||
            echo "net,$option,legacy pc 1 virtio-blk-pci virtio-net-pci,romfile=,disable-modern=on,$option"
    done
    for kind in true false; do
        for form in "" ,event_idx=off ,indirect_desc=off ,packed=on; do
            [ "$kind$form" = true,packed=on ] && continue
            echo "mmio,force-legacy=$kind$form microvm 1 virtio-blk-device$form" \
                "virtio-net-device$form -global virtio-mmio.force-legacy=$kind"
        done
    done
}

# One row: prints "serves" or "FAILED: WHY".
try() { # NUMBER MACHINE CPUS DISK CARD [ARGUMENT]...
    local log="$work/$1.log" port=$((27000 + $1)) child start=$SECONDS
    local machine="$2" cpus="$3" disk="$4" card="$5"
    shift 5
    tools/qemu.sh --machine "$machine" --cpus "$cpus" --mem 64 --no-net \
        --kernel "$build/metal/webserver.elf" \
        -- -drive "if=none,id=disk0,file=$work/site.img,format=raw,snapshot=on" \
        -device "$disk,drive=disk0" \
        -netdev "user,id=net0,hostfwd=tcp:127.0.0.1:$port-:80" \
        -device "$card,netdev=net0" "$@" >"$log" 2>&1 </dev/null &
    child=$!
    while kill -0 $child 2>/dev/null && ! grep -q 'webserver: serving' "$log"; do
        if [ $((SECONDS - start)) -gt $seconds ]; then
            kill $child
            wait $child
            echo "FAILED: nothing in $seconds s"
            return
        fi
        sleep 0.2
    done
    if ! kill -0 $child 2>/dev/null; then
        wait $child
        echo "FAILED: it ended with status $?: $(tail -n 1 "$log")"
        return
    fi
    if curl -s --max-time $seconds "http://127.0.0.1:$port/file.bin" |
        cmp -s - "$work/site/file.bin"; then
        echo "serves"
    else
        echo "FAILED: the file is not right"
    fi
    kill $child
    wait $child
}

rm -rf "$work"
mkdir -p "$work/site"
head -c "$size" /dev/urandom >"$work/site/file.bin"
tools/mkimg/mkimg.sh ext2 --dir "$work/site" --out "$work/site.img" || exit 1
number=0 failed=0
while read -r name machine cpus disk card further; do
    [[ $name =~ $filter ]] || continue
    number=$((number + 1))
    # shellcheck disable=SC2086 # further arguments are words
    answer=$(try $number "$machine" "$cpus" "$disk" "$card" $further 2>/dev/null)
    echo "$name: $answer"
    [ "$answer" = serves ] || failed=$((failed + 1))
done < <(rows)
echo "virtio_matrix: $((number - failed)) passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$number" -gt 0 ]
