#!/bin/bash
# Calls about files in process: the hosted machine beside the system calls of Linux, on
# ext2 in a file in memory (with the right to mount one; else in a directory there), and
# beside copying memory: docs/bench.md.
#
# Prints a line "NAME TORC PEER WHO RATIO BAR ok|over" for each row: calls a second.
# With STRICT=1 it exits 1 when one is over; 2 when nothing could be measured.
#   GROUPS_OF=5 KIND=memory DISK=IMAGE   what Torc mounts: a file system in memory, or
#                                        KIND of a disk, of which a copy is made
#   MEM=2g                               Torc's memory: Linux has the host's
cd "$(dirname "$0")/.." || exit 2
build="${BUILD:-build}"
groups="${GROUPS_OF:-5}"
kind="${KIND:-memory}"
processor=$(($(nproc) - 1))
work=$(mktemp -d /dev/shm/bench_fs.XXXXXX) || exit 2
samples="$build/bench/fs_host.samples"
mounted=
trap '[ -z "$mounted" ] || umount "$work/mount"; rm -rf "$work"' EXIT

mkdir -p "$work/mount" "$build/bench"
truncate -s 256M "$work/peer.img"
if mke2fs -q -t ext2 -b 4096 -N 20000 "$work/peer.img" &&
    mount -o loop "$work/peer.img" "$work/mount" 2>/dev/null; then
    mounted=1
    peer=ext2
else
    peer=tmpfs
fi

run_torc() {
    local disk=()
    if [ "$kind" != memory ]; then
        cp --sparse=always "$DISK" "$work/torc.img" || return 1
        disk=(--disk "$work/torc.img")
    fi
    taskset -c $processor "$build/bench/fs_host" --mem "${MEM:-2g}" "${disk[@]}" -- "$kind"
}
: >"$samples"
for group in $(seq "$groups"); do
    run_torc >"$work/torc" && taskset -c $processor "$build/bench/fs_peer" "$work/mount" >"$work/peer" || {
        cat "$work/torc" >&2
        exit 2
    }
    awk '$1 == "sample" { print "torc", $2, $3 }' "$work/torc" >>"$samples"
    awk '$1 == "sample" { print "peer", $2, $3 }' "$work/peer" >>"$samples"
done

# The best of all passes: noise only adds.
awk -v strict="${STRICT:-0}" -v who="$peer" '
    { key = $1 " " $2; if (!(key in best) || $3 < best[key]) best[key] = $3
      if (!(($2) in seen)) { seen[$2] = 1; names[++n] = $2 } }
    function row(name, torc, peer, who, bar,   ratio, verdict) {
        ratio = peer / torc
        verdict = bar != "-" && ratio < bar ? "over" : "ok"
        if (verdict == "over") over++
        printf "%s %.0f %.0f %s %.2f %s %s\n", name, 1e12 / torc, 1e12 / peer, who, ratio, bar, verdict
    }
    END {
        for (i = 1; i <= n; i++) {
            name = names[i]
            if (name ~ /^copy/) continue
            large = name ~ /64k/
            row(name, best["torc " name], best["peer " name], who, large ? "-" : 2)
        }
        row("write-64k-copy", best["torc write-64k"], best["torc copy-to-64k"], "memcpy", 0.8)
        row("read-64k-copy", best["torc read-64k"], best["torc copy-from-64k"], "memcpy", 0.8)
        exit strict == 1 && over > 0
    }' "$samples"
