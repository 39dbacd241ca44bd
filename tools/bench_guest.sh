#!/bin/bash
# Guest instructions of the basic operations, counted in QEMU: docs/bench.md.
#
#   bench_guest.sh [PLUGIN]
#
# Prints a line "NAME COUNT BAR ok|over" for each; BAR is "-" where there is none.
# With STRICT=1 it exits 1 when one is over; 2 when nothing could be measured.
cd "$(dirname "$0")/.." || exit 2
build="${BUILD:-build}"
image="$build/metal/bench.elf"
work="$build/bench"
plugin="${1:-$work/insn_marks.so}"
mkdir -p "$work"
[ -e "$plugin" ] || plugin="$work/insn_marks.so"
[ -e "$plugin" ] || gcc -std=c11 -I. -O2 -shared -fPIC -o "$plugin" \
    tests/bench/insn_marks.c || exit 2

address() {
    nm "$image" | awk -v name="$1" '$3 == name { print "0x" $1 }'
}
timeout 60 tools/qemu.sh --count --cpus 2 --no-net --kernel "$image" -- \
    -plugin "$(realpath "$plugin"),begin=$(address bench_begin),end=$(address bench_end)" \
    -d plugin -D "$work/guest.count" >"$work/guest.log" || {
    cat "$work/guest.log"
    exit 2
}

# The n-th line of the application belongs to the n-th segment of the plugin. The
# empty loop is subtracted, but for the store it has.
awk -v strict="${STRICT:-0}" '
    BEGIN { segments = lines = over = 0; bar["yield"] = 60; bar["create"] = 400; bar["alloc"] = 40 }
    FILENAME ~ /count$/ && /^segment/ {
        for (i = 3; i <= NF; i++) total[segments] += $i
        segments++
    }
    FILENAME ~ /log$/ && sub(/\r$/, "") + 1 && $1 == "bench" {
        each = total[lines++] / $3
        if ($2 == "loop") { loop = each - 1; next }
        each -= loop
        verdict = $2 in bar && each > bar[$2] ? "over" : "ok"
        if (verdict == "over") over++
        printf "%s %.1f %s %s\n", $2, each, $2 in bar ? bar[$2] : "-", verdict
    }
    END {
        if (lines == 0 || lines != segments) exit 2
        exit strict == 1 && over
    }' "$work/guest.count" "$work/guest.log"
