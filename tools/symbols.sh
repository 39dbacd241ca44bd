#!/bin/sh
# Print the symbol table of a linked image as assembly: see kernel/base/symbols.c.
# Offsets are from the lowest function; the last entry only marks the end.
set -e
nm="${NM:-nm}"
"$nm" -n "$1" | awk '
    function hex(s,   i, v) { # portable: mawk has no strtonum
        v = 0
        for (i = 1; i <= length(s); i++)
            v = v * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
        return v
    }
    $2 ~ /^[tT]$/ && $3 !~ /^\./ && $3 != last {
        if (n == 0) { base = hex($1); first = $1 }
        at[n] = hex($1) - base; name[n] = $3; last = $3; n++
    }
    END {
        print ".section .rodata"
        print ".globl symbol_base\n.set symbol_base, 0x" first
        print ".balign 4\n.globl symbol_count\nsymbol_count: .long " n
        print ".globl symbol_offsets\nsymbol_offsets:"
        for (i = 0; i < n; i++) printf ".long %d\n", at[i]
        print ".globl symbol_name_offsets\nsymbol_name_offsets:"
        for (i = 0; i < n; i++) {
            printf ".long %d\n", o; o += length(name[i]) + 1
        }
        print ".globl symbol_names\nsymbol_names:"
        for (i = 0; i < n; i++) printf ".asciz \"%s\"\n", name[i]
        print ".section .note.GNU-stack,\"\",@progbits"
    }'
