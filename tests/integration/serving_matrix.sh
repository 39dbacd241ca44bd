#!/bin/bash
# The serving matrix: the web server boots from each kind of disk and serves over each
# kind of card, on every machine of QEMU that has both; curl compares 20 MB.
#
#   serving_matrix.sh [REGEX]    all rows, or those whose "MACHINE DISK CARD" matches
#
# Two at a time; a line for each as it ends, then the table. SIZE= bytes instead of 20 MiB;
# WORK= another directory, PORT= ports above that one. Needs `make metal`.
cd "$(dirname "$0")/../.." || exit 1
build="${BUILD:-build}"
work="${WORK:-$build/serving_matrix}"
filter="${1:-.}"
size="${SIZE:-20971520}"
ports="${PORT:-28000}"
jobs=2
seconds=120 # for one row

# Which of them a machine can have. IDE on q35 is a controller that is plugged in, since
# its own is AHCI; microvm has no PCI.
rows() {
    local machine disk card
    for machine in pc q35; do
        for disk in modern legacy ide-dma ide-pio; do
            for card in modern legacy e1000 e1000e ne2000; do
                echo "$machine $disk $card"
            done
        done
    done
    echo "microvm mmio mmio"
    echo "microvm mmio-legacy mmio-legacy"
}

# QEMU's arguments for a disk, a word a line.
disk_args() { # MACHINE DISK
    case "$2" in
    modern) printf '%s\n' -device virtio-blk-pci,disable-legacy=on,drive=disk0 ;;
    legacy) printf '%s\n' -device virtio-blk-pci,disable-modern=on,drive=disk0 ;;
    mmio) printf '%s\n' -global virtio-mmio.force-legacy=false \
        -device virtio-blk-device,drive=disk0 ;;
    mmio-legacy) printf '%s\n' -device virtio-blk-device,drive=disk0 ;;
    ide-*)
        if [ "$1" = q35 ]; then
            printf '%s\n' -device piix3-ide,id=pata -device ide-hd,bus=pata.0,drive=disk0
        else
            printf '%s\n' -device ide-hd,bus=ide.0,drive=disk0
        fi
        ;;
    esac
}

card_args() { # CARD
    case "$1" in
    modern) printf '%s\n' -device virtio-net-pci,disable-legacy=on,romfile=,netdev=net0 ;;
    legacy) printf '%s\n' -device virtio-net-pci,disable-modern=on,romfile=,netdev=net0 ;;
    mmio*) printf '%s\n' -device virtio-net-device,netdev=net0 ;;
    e1000 | e1000e) printf '%s\n' -device "$1,romfile=,netdev=net0" ;;
    ne2000) printf '%s\n' -device ne2k_pci,romfile=,netdev=net0 ;;
    esac
}

# What the log must say of them.
says() { # KIND
    case "$1" in
    modern | legacy) echo ", virtio pci [0-9a-f:.]*" ;;
    mmio*) echo ", virtio mmio [0-9a-f]*" ;;
    ide-dma) echo ", DMA" ;;
    ide-pio) echo ", PIO" ;;
    *) echo ", $1 .*" ;;
    esac
}

# One row: prints "serves N.N s" (of the 20 MB) or "FAILED: WHY".
try() { # NUMBER MACHINE DISK CARD
    local log="$work/$1.log" port=$((ports + $1)) machine="$2" disk="$3" card="$4"
    local start=$SECONDS child append= args=()
    mapfile -t args < <(disk_args "$machine" "$disk" && card_args "$card")
    [ "$disk" = ide-pio ] && append="ide=pio"
    tools/qemu.sh --machine "$machine" --mem 64 --no-net \
        --kernel "$build/metal/webserver.elf" --append "$append" \
        -- -drive "if=none,id=disk0,file=$work/site.img,format=raw,snapshot=on" \
        -netdev "user,id=net0,hostfwd=tcp:127.0.0.1:$port-:80" "${args[@]}" \
        >"$log" 2>&1 </dev/null &
    child=$!
    while kill -0 $child 2>/dev/null && ! grep -q 'webserver: serving' "$log"; do
        [ $((SECONDS - start)) -le $seconds ] || break
        sleep 0.1
    done
    if kill -0 $child 2>/dev/null; then
        fetch "$log" "$port" "$disk" "$card"
        kill $child
        wait $child
    else
        wait $child
        echo "FAILED: it ended with status $?: $(tail -n 1 "$log" | tr -d '\r')"
    fi
}

