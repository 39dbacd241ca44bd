# Tests of torc-fuse, for run.sh: the file system as Linux has it. With AddressSanitizer,
# but where it says otherwise.

# Where this test mounts; ended with the test.
fuse_begin() {
    [ -c /dev/fuse ] && [ -w /dev/fuse ] || skip "there is no /dev/fuse here"
    [ "$(id -u)" -eq 0 ] || skip "only root may look at everything"
    place=$(mktemp -d "/tmp/torc_fuse.XXXXXX")
    chmod 755 "$place"
    trap 'fuse_end' EXIT
}
fuse_end() {
    [ -z "$fuse" ] || kill "$fuse" 2>/dev/null
    umount -l "$place" 2>/dev/null
    rmdir "$place"
}

# fuse_start ARGUMENT...: mount at $place, and wait until it is.
fuse_start() {
    local end=$((SECONDS + 120))
    timeout 500 "$build/asan/torc-fuse" -f "$@" "$place" >"$work/$TEST_NAME.fuse" 2>&1 </dev/null &
    fuse=$!
    until mountpoint -q "$place"; do
        kill -0 "$fuse" 2>/dev/null && [ $SECONDS -lt $end ] || {
            cat "$work/$TEST_NAME.fuse"
            die "torc-fuse has not mounted"
        }
        sleep 0.05
    done
}

# It ends by itself, with status 0 and without a word.
fuse_ended() {
    local status
    wait "$fuse"
    status=$?
    fuse=
    cat "$work/$TEST_NAME.fuse"
    [ $status -eq 0 ] || die "torc-fuse ended with status $status"
    [ ! -s "$work/$TEST_NAME.fuse" ] || die "torc-fuse has complained"
    ! mountpoint -q "$place" || die "it is still mounted"
}

# A tree with all kinds of files comes back as it was.
test_fuse_tree() {
    fuse_begin
    fuse_start --memory -o dev,suid
    cp -a "$site" tests tools "$place/" || die "cp"
    mkfifo "$place/fifo" && mknod "$place/device" c 259 70000 || die "mknod"
    chown 70000:80000 "$place/fifo" && chmod 4751 "$place/fifo"
    touch -d '1969-07-20 20:17:40.123456789 UTC' "$place/device"
    ln "$place/fifo" "$place/other"
    setfattr -n user.colour -v green "$place/tools" 2>/dev/null
    truncate -s 1T "$place/sparse"
    diff -r --no-dereference tests "$place/tests" && diff -r tools "$place/tools" &&
        diff -r --no-dereference "$site" "$place/site" || die "trees differ"
    [ "$(stat -c %A,%u,%g,%h "$place/fifo")" = prwsr-x--x,70000,80000,2 ] || die "fifo"
    [ "$(stat -c %t,%T,%.9Y "$place/device")" = 103,11170,-14182939.876543211 ] ||
        [ "$(stat -c %t,%T,%Y "$place/device")" = 103,11170,-14182940 ] || die "device"
    [ "$(stat -c %s,%b "$place/sparse")" = 1099511627776,0 ] || die "sparse"
    rm -r "$place/site" "$place/tests" || die "rm"
    [ "$(cd "$place" && echo *)" = "device fifo other sparse tools" ] || die "left: $(ls "$place")"
    umount "$place" || die "umount"
    fuse_ended
}

# An image is as mkimg.sh made it, is not changed, and belongs to one process.
test_fuse_image() {
    local before
    fuse_begin
    before=$(sha256sum "$work/site.img")
    fuse_start -o ro "$work/site.img"
    diff -r --no-dereference -x .done "$site" "$place" | grep -v 'lost+found' &&
        die "the image differs"
    ! touch "$place/new" 2>"$work/$TEST_NAME.err" || die "a file was made"
    grep -q 'Read-only file system' "$work/$TEST_NAME.err" || die "not EROFS"
    mkdir -p "$place.2"
    expect 1 "another machine uses it" "$build/asan/torc-fuse" -f "$work/site.img" "$place.2"
    rmdir "$place.2"
    umount "$place" || die "umount"
    fuse_ended
    fuse_start -o ro,part=2 "$work/gpt.img"
    cmp "$place/size-1025.bin" "$site/size-1025.bin" || die "partition"
    umount "$place" || die "umount"
    fuse_ended
    fuse_start -o ro,offset=$((4096 * 512)) "$work/gpt.img"
    cmp "$place/size-1025.bin" "$site/size-1025.bin" || die "offset"
    umount "$place" || die "umount"
    fuse_ended
    [ "$before" = "$(sha256sum "$work/site.img")" ] || die "the image has changed"
}

