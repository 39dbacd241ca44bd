#!/bin/bash
# What is in an image: bytes of code and constants by room, the largest first.
#
#   image_rooms.sh ELF [files]      with "files": by source file
#
# By the symbols' sizes and the lines that the compiler noted. "strings" is what of
# .rodata no symbol names: texts, most of them, and the names for backtraces.
cd "$(dirname "$0")/.." || exit 2
image="$1" by="${2:-rooms}"
[ -f "$image" ] || {
    sed -n '2,8s/^# \?//p' "$0" >&2
    exit 2
}
named=$(readelf -SW "$image" | awk '$2 ~ /^\.(text|rodata)$/ { print $2, $6 }
    $3 ~ /^\.(text|rodata)$/ { print $3, $7 }')
nm -S -l "$image" | perl -e '
    my ($by, $sections) = @ARGV;
    my (%size, $all, $total);
    $total += hex for map { (split)[1] } split /\n/, $sections;
    while (<STDIN>) {
        my ($at, $bytes, $kind, $name, $where) = split;
        next if !defined $name || $kind !~ /^[tTrR]$/;
        $where = defined $where ? $where : "unknown";
        $where =~ s/:\d+$//;
        $where =~ s{^.*?/(?=(apps|drivers|fs|hal|include|kernel|net|tests)/)}{};
        $where =~ s{/[^/]*$}{} if $by eq "rooms";
        $size{$where} += hex $bytes;
        $all += hex $bytes;
    }
    $size{"strings"} = $total - $all;
    printf "%8d %s\n", $size{$_}, $_ for sort { $size{$b} <=> $size{$a} } keys %size;
    printf "%8d sum\n", $total;' "$by" "$named"
