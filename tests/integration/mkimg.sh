# Tests of torc-mkimg, a part of run.sh.

# A tree of everything that ext2 has. Attributes, and who may make devices, depend on
# the host.
mkimg_tree() { # DIR
    rm -rf "$1"
    mkdir -p "$1/a/b/c" "$1/many"
    local size
    for size in 0 1 1024 12288 12289 65536 274433; do
        head -c $size /dev/urandom >"$1/size-$size"
    done
    # Its end is behind three levels of indirect blocks of 1 KiB.
    truncate -s 70M "$1/sparse" && head -c 300000 /dev/urandom >>"$1/sparse"
    (cd "$1/many" && seq -f 'entry-number-%.0f' 3000 | xargs touch)
    ln "$1/size-1024" "$1/a/hard"
    ln -s a/b "$1/fast"
    ln -s "$(printf 'x%.0s' $(seq 900))" "$1/slow"
    mkfifo "$1/fifo"
    [ "$(id -u)" -ne 0 ] || {
        mknod "$1/char" c 1 3 && mknod "$1/block" b 259 70000 &&
            chown 70000:80000 "$1/size-0"
    } || die "no devices"
    chmod 4755 "$1/size-1" && chmod 1777 "$1/many"
    touch -d 1960-01-01T00:00:00.5Z "$1/size-12288"
    touch -d 2100-01-01T00:00:00Z "$1/size-12289"
    tests/integration/tree_manifest.py --attributes "$1" ||
        die "no extended attributes can be set"
}

# The kernel's ext2 shows the tree that the image was made from, times with nanoseconds
# and access lists too.
test_mkimg_mounted() {
    local tree="$work/mkimg_tree" image="$work/mkimg.img" place="$work/mkimg_mount" size
    [ "$(id -u)" -eq 0 ] || skip "only root may mount"
    mkimg_tree "$tree"
    tests/integration/tree_manifest.py "$tree" >"$work/mkimg.want" || die "no manifest"
    mkdir -p "$place"
    for size in 1024 2048 4096; do
        "$build/asan/torc-mkimg" -q --block-size=$size -d "$tree" "$image" || die "not made"
        e2fsck -fn "$image" || die "e2fsck finds something"
        mount -o loop,ro,acl,user_xattr -t ext4 "$image" "$place" ||
            skip "there is no loop device here"
        tests/integration/tree_manifest.py "$place" >"$work/mkimg.got"
        umount "$place"
        diff "$work/mkimg.want" "$work/mkimg.got" | head -n 20
        cmp "$work/mkimg.want" "$work/mkimg.got" || die "the trees differ"
    done
}

# 20,000 files, as a directory and as an archive in another order: the same image.
test_mkimg_many() {
    local tree="$work/mkimg_many" began
    rm -rf "$tree" && mkdir -p "$tree" || die "no directory"
    (cd "$tree" && seq -f 'd%02.0f' 0 19 | xargs mkdir &&
        for d in *; do seq -f "$d/file-%04.0f" 0 999; done | xargs touch -d @1600000000) ||
        die "no files"
    export SOURCE_DATE_EPOCH=1700000000
    began=$EPOCHREALTIME
    "$build/host/torc-mkimg" -q --owner=0:0 -d "$tree" "$work/many1.img" || die "not made"
    echo "seconds: $(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')"
    (cd "$tree" && find . | sort -r | tar cf - --no-recursion -T -) |
        "$build/host/torc-mkimg" -q --owner=0:0 -a - "$work/many2.img" || die "not made"
    cmp "$work/many1.img" "$work/many2.img" || die "the order is seen"
    e2fsck -fn "$work/many1.img" || die "e2fsck finds something"
    "$build/host/torc-mkimg" -q -t fat32 -d "$tree" "$work/many3.img" || die "not made"
    fsck.fat -n "$work/many3.img" || die "fsck.fat finds something"
    rm -rf "$tree" "$work"/many?.img
}

# A disk that is full: it is told, and no half of an image is left.
test_mkimg_full_disk() {
    local disk="$work/mkimg_disk"
    mkdir -p "$disk"
    mount -t tmpfs -o size=4m none "$disk" || skip "no tmpfs can be mounted"
    echo before >"$disk/image"
    "$build/asan/torc-mkimg" -d "$site" "$disk/image" 2>"$work/mkimg_full.log"
    local status=$? left
    left=$(cd "$disk" && ls && cat image)
    umount "$disk"
    [ $status -eq 1 ] && grep -q "No space left on device" "$work/mkimg_full.log" ||
        die "status $status: $(cat "$work/mkimg_full.log")"
    [ "$left" = "$(printf 'image\nbefore')" ] || die "left: $left"
}