# What cannot be mounted is told, and nothing stays mounted.
test_fuse_bad() {
    local program="$build/asan/torc-fuse"
    fuse_begin
    expect 1 "No such file" "$program" /nowhere.img "$place"
    expect 1 "No such file" "$program" "$work/site.img" /nowhere
    expect 1 "is no directory" "$program" "$work/site.img" "$work/site.img"
    expect 1 "there is no file system" "$program" -o ro "$work/empty.img" "$place"
    expect 1 "damaged" "$program" -o ro "$work/damaged.img" "$place"
    expect 1 "has no partition 7" "$program" -o ro,part=7 "$work/gpt.img" "$place"
    expect 1 "behind the end" "$program" -o offset=1g "$work/site.img" "$place"
    expect 2 "a multiple of 512" "$program" -o offset=100 "$work/site.img" "$place"
    expect 2 "no such option" "$program" -o nonsense "$work/site.img" "$place"
    expect 2 "give a size" "$program" -o mem=much "$work/site.img" "$place"
    expect 2 "give two names" "$program" "$work/site.img"
    expect 2 "no such option" "$program" --nonsense "$work/site.img" "$place"
    expect 0 "usage: torc-fuse" "$program" --help
    ! mountpoint -q "$place" || die "something is mounted"
}

# Many clients, each of which knows what its files hold.
test_fuse_clients() {
    fuse_begin
    fuse_start --memory -o mem=512m
    timeout 500 python3 tests/integration/file_clients.py "$place" 1 8 700 || die "clients"
    umount "$place" || die "umount"
    fuse_ended
}

# In the background, as a user who is not root, who unmounts.
test_fuse_user() {
    local program="$build/host/torc-fuse" run="setpriv --reuid=65534 --regid=65534 --clear-groups"
    [ -u "$(command -v fusermount3)" ] || skip "fusermount3 is not set-user-ID here"
    fuse_begin
    cp "$program" "$place.program"
    chown 65534 "$place"
    $run "$place.program" --memory "$place" || die "mount"
    rm "$place.program"
    $run sh -c "echo text >$place/file && [ \$(cat $place/file) = text ]" || die "a file"
    ! ls "$place" 2>/dev/null || die "root may look without allow_other"
    $run fusermount3 -u "$place" || die "fusermount3"
    ! mountpoint -q "$place" || die "it is still mounted"
}

# A signal while somebody writes, and while a file stays open: what was written is
# there as long as it is mounted, and the end comes.
test_fuse_signal() {
    local writer signal
    for signal in TERM INT HUP; do
        fuse_begin
        fuse_start --memory
        mkdir "$place/sub" # not below, where it is mounted
        (timeout 100 sh -c "while dd if=/dev/zero of=$place/sub/file bs=64k count=16; do :; done") \
            >/dev/null 2>&1 &
        writer=$!
        exec 3>"$place/sub/open"
        until [ -s "$place/sub/file" ]; do sleep 0.05; done
        kill -$signal "$fuse"
        fuse_ended
        exec 3>&-
        wait $writer
        fuse_end
    done
}

