#!/bin/bash
# Make disk images without root.
#
#   mkimg.sh ext2 --dir DIR --out FILE [--size MIB] [--block-size BYTES]
#       a bare ext2 file system filled from DIR: for QEMU -kernel and the hosted
#       machine
#   mkimg.sh disk --kernel KERNEL --dir DIR --out FILE [--cmdline TEXT]
#       a bootable disk or USB stick, for BIOS and for UEFI: GRUB, partition table, ext2
#       root with the kernel, FAT with GRUB's program for UEFI. With --formats the same
#       also as qcow2, vmdk, vdi and vhdx, beside FILE.
#   mkimg.sh iso --kernel KERNEL --dir DIR --out FILE [--cmdline TEXT]
#       a CD or USB stick with the ext2 file system as a boot module, for both, too
#
# KERNEL is an ELF image, which Multiboot2 starts, or a bzImage, which GRUB's command
# "linux" starts.
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
stage= # a temporary directory for what goes into the image
new=   # one beside the image, for those that are not complete
trap '[ -z "$stage" ] || rm -rf "$stage"; [ -z "$new" ] || rm -rf "$new"' EXIT
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

# GRUB's core image for a machine, with the configuration in it.
make_core() { # FORMAT OUT PREFIX MODULE...
    local format="$1" core="$2" prefix="$3"
    shift 3
    grub-mkimage -O "$format" -d "/usr/lib/grub/$format" -o "$core" -c "$stage/cfg" \
        -p "$prefix" "$@" serial terminal ||
        die "GRUB's core image for $format was not made"
}

is_bzimage() {
    cmp -s -i 514:0 -n 4 "$kernel" <(printf HdrS)
}

# The kernel, and how GRUB starts it, with the modules that this takes.
stage_kernel() { # STAGE
    mkdir -p "$1/boot"
    if is_bzimage; then
        start="linux /boot/torc" module_start=initrd loaders="linux"
        cp "$kernel" "$1/boot/torc"
    else
        start="multiboot2 /boot/torc.elf" module_start=module2 loaders="multiboot2"
        strip -o "$1/boot/torc.elf" "$kernel" || die "$kernel is no ELF file"
    fi
}

configuration() { # [FILE GRUB_MODULE]
    cat <<CFG
serial --unit=0 --speed=115200
terminal_output serial
${2:+insmod $2}
$start $cmdline
${1:+$module_start $1}
boot
CFG
}

# The file system that UEFI boots from: FAT16, 4 MiB.
make_esp() { # CORE OUT
    mkdir -p "$stage/efi/EFI/BOOT"
    cp "$1" "$stage/efi/EFI/BOOT/BOOTX64.EFI"
    SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-0}" "$torc_mkimg" -q --type=fat16 \
        --cluster-size=512 --size=4m -L TORC-EFI -U 546F7263 -d "$stage/efi" "$2" ||
        die "the file system for UEFI was not made"
}

# Images are made in $new, with their names, and moved to their place when complete.
new_begin() {
    new=$(mktemp -d "$out.XXXXXX")
    image="$new/${out##*/}"
}

make_disk() {
    local core="$stage/core" part="$stage/part" esp="$stage/esp" tree="$stage/tree"
    local sectors esp_start size_mib="$size"
    mkdir "$tree"
    cp -a "$dir/." "$tree"
    stage_kernel "$tree"
    configuration >"$stage/cfg"
    [ -n "$size_mib" ] || size_mib=$(size_of "$tree")
    make_ext2 "$tree" "$part" "$size_mib" "$block_size"
    make_core x86_64-efi "$core" '(,msdos1)/boot/grub' part_msdos ext2 efi_gop $loaders
    make_esp "$core" "$esp"
    make_core i386-pc "$core" '(,msdos1)/boot/grub' biosdisk part_msdos ext2 $loaders
    [ "$(stat -c %s "$core")" -le $(((partition_start - 1) * 512)) ] ||
        die "GRUB's core does not fit before the partition"
    sectors=$(($(stat -c %s "$part") / 512))
    esp_start=$(((partition_start + sectors + 2047) / 2048 * 2048))
    new_begin
    truncate -s $(((esp_start + 8192) * 512)) "$image"
    # The boot sector loads the core from sector 1, which loads the rest.
    dd if="/usr/lib/grub/i386-pc/boot.img" of="$image" bs=440 count=1 conv=notrunc status=none
    dd if="$core" of="$image" bs=512 seek=1 conv=notrunc status=none
    printf 'label: dos\nlabel-id: 0x546f7263\n%s,%s,83,*\n%s,8192,ef\n' \
        $partition_start $sectors $esp_start | sfdisk -q --wipe never "$image" >/dev/null
    dd if="$part" of="$image" bs=1M seek=$((partition_start / 2048)) conv=notrunc \
        status=none
    dd if="$esp" of="$image" bs=1M seek=$((esp_start / 2048)) conv=notrunc status=none
}

# grub-mkrescue puts both cores on the CD, and writes a partition table that makes a
# disk of the same bytes.
make_iso() {
    local tree="$stage/tree"
    mkdir "$tree"
    stage_kernel "$tree"
    [ -n "$size" ] || size=$(size_of "$dir")
    make_ext2 "$dir" "$tree/boot/root.ext2" "$size" "$block_size"
    mkdir -p "$tree/boot/grub"
    configuration /boot/root.ext2 all_video >"$tree/boot/grub/grub.cfg"
    new_begin
    grub-mkrescue -o "$image" --fonts= --locales= --themes= \
        --install-modules="iso9660 $loaders normal serial terminal all_video $(
            echo part_{acorn,amiga,apple,bsd,dfly,dvh,gpt,msdos,plan,sun,sunpc}
        )" \
        "$tree" -- -volid TORC >"$stage/log" 2>&1 || {
        cat "$stage/log" >&2
        die "grub-mkrescue failed"
    }
}

# The same disk in the formats of other machine monitors, beside it.
make_formats() {
    local format
    for format in qcow2 vmdk vdi vhdx; do
        qemu-img convert -q -f raw -O $format "$image" "${image%.img}.$format" ||
            die "the $format image was not made"
    done
    for format in qcow2 vmdk vdi vhdx; do
        mv -f "${image%.img}.$format" "${out%.img}.$format"
    done
}

kind="${1:-}"
[ $# -gt 0 ] && shift
case "$kind" in
ext2 | disk | iso) ;;
-h | --help) usage 0 ;;
*) usage 2 >&2 ;;
esac
dir= out= kernel= cmdline= size= block_size=1024 formats=
while [ $# -gt 0 ]; do
    if [ "$1" = --formats ]; then
        formats=yes
        shift
        continue
    fi
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
    [ -z "$formats" ] || need qemu-img
    for format in i386-pc x86_64-efi; do
        [ -f "/usr/lib/grub/$format/multiboot2.mod" ] ||
            die "GRUB for $format is missing: run make deps"
    done
fi
mkdir -p "$(dirname "$out")"
stage=$(mktemp -d)
case "$kind" in
ext2)
    [ -n "$size" ] || size=$(size_of "$dir")
    new_begin
    make_ext2 "$dir" "$image" "$size" "$block_size"
    ;;
disk)
    make_disk
    [ -z "$formats" ] || make_formats
    ;;
iso)
    need grub-mkrescue xorriso
    make_iso
    ;;
esac
mv -f "$image" "$out"
