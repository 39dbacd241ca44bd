#!/bin/bash
# What disks and cards of the hosted machine carry, beside fio (io_uring) on the same
# file and a bare loop of read() and write() on a tap: docs/bench.md.
#
# All contenders take turns, each on one processor. A ratio is the median of those of
# the groups. Prints a table; exits 0 even when a bar is missed, unless STRICT=1.
#   GROUPS_OF=5 MS=1000 ROWS="read32 ..." FILE_MIB=512
cd "$(dirname "$0")/.." || exit 2
build="${BUILD:-build}"
work="$build/bench"
program="$work/io_host"
file="$work/io.img"
groups="${GROUPS_OF:-5}"
ms="${MS:-1000}"
mib="${FILE_MIB:-512}"
samples="$work/io_host.samples"
processor=$(($(nproc) - 1))
mkdir -p "$work"
: >"$samples"

# ROW|WHAT|BAR
rows='
read1|4 KiB random reads, depth 1||4096 1 direct
read32|4 KiB random reads, depth 32|0.95|4096 32 direct
read1m|1 MiB sequential reads, depth 4||1048576 4 direct
cached1|4 KiB random reads, depth 1, cached||4096 1
cached32|4 KiB random reads, depth 32, cached|0.95|4096 32
cached1m|1 MiB sequential reads, depth 4, cached||1048576 4
'

fail() {
    echo "bench-io: $*" >&2
    exit 2
}

torc_read() { # BYTES DEPTH [direct]: operations a second
    local order=""
    [ "$1" -le 4096 ] || order=seq
    taskset -c $processor "$program" --disk "$file,ro,engine=uring${3:+,direct}" -- \
        read "$1" "$2" "$ms" $order | awk '$1 == "sample" { print $2 }'
}

fio_read() { # the same
    local order=randread
    [ "$1" -le 4096 ] || order=read
    taskset -c $processor fio --name=x --filename="$file" --rw=$order --bs="$1" \
        --iodepth="$2" --ioengine=io_uring --direct=$([ -n "$3" ] && echo 1 || echo 0) \
        --runtime="${ms}ms" --time_based --norandommap --randrepeat=0 --invalidate=0 \
        --gtod_reduce=1 --readonly --output-format=terse --terse-version=3 |
        awk -F';' '{ print $8 }'
}

[ -e "$file" ] || dd if=/dev/urandom of="$file" bs=1M count="$mib" status=none || exit 2
echo "Measuring on $(nproc) x $(sed -n '/^model name/{s/.*: //p;q}' /proc/cpuinfo), load $(cut -d' ' -f1 /proc/loadavg)"
for group in $(seq "$groups"); do
    while IFS='|' read -r row what bar args; do
        [ -n "$row" ] || continue
        [ -z "$ROWS" ] || [[ " $ROWS " == *" $row "* ]] || continue
        [[ $args == *direct ]] || cat "$file" >/dev/null # it is in the cache
        # shellcheck disable=SC2086
        torc=$(torc_read $args) peer=$(fio_read $args)
        [ -n "$torc" ] && [ -n "$peer" ] || fail "$row: nothing was measured"
        echo "$row torc $torc $group" >>"$samples"
        echo "$row fio $peer $group" >>"$samples"
    done <<<"$rows"
done

awk -v rows="$rows" -v groups="$groups" -v strict="${STRICT:-0}" '
    function median(v, n,   i, j, x) {
        for (i = 2; i <= n; i++) {
            x = v[i]
            for (j = i - 1; j > 0 && v[j] > x; j--) v[j + 1] = v[j]
            v[j + 1] = x
        }
        return v[int((n + 1) / 2)]
    }
    function typical(row, who,   v, n, g) {
        for (g = 1; g <= groups; g++) if ((row, who, g) in value) v[++n] = value[row, who, g]
        return median(v, n)
    }
    { value[$1, $2, $4] = $3; peer[$1] = $2 == "torc" ? peer[$1] : $2 }
    END {
        printf "  %-42s %10s %10s  %-6s %6s %5s\n", "operations a second", "Torc", "peer", "", "ratio", "bar"
        n = split(rows, line, "\n")
        for (i = 1; i <= n; i++) {
            if (split(line[i], f, "|") < 3 || !((f[1], "torc", 1) in value)) continue
            count = 0
            for (g = 1; g <= groups; g++)
                ratios[++count] = value[f[1], "torc", g] / value[f[1], peer[f[1]], g]
            ratio = median(ratios, count)
            verdict = f[3] == "" ? "" : ratio >= f[3] ? "ok" : "under"
            if (verdict == "under") under++
            printf "  %-42s %10d %10d  %-6s %6.2f %5s %s\n", f[2], typical(f[1], "torc"),
                typical(f[1], peer[f[1]]), peer[f[1]], ratio, f[3] == "" ? "-" : f[3], verdict
        }
        exit strict == 1 && under > 0
    }' "$samples"
