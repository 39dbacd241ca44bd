#!/bin/bash
# Make disk images without root.
#
#   mkimg.sh ext2 --dir DIR --out FILE [--size MIB] [--block-size BYTES]
#       a bare ext2 file system filled from DIR: for QEMU -kernel and the hosted
#       machine
#   mkimg.sh disk --kernel ELF --dir DIR --out FILE [--cmdline TEXT]
#       a bootable disk: GRUB, partition table, ext2 root with the kernel
#   mkimg.sh iso --kernel ELF --dir DIR --out FILE [--cmdline TEXT]
#       a bootable CD with the ext2 file system as a boot module
#
# The same input gives the same ext2 image: its number is fixed, and so is its time
# (SOURCE_DATE_EPOCH; else that of the newest file). torc-mkimg fills it, which is built
# if need be.
set -eu
PATH="$PATH:/usr/sbin:/sbin"
root="$(cd "$(dirname "$0")/../.." && pwd)"
build="${BUILD:-build}"
case "$build" in /*) ;; *) build="$root/$build" ;; esac
torc_mkimg="$build/host/torc-mkimg"

# Of the file system and its directory hash; any constant would do.
uuid=546f7263-0000-4000-8000-000000000001
grub_dir=/usr/lib/grub/i386-pc
stage= # a temporary directory
trap '[ -z "$stage" ] || rm -rf "$stage"' EXIT
partition_start=2048 # sectors: behind the gap GRUB's core lives in

die() {
    echo "mkimg: $*" >&2
    exit 1
}

usage() {
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
    exit "$1"
}

need() {
    for tool in "$@"; do
        command -v "$tool" >/dev/null || die "$tool is missing: run make deps"
    done
}

# Room for what is in $1, its metadata and a little more, in MiB.
size_of() {
    local kib files
    kib=$(du -sk --apparent-size "$1" | cut -f1)
    files=$(find "$1" | wc -l)
    echo $(((kib + files * 5) * 11 / 10 / 1024 + 2))
}

make_ext2() { # DIR FILE SIZE_MIB BLOCK_SIZE
    local newest
    [ -x "$torc_mkimg" ] || make -s -C "$root" BUILD="$build" "$torc_mkimg" >&2 ||
        die "torc-mkimg cannot be built: make mkimg says why"
    newest=$(find "$1" -printf '%T@\n' | sort -n | tail -n 1)
    SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$((${newest%.*} + 1))}" "$torc_mkimg" -q \
        --block-size="$4" --size="${3}m" -U "$uuid" -d "$1" "$2" ||
        die "the file system was not made: is the size enough? (--size MIB)"
}

stage_kernel() { # STAGE
    mkdir -p "$1/boot"
    strip -o "$1/boot/torc.elf" "$kernel" || die "$kernel is no ELF file"
}

make_disk() {
    local core
    stage=$(mktemp -d)
    cp -a "$dir/." "$stage"
    stage_kernel "$stage"
    [ -n "$size" ] || size=$(size_of "$stage")
    make_ext2 "$stage" "$out.part" "$size" "$block_size"
    core="$out.core"
    cat >"$out.cfg" <<CFG
serial --unit=0 --speed=115200
terminal_output serial
multiboot2 (hd0,msdos1)/boot/torc.elf $cmdline
boot
CFG
    grub-mkimage -O i386-pc -d "$grub_dir" -o "$core" -c "$out.cfg" \
        -p '(hd0,msdos1)/boot/grub' \
        biosdisk part_msdos ext2 multiboot2 serial terminal
    [ "$(stat -c %s "$core")" -le $(((partition_start - 1) * 512)) ] ||
        die "GRUB's core does not fit before the partition"
    rm -f "$out"
    truncate -s "$(((partition_start * 512) + $(stat -c %s "$out.part")))" "$out"
    # The boot sector loads the core from sector 1, which loads the rest.
    dd if="$grub_dir/boot.img" of="$out" bs=440 count=1 conv=notrunc status=none
    dd if="$core" of="$out" bs=512 seek=1 conv=notrunc status=none
    printf 'label: dos\nlabel-id: 0x546f7263\n%s,,83,*\n' $partition_start |
        sfdisk -q --wipe never "$out" >/dev/null
    dd if="$out.part" of="$out" bs=512 seek=$partition_start conv=notrunc \
        status=none
    rm -f "$out.part" "$out.cfg" "$core"
}

make_iso() {
    stage=$(mktemp -d)
    stage_kernel "$stage"
    [ -n "$size" ] || size=$(size_of "$dir")
    make_ext2 "$dir" "$stage/boot/root.ext2" "$size" "$block_size"
    mkdir -p "$stage/boot/grub"
    cat >"$stage/boot/grub/grub.cfg" <<CFG
serial --unit=0 --speed=115200
terminal_output serial
multiboot2 /boot/torc.elf $cmdline
module2 /boot/root.ext2
boot
CFG
    rm -f "$out"
    grub-mkrescue -d "$grub_dir" -o "$out" --fonts= --locales= --themes= \
        --install-modules="biosdisk iso9660 multiboot2 normal serial terminal" \
        "$stage" -- -volid TORC >"$out.log" 2>&1 || {
        cat "$out.log" >&2
        die "grub-mkrescue failed"
    }
    rm -f "$out.log"
}

kind="${1:-}"
[ $# -gt 0 ] && shift
case "$kind" in
ext2 | disk | iso) ;;
-h | --help) usage 0 ;;
*) usage 2 >&2 ;;
esac
dir= out= kernel= cmdline= size= block_size=1024
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || die "$1 wants a value"
    case "$1" in
    --dir) dir="$2" ;;
    --out) out="$2" ;;
    --kernel) kernel="$2" ;;
    --cmdline) cmdline="$2" ;;
    --size) size="$2" ;;
    --block-size) block_size="$2" ;;
    *) die "unknown option $1 (mkimg.sh --help)" ;;
    esac
    shift 2
done
[ -n "$out" ] || die "--out FILE is missing"
[ -d "$dir" ] || die "--dir: no such directory: '$dir'"
if [ "$kind" != ext2 ]; then
    [ -f "$kernel" ] || die "--kernel: no such file: '$kernel' (make metal)"
    need strip grub-mkimage sfdisk
    [ -f "$grub_dir/multiboot2.mod" ] || die "GRUB is missing: run make deps"
fi
mkdir -p "$(dirname "$out")"
case "$kind" in
ext2)
    [ -n "$size" ] || size=$(size_of "$dir")
    make_ext2 "$dir" "$out" "$size" "$block_size"
    ;;
disk) make_disk ;;
iso)
    need grub-mkrescue xorriso
    make_iso
    ;;
esac
