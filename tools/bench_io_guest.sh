#!/bin/bash
# Guest instructions of frames and disk requests, counted in QEMU: docs/bench.md.
#
# Prints a line "NAME COUNT BAR ok|over" for each: instructions for one frame or
# request, the median of the rounds; BAR is "-" where there is none. With STRICT=1 it
# exits 1 when one is over; 2 when nothing could be measured. CARD and DISK are QEMU's
# devices (virtio-net-pci,romfile= or e1000,romfile=; virtio-blk-pci).
cd "$(dirname "$0")/.." || exit 2
build="${BUILD:-build}"
image="$build/metal/io_guest.elf"
work="$build/bench"
plugin=
card="${CARD:-virtio-net-pci,romfile=}"
disk="${DISK:-virtio-blk-pci}"
. tools/bench_marks.sh
[ -s "$work/io.img" ] || truncate -s 64M "$work/io.img"

count_marks io 120 --machine q35 --cpus 1 -- \
    -netdev hubport,id=wire0,hubid=0 -device "$card,netdev=wire0" \
    -netdev hubport,id=wire1,hubid=0 -device "$card,netdev=wire1" \
    -drive "if=none,id=disk0,file=$work/io.img,format=raw,cache=unsafe" \
    -device "$disk,drive=disk0"

# The n-th line of the image belongs to the n-th segment of the plugin.
awk -v strict="${STRICT:-0}" '
    function median(name, n,   i, j, t, v) {
        for (i = 1; i <= n; i++) v[i] = sample[name, i]
        for (i = 2; i <= n; i++)
            for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
        return v[int((n + 1) / 2)]
    }
    BEGIN {
        bar["sent-64"] = bar["sent-1500"] = bar["sent-constant"] = 250
        bar["received-64"] = bar["received-1500"] = 250
        bar["read-4k"] = 900
    }
    FILENAME ~ /count$/ && /^segment/ { for (i = 3; i <= NF; i++) total[segments] += $i; segments++ }
    FILENAME ~ /log$/ && sub(/\r$/, "") + 1 && $1 == "bench" {
        if ($2 == "late") { lines++; next }
        if (!($2 in count)) names[++kinds] = $2
        sample[$2, ++count[$2]] = total[lines++] / $3
    }
    END {
        if (lines == 0 || lines != segments) exit 2
        for (k = 1; k <= kinds; k++) {
            name = names[k]
            each = median(name, count[name])
            verdict = name in bar && each > bar[name] ? "over" : "ok"
            if (verdict == "over") over++
            printf "%s %.1f %s %s\n", name, each, name in bar ? bar[name] : "-", verdict
        }
        exit strict == 1 && over > 0
    }' "$work/io.count" "$work/io.log"
