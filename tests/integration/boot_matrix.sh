#!/bin/bash
# The matrix of boots: each firmware, machine, medium, kind of kernel and number of CPUs;
# each CPU must say hello.
#
#   boot_matrix.sh [REGEX]   all rows, or those whose "FIRMWARE MACHINE MEDIUM KERNEL CPUS"
#                            matches
#
# Two at a time. Needs `make metal bzimage`.
cd "$(dirname "$0")/../.." || exit 1
build="${BUILD:-build}"
work="$build/boot_matrix"

rows() {
    local firmware machine medium kernel cpus
    for firmware in SeaBIOS OVMF; do
        for machine in pc q35; do
            for medium in disk cd usb-disk usb-cd; do
                for kernel in elf bzimage; do
                    for cpus in 1 2 8 64; do
                        echo "$firmware $machine $medium $kernel $cpus"
                    done
                done
            done
        done
    done
    for machine in microvm pc q35; do # QEMU is the loader
        for kernel in elf bzimage; do
            for cpus in 1 2 8 64; do
                echo "SeaBIOS $machine kernel $kernel $cpus"
            done
        done
    done
}

try() { # FIRMWARE MACHINE MEDIUM KERNEL CPUS: one line, "ROW RESULT"
    local log="$work/$1-$2-$3-$4-$5.log" began=$EPOCHREALTIME options said
    options=(--machine "$2" --cpus "$5" --mem $((64 + $5 * 8)) --no-net)
    [ "$1" = SeaBIOS ] || options+=(--uefi)
    case "$3" in
    kernel) options+=(--kernel "$build/metal/hello.$4") ;;
    disk) options+=(--boot "$work/$4.img") ;;
    cd) options+=(--cdrom "$work/$4.iso") ;;
    usb-disk) options+=(--drive usb-storage --boot "$work/$4.img") ;;
    usb-cd) options+=(--drive usb-storage --boot "$work/$4.iso") ;;
    esac
    if timeout 300 tools/qemu.sh "${options[@]}" >"$log" 2>&1 </dev/null; then
        said=$(grep -ao "hello from cpu [0-9]* of $5," "$log" | sort -u | wc -l)
        if [ "$said" -eq "$5" ]; then
            echo "$* $(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }')"
        else
            echo "$* FAILED: $said of $5 CPUs"
        fi
    else
        echo "$* FAILED: $(tail -n 1 "$log" | tr -d '\r')"
    fi
}

if [ "$1" = --try ]; then
    shift
    try "$@"
    exit
fi
mkdir -p "$work/root"
echo nothing >"$work/root/file"
for kernel in elf bzimage; do
    for medium in disk iso; do
        tools/mkimg/mkimg.sh $medium --kernel "$build/metal/hello.$kernel" \
            --dir "$work/root" --out "$work/$kernel.${medium/disk/img}" || exit 1
    done
done
rows | grep -E -- "${1:-.}" | xargs -P 2 -L 1 "$0" --try >"$work/results"
awk '{ row = sprintf("| %s | %s | %s | %s |", $1, $2, $3, $4)
       if (!(row in seen)) { seen[row] = ++n; order[n] = row }
       text = $6; for (i = 7; i <= NF; i++) text = text " " $i
       cell[row, $5] = text; if (text ~ /FAILED/) bad++; else good++ }
    END { print "| firmware | machine | medium | kernel | 1 CPU | 2 | 8 | 64 |"
          print "|---|---|---|---|---|---|---|---|"
          for (i = 1; i <= n; i++) print order[i], cell[order[i], 1], "|", cell[order[i], 2],
              "|", cell[order[i], 8], "|", cell[order[i], 64], "|"
          printf "boot-matrix: %d passed, %d failed\n", good, bad
          exit bad > 0 || good == 0 }' <(sort "$work/results")
