#!/bin/bash
# Run an image in QEMU: the one place that knows how.
#
#   qemu.sh [--machine microvm|pc|q35] [--cpus N] [--mem MIB]
#           (--kernel ELF [--append TEXT] | --boot DISK | --cdrom ISO)
#           [--disk FILE]... [--write] [--module FILE] [--no-net] [--card NAME] [--forward HOSTPORT]
#           [--drive NAME] [--format NAME] [--uefi] [--count] [--no-exit-device] [--typed FILE]
#           [-- further QEMU arguments]
#
# --disk: a snapshot, so the file is never written, and several machines can share it;
#    with --write what the machine writes is in the file.
# --card: another network card than virtio: e1000, e1000e.
# --drive: another kind of disk than virtio: ide-hd; usb-storage, with a USB 3 controller.
# --format: how the disks are kept, if not raw: qcow2, vmdk, vdi, vhdx.
# --uefi: the firmware is OVMF; pc and q35.
# --count: interpret on one host thread, for plugins that count instructions.
# --typed: what is typed on the serial port: a file, or a FIFO.
# --no-exit-device: without isa-debug-exit, as on a machine that is not QEMU.
#
# With GUEST_LINES=DIRECTORY in the environment it writes which code the machine has
# executed into that directory: tools/guest_coverage.sh.
#
# Its exit status is the machine's: what the image gave hal_exit(), which its last line
# tells. An end without that line is a failure, whatever QEMU says: a reset, a triple
# fault, a power-off by somebody else. Then one line says what is known about it.
machine=microvm cpus=1 mem=64 net=yes count=no exit_device=yes snapshot=on
forward= kernel= append= boot= cdrom= module=
wanted_card= wanted_drive= format=raw uefi=no
typed=/dev/null
disks=()
while [ $# -gt 0 ]; do
    case "$1" in
    --machine) machine="$2" ;;
    --cpus) cpus="$2" ;;
    --mem) mem="$2" ;;
    --kernel) kernel="$2" ;;
    --append) append="$2" ;;
    --boot) boot="$2" ;;
    --cdrom) cdrom="$2" ;;
    --disk) disks+=("$2") ;;
    --module) module="$2" ;;
    --forward) forward="$2" ;;
    --card) wanted_card="$2,romfile=" ;;
    --drive) wanted_drive="$2" ;;
    --format) format="$2" ;;
    --typed) typed="$2" ;;
    --uefi)
        uefi=yes
        shift
        continue
        ;;
    --no-net)
        net=no
        shift
        continue
        ;;
    --write)
        snapshot=off
        shift
        continue
        ;;
    --count)
        count=yes
        shift
        continue
        ;;
    --no-exit-device)
        exit_device=no
        shift
        continue
        ;;
    --)
        shift
        break
        ;;
    *)
        echo "qemu.sh: unknown option $1" >&2
        exit 2
        ;;
    esac
    shift 2
done

# An image that does not fit would be loaded in part, and nothing of it could say so.
if [ -n "$kernel" ] && readelf -h "$kernel" >/dev/null 2>&1; then
    end=0
    while read -r _ _ _ address _ size _; do
        [ $((address + size)) -gt $end ] && end=$((address + size))
    done < <(readelf -lW "$kernel" | grep -w LOAD)
    if [ $end -gt $((mem * 1024 * 1024)) ]; then
        echo "qemu.sh: $kernel needs $(((end + 1048575) / 1048576)) MiB of memory" \
            "to be loaded, and the machine has $mem" >&2
        exit 1
    fi
fi

plugin=()
if [ -n "$GUEST_LINES" ]; then # a disk or an ISO is the web server's
    lines_of=$(basename "${kernel:-webserver.elf}")
    plugin=(-plugin "$GUEST_LINES/plugin.so,out=$GUEST_LINES/${lines_of/%.bzimage/.elf}.$$")
fi

# Real virtualisation only where the processor has it: elsewhere /dev/kvm, if
# there is one, interprets.
if [ "$count" = yes ]; then
    args=(-accel "tcg,thread=single" -cpu max)
elif [ -n "$GUEST_LINES" ]; then # only an interpreter knows
    args=(-accel "tcg,thread=multi" -cpu max)
elif grep -qwE 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ]; then
    args=(-accel kvm -cpu host)
else
    args=(-accel "tcg,thread=multi" -cpu max)
fi
args+=(-M "$machine" -smp "$cpus" -m "${mem}M")
args+=(-nodefaults -no-user-config -display none -no-reboot)
log=$(mktemp -d) || exit 1
trap 'rm -rf "$log"' EXIT
args+=(-chardev "stdio,id=serial0,signal=on,logfile=$log/console" -serial chardev:serial0)
args+=(-d cpu_reset -D "$log/resets")
[ "$exit_device" = yes ] && args+=(-device isa-debug-exit,iobase=0xf4,iosize=4)
if [ "${machine%%,*}" = microvm ]; then
    blk=virtio-blk-device card=virtio-net-device
else
    blk=virtio-blk-pci card=virtio-net-pci,romfile=
fi
[ "$uefi" = yes ] && args+=(-bios /usr/share/ovmf/OVMF.fd)
[ -n "$kernel" ] && args+=(-kernel "$kernel" -append "$append")
[ -n "$module" ] && args+=(-initrd "$module")
[ -n "$cdrom" ] && args+=(-cdrom "$cdrom")
[ -n "$boot" ] && disks=("$boot" "${disks[@]}")
[ "$wanted_drive" = usb-storage ] && args+=(-device qemu-xhci)
i=0
for disk in "${disks[@]}"; do
    args+=(-drive "if=none,id=disk$i,file=$disk,format=$format,snapshot=$snapshot")
    args+=(-device "${wanted_drive:-$blk},drive=disk$i")
    i=$((i + 1))
done
if [ "$net" = yes ]; then
    card="${wanted_card:-$card}"
    args+=(-netdev "user,id=net0${forward:+,hostfwd=tcp:127.0.0.1:$forward-:80}")
    args+=(-device "$card,netdev=net0")
fi
qemu-system-x86_64 "${args[@]}" "${plugin[@]}" "$@" <"$typed" &
qemu=$!
signalled=no
trap 'signalled=yes; kill $qemu 2>/dev/null' TERM INT HUP
wait $qemu
status=$?
# A signal interrupts the wait, and timeout(1) sends two: to us, then to the group.
while kill -0 $qemu 2>/dev/null; do
    wait $qemu
    status=$?
done
# isa-debug-exit turns status s into 2s+1.
if [ $status -gt 1 ] && [ $status -lt 128 ] || [ $status -eq 255 ]; then
    status=$((status / 2))
fi
[ $signalled = yes ] && exit $status

# What the machine itself said last.
last=$(tail -c 1000 "$log/console" 2>/dev/null | tr -d '\r\0' | sed '/^$/d' | tail -n 1)
if [[ "$last" =~ ^machine\ ended\ with\ status\ ([0-9]+)$ ]]; then
    exit "${BASH_REMATCH[1]}"
fi
[ $status -ne 0 ] && exit $status
if grep -q '^Triple fault' "$log/resets" 2>/dev/null; then
    echo "qemu.sh: the machine ended by a triple fault" >&2
else
    echo "qemu.sh: the machine ended without saying so: a reset, or a power-off that is not the image's" >&2
fi
exit 1