# When there is no room, the error says so, and there is room again after a removal.
test_fuse_full() {
    local i
    fuse_begin
    fuse_start --memory -o size=4m,inodes=50
    ! dd if=/dev/zero of="$place/big" bs=64k 2>"$work/$TEST_NAME.err" || die "no end"
    grep -q 'No space left' "$work/$TEST_NAME.err" || die "not ENOSPC"
    [ "$(df --output=pcent "$place" | tail -n 1 | tr -d ' %')" -ge 99 ] || die "df"
    rm "$place/big"
    for i in $(seq 60); do
        touch "$place/$i" 2>>"$work/$TEST_NAME.err" || break
    done
    [ "$i" -gt 40 ] && [ "$i" -lt 60 ] || die "$i files"
    rm "$place"/* && cp "$site/size-100000.bin" "$place/" || die "no room again"
    cmp "$site/size-100000.bin" "$place/size-100000.bin" || die "differs"
    umount "$place" || die "umount"
    fuse_ended
}

# ---- torc-img ------------------------------------------------------------------------------

# What it tells of an image is what the image was made of.
test_img_read() {
    local program="$build/asan/torc-img" image="$work/site.img" file
    for file in size-0.bin size-1025.bin big.bin sub/index.html; do
        "$program" cat "$image" "$file" | cmp - "$site/$file" || die "cat $file"
    done
    diff <("$program" ls "$image" | grep -v lost+found | sort) \
        <(cd "$site" && ls -1 | LC_ALL=C sort) || die "ls"
    "$program" ls -l "$image" /sub | grep -q '^lrwxrwxrwx .* relative.bin -> ../size-1025.bin$' ||
        die "ls -l"
    [ "$("$program" tree "$image" | tail -n 1)" = \
        "$(find "$site" -mindepth 1 -type d | wc -l | awk '{print $1 + 1}') directories, $(
            find "$site" -mindepth 1 ! -type d ! -name .done | wc -l) files" ] || die "tree"
    "$program" stat "$image" size-4096.bin | grep -q '^size: 4096$' || die "stat"
    dumpe2fs -h "$image" 2>/dev/null | awk '/^Free blocks/ { print $3 }' | {
        read -r free
        "$program" df "$image" | grep -q "^blocks: .*, $free free" || die "df: $free"
    } || exit 1
    [ "$("$program" dump "$image" | tail -n 1 | awk '{print $4 + 1}')" = \
        "$("$program" dump "$image" | tail -n 1 | awk '{print $5}')" ] || die "dump"
    "$program" dump "$image" 1 | grep -q '53 ef' || die "the magic is not in block 1"
    "$program" map "$image" | python3 -c '
import sys, xml.dom.minidom
picture = xml.dom.minidom.parse(sys.stdin)
assert len(picture.getElementsByTagName("g")) == 4, "groups"
' || die "map"
    "$program" --part=2 ls "$work/gpt.img" | grep -q index.html || die "partition"
}

test_img_bad() {
    local program="$build/asan/torc-img"
    expect 1 "No such file" "$program" ls /nowhere.img
    expect 1 "No such file" "$program" ls "$work/site.img" /nowhere
    expect 1 "Is a directory" "$program" cat "$work/site.img" /sub
    expect 1 "damaged" "$program" ls "$work/damaged.img"
    expect 1 "there is no file system" "$program" ls "$work/empty.img"
    expect 1 "Invalid argument" "$program" dump "$work/site.img" 99999999
    expect 2 "there is no such command" "$program" nonsense "$work/site.img"
    expect 2 "the number of words" "$program" cat "$work/site.img"
    expect 2 "give a command and an image" "$program" ls
    expect 2 "give a number" "$program" --part=x ls "$work/site.img"
    expect 2 "a multiple of 512" "$program" --offset=5 ls "$work/site.img"
    expect 1 "No space left" sh -c "'$program' cat '$work/site.img' big.bin >/dev/full"
    expect 0 "usage: torc-img" "$program" --help
}

# ---- ext2 and FAT that are written ---------------------------------------------------------

# fsck_clean IMAGE: e2fsck finds nothing.
fsck_clean() {
    e2fsck -fn "$1" >"$work/$TEST_NAME.fsck" 2>&1 || {
        cat "$work/$TEST_NAME.fsck"
        die "e2fsck finds something"
    }
}

# Many clients on ext2 of each block size; e2fsck finds nothing, and the kernel's tools
# read the same.
test_fuse_ext2() {
    local size end image="$work/fuse_ext2.img"
    fuse_begin
    for size in 1024 2048 4096; do
        rm -f "$image"
        truncate -s 64M "$image" && mke2fs -q -t ext2 -b $size "$image" || die "mke2fs"
        fuse_start "$image"
        timeout 500 python3 tests/integration/file_clients.py "$place" $size 6 400 ||
            die "clients"
        cp -a tools "$place/" && rm -r "$place"/client[0-3] || die "cp, rm"
        dd if=/dev/urandom of="$place/synced" bs=10k count=10 2>/dev/null
        stat "$place/synced" >/dev/null # Linux must not keep that it has no blocks yet
        sync "$place/synced"
        end=$((SECONDS + 60))
        until [ "$(stat -c %b "$place/synced")" -ge 200 ]; do
            [ $SECONDS -lt $end ] || die "blocks: $(stat "$place/synced")"
            sleep 0.1
        done
        cp "$place/synced" "$work/fuse_ext2.synced"
        umount "$place" || die "umount"
        fuse_ended
        fsck_clean "$image"
        "$build/asan/torc-img" cat "$image" synced | cmp - "$work/fuse_ext2.synced" ||
            die "what was synced"
        debugfs -R "dump tools/mkimg/mkimg.sh $work/fuse_ext2.sh" "$image" 2>/dev/null
        cmp tools/mkimg/mkimg.sh "$work/fuse_ext2.sh" || die "mkimg.sh"
        fuse_start -o ro "$image"
        diff -r tools "$place/tools" || die "another mount differs"
        umount "$place" || die "umount"
        fuse_ended
    done
}

# The process is killed while clients write: e2fsck -p mends the image by itself, what was
# synced is there, and the next mount works.
test_fuse_killed() {
    local image="$work/fuse_killed.img" clients round
    fuse_begin
    truncate -s 64M "$image" && mke2fs -q -t ext2 "$image" || die "mke2fs"
    for round in 1 2 3; do
        fuse_start "$image"
        rm -rf "$place"/client* "$place/shared"
        head -c 50000 /dev/urandom >"$work/fuse_killed.synced"
        dd if="$work/fuse_killed.synced" of="$place/synced$round" conv=fsync 2>/dev/null ||
            die "dd"
        timeout 100 python3 tests/integration/file_clients.py "$place" $round 4 100000 \
            >/dev/null 2>&1 &
        clients=$!
        until [ -e "$place/client3/f1" ]; do sleep 0.02; done
        kill -KILL "$(pgrep -P "$fuse")"
        wait "$fuse"
        fuse=
        umount -l "$place"
        wait $clients
        e2fsck -p "$image" >"$work/$TEST_NAME.fsck" 2>&1
        [ $? -le 1 ] || {
            cat "$work/$TEST_NAME.fsck"
            die "e2fsck -p does not mend it"
        }
        "$build/asan/torc-img" cat "$image" synced$round |
            cmp - "$work/fuse_killed.synced" || die "what was synced"
    done
    fsck_clean "$image"
}

# The disk of the image is full: fsync tells it, and so does the end.
test_fuse_lost() {
    local disk status
    fuse_begin
    disk=$(mktemp -d /tmp/torc_disk.XXXXXX)
    mount -t tmpfs -o size=8m none "$disk" || skip "no tmpfs can be mounted"
    truncate -s 64M "$disk/image" && mke2fs -q -t ext2 "$disk/image" || die "mke2fs"
    fuse_start "$disk/image"
    expect fail "fsync failed" dd if=/dev/zero of="$place/big" bs=1M count=20 conv=fsync
    umount "$place" || die "umount"
    wait "$fuse"
    status=$?
    fuse=
    umount "$disk" && rmdir "$disk"
    [ $status -eq 1 ] || die "torc-fuse ended with status $status"
    grep -q "what was written last is lost" "$work/$TEST_NAME.fuse" || die "not a word"
}

test_fuse_fat() {
    local image="$work/fuse_fat.img"
    fuse_begin
    rm -f "$image"
    truncate -s 64M "$image" && mkfs.fat -F 32 "$image" >/dev/null || die "mkfs.fat"
    fuse_start "$image"
    cp -r tools "$place/" && diff -r tools "$place/tools" || die "cp"
    mv "$place/tools/mkimg" "$place/A long name" && rm -r "$place/tools" || die "mv, rm"
    umount "$place" || die "umount"
    fuse_ended
    fsck.fat -n "$image" || die "fsck.fat"
    "$build/asan/torc-img" cat "$image" "a LONG name/mkimg.sh" | cmp - tools/mkimg/mkimg.sh ||
        die "torc-img"
}

# Files and directories come into an image and go again.
test_img_write() {
    local image="$work/img_write.img" program="$build/asan/torc-img"
    rm -f "$image"
    truncate -s 8M "$image" && mke2fs -q -t ext2 "$image" || die "mke2fs"
    "$program" mkdir "$image" /a /a/b || die "mkdir"
    "$program" put "$image" "$site/size-100000.bin" /a/b || die "put"
    echo text | "$program" put "$image" - /a/text || die "put -"
    chmod 750 "$site/size-1.bin" && "$program" put "$image" "$site/size-1.bin" a/one || die "put"
    "$program" cat "$image" a/b/size-100000.bin | cmp - "$site/size-100000.bin" || die "cat"
    [ "$("$program" cat "$image" /a/text)" = text ] || die "text"
    "$program" ls -l "$image" a | grep -q '^-rwxr-x---.* one$' || die "mode"
    expect 1 "No space left" "$program" put "$image" "$site/big.bin" /big
    expect 1 "No such file" "$program" cat "$image" /big
    expect 1 "Is a directory" "$program" rm "$image" /a
    expect 1 "File exists" "$program" mkdir "$image" /a
    "$program" rm "$image" a/text || die "rm"
    fsck_clean "$image"
    "$program" rm -r "$image" a || die "rm -r"
    [ "$("$program" ls "$image")" = lost+found ] || die "something is left"
    fsck_clean "$image"
}

# Every option and command that --help has is in the manual page, too.
test_tools_manual() {
    local tool
    for tool in torc-fuse.8 torc-img.1; do
        "$build/asan/${tool%.*}" --help | python3 -c '
import re, sys
manual = open(sys.argv[1]).read().replace("\\-", "-")
words = set()
for line in sys.stdin:
    left = re.match(r"^ {2,6}(\S.*?)(?: {2,}|$)", line)
    words |= set(re.findall(r"[a-z_]{2,}", left[1] if left else ""))
missing = [word for word in sorted(words) if word not in manual]
assert len(words) > 10 and not missing, missing
' "docs/man/$tool" || die "$tool"
    done
}
