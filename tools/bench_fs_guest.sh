#!/bin/bash
# Guest instructions of calls about files, counted in QEMU: docs/bench.md.
#
# Prints a line "NAME COUNT BAR ok|over" for each; BAR is "-" where there is none.
# With STRICT=1 it exits 1 when one is over; 2 when nothing could be measured.
cd "$(dirname "$0")/.." || exit 2
build="${BUILD:-build}"
image="$build/metal/fs_guest.elf"
work="$build/bench"
plugin="$work/insn_marks.so"
mkdir -p "$work"
[ -e "$plugin" ] || gcc -std=c11 -I. -O2 -shared -fPIC -o "$plugin" \
    tests/bench/insn_marks.c || exit 2

tree="$work/fs_guest.tree"
rm -rf "$tree" && mkdir -p "$tree/www" "$tree/m" "$tree/d" &&
    head -c 1024 /dev/zero | tr '\0' x | tee "$tree/f" >"$tree/www/index.html" &&
    head -c 65536 /dev/zero >"$tree/big" &&
    tools/mkimg/mkimg.sh ext2 --dir "$tree" --out "$work/fs_guest.img" >"$work/fs_guest.log" 2>&1 || {
    cat "$work/fs_guest.log"
    exit 2
}

address() {
    nm "$image" | awk -v name="$1" '$3 == name { print "0x" $1 }'
}
timeout 120 tools/qemu.sh --count --machine q35 --cpus 2 --no-net --kernel "$image" \
    --disk "$work/fs_guest.img" -- \
    -plugin "$(realpath "$plugin"),begin=$(address bench_begin),end=$(address bench_end)" \
    -d plugin -D "$work/fs_guest.count" >"$work/fs_guest.log" || {
    cat "$work/fs_guest.log"
    exit 2
}

# The n-th line of the image belongs to the n-th segment of the plugin. The empty loop
# is subtracted.
awk -v strict="${STRICT:-0}" '
    BEGIN { bar["open-read-close"] = 900; bar["lend-4k"] = 150 }
    FILENAME ~ /count$/ && /^segment/ { for (i = 3; i <= NF; i++) total[segments] += $i; segments++ }
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
        exit strict == 1 && over > 0
    }' "$work/fs_guest.count" "$work/fs_guest.log"
