#!/bin/sh
# Print the symbol table of a linked image as assembly: see kernel/base/symbols.c.
set -e
nm="${NM:-nm}"
"$nm" -n "$1" | awk '
    function hex(s,   i, v) { # portable: mawk has no strtonum
        v = 0
        for (i = 1; i <= length(s); i++)
            v = v * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
        return v
    }
    BEGIN { n = 0 }
    $2 ~ /^[tT]$/ && $3 !~ /^\./ && $3 != last {
        if (n == 0) first = $1
        at[n] = hex($1); name[n] = last = $3; n++
    }
    END {
        print ".section .rodata"
        print ".globl symbol_base\n.set symbol_base, 0x" first
        print ".globl symbol_table\nsymbol_table:"
        for (i = 0; i < n; i++)
            printf ".uleb128 %d\n.asciz \"%s\"\n", at[i] - at[i ? i - 1 : 0],
                i < n - 1 ? name[i] : ""
        print ".section .note.GNU-stack,\"\",@progbits"
    }'
