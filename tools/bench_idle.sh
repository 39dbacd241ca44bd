#!/bin/bash
# Idle connections to a web server, in QEMU: what one costs in memory, and what a packet
# costs in guest instructions among few and among many: docs/bench.md.
#
#   CPUS=8 CONNECTIONS=100000 MEM=256 (MiB)
#
# Prints what the image says of memory, and for requests and acknowledgements the
# medians of the instructions for a packet among ten connections of the CPU and among
# all that it has, with their ratio. With STRICT=1 it exits 1 when a connection costs
# more than 1024 bytes or a packet more than 1.1 times as much; 2 when nothing could be
# measured.
cd "$(dirname "$0")/.." || exit 2
build="${BUILD:-build}"
image="$build/metal/idle_guest.elf"
work="$build/bench"
plugin=
cpus="${CPUS:-8}"
. tools/bench_marks.sh

count_marks idle "${SECONDS_MAX:-580}" --machine q35 --cpus "$cpus" --mem "${MEM:-256}" \
    --append "-- $((${CONNECTIONS:-100000} / cpus))" --

awk -v strict="${STRICT:-0}" '
    function median(name,   n, i, j, t, v) {
        n = count[name]
        for (i = 1; i <= n; i++) v[i] = sample[name, i]
        for (i = 2; i <= n; i++)
            for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
        return v[int((n + 1) / 2)]
    }
    function row(kind,   few, many) {
        few = median(kind "-few")
        many = median(kind "-many")
        if (few == 0 || many == 0) exit 2
        if (many / few > 1.1) over = 1
        printf "%s: %.1f instructions for a packet among few, %.1f among many: %.3f\n", \
               kind, few, many, many / few
    }
    FILENAME ~ /count$/ && /^segment/ { total[segments++] = $3 } # of CPU 0
    FILENAME ~ /log$/ && sub(/\r$/, "") + 1 && $1 == "bench" {
        sample[$2, ++count[$2]] = total[lines++] / $3
    }
    FILENAME ~ /log$/ && $1 == "idle" { print; idle = $6; if ($6 > 1024) over = 1 }
    END {
        if (lines == 0 || lines != segments || idle == 0) exit 2
        row("request")
        row("ack")
        exit strict == 1 && over
    }' "$work/idle.count" "$work/idle.log"
