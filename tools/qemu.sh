#!/bin/bash
# Run an image in QEMU: the one place that knows how.
#
#   qemu.sh [--machine microvm|pc|q35] [--cpus N] [--mem MIB]
#           (--kernel ELF [--append TEXT] | --boot DISK | --cdrom ISO)
#           [--disk FILE]... [--module FILE] [--no-net] [--forward HOSTPORT]
#           [--count]
#           [-- further QEMU arguments]
#
# --count: interpret on one host thread, for plugins that count instructions.
#
# Its exit status is the machine's: 0, or what the image gave hal_exit().
machine=microvm cpus=1 mem=64 net=yes count=no forward= kernel= append= boot= cdrom= module=
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
    --no-net)
        net=no
        shift
        continue
        ;;
    --count)
        count=yes
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

# Real virtualisation only where the processor has it: elsewhere /dev/kvm, if
# there is one, interprets.
if [ "$count" = yes ]; then
    args=(-accel "tcg,thread=single" -cpu max)
elif grep -qwE 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ]; then
    args=(-accel kvm -cpu host)
else
    args=(-accel "tcg,thread=multi" -cpu max)
fi
args+=(-M "$machine" -smp "$cpus" -m "${mem}M")
args+=(-nodefaults -no-user-config -display none -serial stdio -no-reboot)
args+=(-device isa-debug-exit,iobase=0xf4,iosize=4)
if [ "$machine" = microvm ]; then
    blk=virtio-blk-device card=virtio-net-device
else
    blk=virtio-blk-pci card=virtio-net-pci,romfile=
fi
[ -n "$kernel" ] && args+=(-kernel "$kernel" -append "$append")
[ -n "$module" ] && args+=(-initrd "$module")
[ -n "$cdrom" ] && args+=(-cdrom "$cdrom")
[ -n "$boot" ] && disks=("$boot" "${disks[@]}")
i=0
for disk in "${disks[@]}"; do
    # A snapshot: the file is never written, and several machines can share it.
    args+=(-drive "if=none,id=disk$i,file=$disk,format=raw,snapshot=on")
    args+=(-device "$blk,drive=disk$i")
    i=$((i + 1))
done
if [ "$net" = yes ]; then
    args+=(-netdev "user,id=net0${forward:+,hostfwd=tcp:127.0.0.1:$forward-:80}")
    args+=(-device "$card,netdev=net0")
fi
qemu-system-x86_64 "${args[@]}" "$@" </dev/null &
qemu=$!
trap 'kill $qemu 2>/dev/null' TERM INT HUP
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
exit $status
