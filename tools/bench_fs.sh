#!/bin/bash
# make bench-fs: a file system behind FUSE, as programs see it: torc-fuse, fuse2fs on the
# same kind of image, and a file system that does nothing (tests/bench/fs_floor.c), which
# is the floor. Rows are those of tests/bench/fs_client.c. The three take turns, ROUNDS
# (3) times; the median counts. FS=memory: torc-fuse with files in memory.
#   MEM=256m                         torc-fuse's memory (FS=memory: 1g)
#   RIGHTS=linux                     torc-fuse and the floor let Linux check rights, as
#                                    torc-fuse does by itself; none: nobody checks, as with
#                                    fuse2fs, which runs as root with fakeroot
#   PEER_OPTIONS=default_permissions fuse2fs lets Linux check rights, too
#
# A bar that is not held says "over"; with STRICT=1 the exit status is 1 then. Where the
# floor is not so many times as fast as fuse2fs either, the row says how many times it is.
cd "$(dirname "$0")/.." || exit 2
PATH="$PATH:/usr/sbin:/sbin"
build="${BUILD:-build}"
fs="${FS:-ext2}"
rights="${RIGHTS:-linux}"
[ "$rights" = linux ] && given=default_permissions || given=no_default_permissions
[ "$fs" = memory ] && memory="${MEM:-1g}" || memory="${MEM:-256m}"
rows="${ROWS:-create stat stat-cold open-read miss rename unlink tree walk walk-again
    untar seq-write seq-rewrite seq-read random-read random-write}"
work=$(mktemp -d /dev/shm/torc_fs.XXXXXX) || exit 2
place="$work/mnt"
image="$work/image"
mkdir "$place"
trap 'umount -l "$place" 2>/dev/null; rm -rf "$work"' EXIT
[ -c /dev/fuse ] && [ "$(id -u)" -eq 0 ] || {
    echo "bench-fs: skipped: it needs /dev/fuse and root"
    exit 0
}

# Some 8 MiB of sources.
export ARCHIVE="$work/archive.tar"
git archive HEAD kernel fs drivers net hal tests tools docs include apps -o "$ARCHIVE" || exit 2

image_new() {
    rm -f "$image"
    truncate -s 512M "$image" && mke2fs -q -t ext2 -N 60000 "$image"
}
start() { # KIND
    case "$1" in
    floor) "$build/bench/fs_floor" "$place" "$rights" & ;;
    fuse2fs) image_new && fuse2fs -o "rw,fakeroot${PEER_OPTIONS:+,$PEER_OPTIONS}" "$image" "$place" 2>/dev/null ;;
    torc)
        if [ "$fs" = memory ]; then
            "$build/host/torc-fuse" -o "mem=$memory,$given" --memory "$place"
        else
            image_new && "$build/host/torc-fuse" -o "mem=$memory,$given" "$image" "$place"
        fi
        ;;
    esac || exit 2
    until mountpoint -q "$place"; do sleep 0.05; done
}
one() { # KIND
    start "$1"
    # shellcheck disable=SC2086 # a list
    timeout 600 "$build/bench/fs_client" "$place" $rows | sed "s/^/$1 /"
    umount "$place"
    wait
}

echo "Measuring on $(nproc) x $(sed -n '/^model name/{s/.*: //p;q}' /proc/cpuinfo), load $(cut -d' ' -f1 /proc/loadavg); torc-fuse has $fs and $memory; rights: $rights"
for round in $(seq "${ROUNDS:-3}"); do
    for kind in floor torc fuse2fs; do
        one $kind
    done
done >"$work/rates"
awk -v strict="${STRICT:-0}" -v rows="$rows" '
    function median(kind, row,   n, i, j, t, v) {
        n = split(rates[kind, row], v, " ")
        for (i = 2; i <= n; i++)
            for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
        return n ? v[int((n + 1) / 2)] : 0
    }
    function ratio(a, b) { return b > 0 ? a / b : 0 }
    { rates[$1, $2] = rates[$1, $2] " " $3 }
    END {
        printf "  %-14s %10s %10s %10s %9s %8s   %s\n", "a second", "torc-fuse", "fuse2fs", "floor", "/fuse2fs", "/floor", "bars"
        n = split(rows, row, " ")
        for (i = 1; i <= n; i++) {
            r = row[i]
            data = r ~ /^(seq|random)/
            peer = data ? 1 : 3
            low = r ~ /^random/ ? 0 : 0.8
            torc = median("torc", r); f2 = median("fuse2fs", r); floor = median("floor", r)
            d = r == "untar" ? 1 : 0
            bad = ratio(torc, f2) < peer || ratio(torc, floor) < low
            verdict = !bad ? "holds" : ratio(floor, f2) >= peer ? "over" : sprintf("over (the floor: %.2f)", ratio(floor, f2))
            over += bad
            printf "  %-14s %10.*f %10.*f %10.*f %9.2f %8.2f   %s, %s: %s\n", r, d, torc, d, f2, d, floor, ratio(torc, f2), ratio(torc, floor), peer, low ? low : "-", verdict
        }
        exit strict == 1 && over > 0
    }' "$work/rates"
