#!/bin/bash
# bzimage.sh ELF OUT: make a bzImage of an image, for loaders that know only the Linux boot
# protocol. It is tools/bzimage/setup.S, then the image as it lies in memory.
set -eu
[ $# -eq 2 ] || {
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
}
cd "$(dirname "$0")/../.."
elf="$1" out="$2"

value() { # SYMBOL
    nm "$elf" | awk -v name="$1" '$3 == name { print "0x" $1 }'
}
start=$(value image_start)
end=$(value image_end)
[ -n "$start" ] && [ $((start)) -eq $((0x100000)) ] || {
    echo "bzimage.sh: $elf is no image that begins at 1 MiB" >&2
    exit 1
}
stage=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$stage"' EXIT
objcopy -O binary "$elf" "$stage/payload"
gcc -c -DPAYLOAD_SIZE="$(stat -c %s "$stage/payload")" -DINIT_SIZE=$((end - start)) \
    tools/bzimage/setup.S -o "$stage/setup.o"
ld -m elf_x86_64 -Ttext 0 --oformat binary -e 0 "$stage/setup.o" -o "$stage/setup"
cat "$stage/setup" "$stage/payload" >"$stage/all"
# The payload is a multiple of the unit in which its size is told.
truncate -s "$((($(stat -c %s "$stage/all") + 15) / 16 * 16))" "$stage/all"
mv -f "$stage/all" "$out"