fetch() { # LOG PORT DISK CARD
    local took
    if ! grep -q 'webserver: serving' "$1"; then
        echo "FAILED: it does not serve after $seconds s"
    elif ! tr -d '\r' <"$1" | grep -qE "[vh]da: .*$(says "$3")\$"; then
        echo "FAILED: its disk is another"
    elif ! tr -d '\r' <"$1" | grep -qE "net0: .*$(says "$4")\$"; then
        echo "FAILED: its card is another"
    elif ! took=$(curl -s --max-time $seconds -o "$1.file" -w '%{time_total}' \
        "http://127.0.0.1:$2/file.bin"); then
        echo "FAILED: curl gets $(stat -c %s "$1.file") of $size bytes in $took s"
    elif ! cmp -s "$1.file" "$work/site/file.bin"; then
        echo "FAILED: the file is not right"
    elif grep -q 'warning:\|error:' "$1"; then
        echo "FAILED: it serves, but: $(grep -m 1 'warning:\|error:' "$1" | tr -d '\r')"
    else
        printf 'serves %.1f s\n' "$took"
    fi
    rm -f "$1.file"
}

table() {
    awk '
        { row = sprintf("%-8s %-12s", $2, $3); card = $4
          if (!(row in seen)) { order[++n] = row; seen[row] }
          if (!(card in known)) { cards[++m] = card; known[card] }
          text = $5; for (i = 6; i <= NF; i++) text = text " " $i
          if (text ~ /^serves/) cell[row, card] = $6 " s"
          else { notes[++count] = text; cell[row, card] = "FAILED (" count ")" } }
        END {
          printf "%-8s %-12s", "machine", "disk"
          for (c = 1; c <= m; c++) printf "  %-11s", cards[c]
          print ""
          for (r = 1; r <= n; r++) {
              printf "%s", order[r]
              for (c = 1; c <= m; c++)
                  printf "  %-11s", ((order[r], cards[c]) in cell) ? cell[order[r], cards[c]] : "-"
              print ""
          }
          for (i = 1; i <= count; i++) printf "(%d) %s\n", i, notes[i]
        }' "$1"
}

rm -rf "$work"
mkdir -p "$work/site"
head -c "$size" /dev/urandom >"$work/site/file.bin"
tools/mkimg/mkimg.sh ext2 --dir "$work/site" --out "$work/site.img" || exit 1
rows | grep -E -- "$filter" >"$work/rows"
total=$(wc -l <"$work/rows")
: >"$work/results"

# Worker k of `jobs` takes every jobs-th row.
worker() {
    local number=0 machine disk card answer
    while read -r machine disk card <&3; do
        number=$((number + 1))
        [ $((number % jobs)) -eq "$1" ] || continue
        answer=$(try $number "$machine" "$disk" "$card" 2>/dev/null)
        echo "$number $machine $disk $card $answer" >>"$work/results"
        echo "$(wc -l <"$work/results")/$total  $machine $disk $card: $answer"
    done 3<"$work/rows"
}
workers=()
for k in $(seq 0 $((jobs - 1))); do
    worker "$k" &
    workers+=($!)
done
wait "${workers[@]}"
sort -n "$work/results" >"$work/sorted"
table "$work/sorted" | tee "$work/table.txt"
failed=$(grep -c ' FAILED: ' "$work/sorted")
echo "serving_matrix: $((total - failed)) passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$total" -gt 0 ]
