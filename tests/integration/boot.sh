# Tests of what an image boots from, and by what: a part of run.sh.

# Disk, CD and other formats with hello on them, in $media, of that kernel; once.
media="$work/media"
make_media() { # KERNEL NAME
    mkdir -p "$media/root"
    echo nothing >"$media/root/file"
    tools/mkimg/mkimg.sh disk --formats --kernel "$1" --dir "$media/root" \
        --out "$media/$2.img" &&
        tools/mkimg/mkimg.sh iso --kernel "$1" --dir "$media/root" --out "$media/$2.iso" ||
        die "the media are not made"
}

# One disk starts by BIOS and by UEFI, also as a USB stick; and so does the CD as a disk.
# (`make boot-matrix` has all ways.)
test_boot_media() {
    make_media "$build/metal/hello.elf" hello
    local here=(tools/qemu.sh --no-net --mem 64)
    hello 2 "${here[@]}" --machine q35 --cpus 2 --uefi --boot "$media/hello.img"
    hello 1 "${here[@]}" --machine pc --drive usb-storage --boot "$media/hello.img"
    hello 1 "${here[@]}" --machine pc --boot "$media/hello.iso"
}

# The disk in the formats of other machine monitors.
test_boot_formats() {
    local format
    make_media "$build/metal/hello.elf" formats
    for format in qcow2 vmdk vdi vhdx; do
        qemu-img check "$media/formats.$format" || die "$format: qemu-img finds errors"
        hello 1 tools/qemu.sh --no-net --machine pc --mem 32 --format $format \
            --boot "$media/formats.$format"
    done
}

# Loaders that know only bzImage: QEMU in 16-bit mode, on a machine without PCI too, with a
# boot module; GRUB's command "linux" in 32-bit mode under both firmwares, where nobody has
# cleared memory; another loader in 64-bit mode, which
# also starts the ELF file so.
test_boot_bzimage() {
    local port loader
    make_media "$build/metal/hello.bzimage" bzimage
    hello 1 tools/qemu.sh --no-net --machine pc --boot "$media/bzimage.img"
    grep -q "by the Linux boot protocol" "$work/$TEST_NAME.out" || die "by another protocol"
    hello 2 tools/qemu.sh --no-net --machine q35 --cpus 2 --uefi --boot "$media/bzimage.img"
    for loader in linux64 linux64_elf; do
        hello 1 tools/qemu.sh --no-net --machine microvm --kernel "$build/metal/$loader.elf"
        grep -q "by the Linux boot protocol" "$work/$TEST_NAME.out" || die "not in 64-bit mode"
    done
    port=$(free_port)
    qemu_web "$port" --machine microvm --cpus 2 --mem 128 \
        --kernel "$build/metal/webserver.bzimage" --module "$work/site.img" --append cpu=1
    check_files "http://127.0.0.1:$port"
}

# Settings of QEMU's fw_cfg win over those of a boot module, and both are for the
# application; a wrong one ends the boot, as a wrong word of the command line.
test_boot_settings() {
    local port settings="$work/$TEST_NAME.settings"
    printf '#torc settings\ndir=/nowhere\ncpu=1\n' >"$settings"
    port=$(free_port)
    qemu_web "$port" --cpus 2 --mem 32 --kernel "$build/metal/webserver.elf" \
        --disk "$work/site.img" --module "$settings" -- -fw_cfg name=opt/torc/dir,string=/sub
    curl -s "http://127.0.0.1:$port/" | cmp - "$site/sub/index.html" || die "not /sub"
    expect 2 "port=0: give a number from 1 to 65535" tools/qemu.sh --no-net --mem 16 \
        --kernel "$build/metal/webserver.elf" -- -fw_cfg name=opt/torc/port,string=0
}
