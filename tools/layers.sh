#!/bin/sh
# Who may include whom: layers.txt, checked over every #include. Includes are
# written from the root ("kernel/block.h"), public ones as <torc/...>; headers named
# *_internal.h belong to their directory. The only other headers are the compiler's,
# except in the host half of hal/posix.
cd "$(dirname "$0")/.." || exit 1
find hal kernel drivers fs net apps include -name '*.[chS]' | sort |
    xargs awk '
function component(path,   c, best) { # the longest component that owns the path
    for (c in may)
        if (index(path, c "/") == 1 && length(c) > length(best)) best = c
    return best
}
function fail(why) { printf "%s:%d: %s\n", FILENAME, FNR, why; bad = 1 }
FILENAME == "layers.txt" {
    if (NF && $1 !~ /^#/) may[$1] = " " $0 " "
    next
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, q, "\""); me = component(FILENAME); it = component(q[2])
    if (q[2] == "hal_inline.h" && me == "hal") next # by include path
    gsub(/[ \t]+/, " ", may[me])
    # An application may include its own headers, not those of another.
    if (me == "apps" && index(q[2], "apps/") == 1) {
        split(FILENAME, a, "/"); split(q[2], b, "/")
        if (a[2] != b[2]) fail("includes another application: " q[2])
        next
    }
    if (it == "") fail("include by full path: " q[2])
    else if (!index(may[me], " " it " ")) fail(me " may not include " q[2])
    else if (q[2] ~ /_internal\.h$/ && it != me) fail(q[2] " is private")
}
/^[ \t]*#[ \t]*include[ \t]*</ {
    split($0, q, /[<>]/)
    if (q[2] ~ /^torc\//) next
    if (q[2] ~ /^std(arg|atomic|bool|def|int|align|noreturn)\.h$/) next
    if (FILENAME ~ /^hal\/posix\/host_[a-z]*\.[ch]$/) next
    if (FILENAME == "hal/posix/sanitize.h" && q[2] ~ /^sanitizer\//) next
    fail("not a header of the compiler: " q[2])
}
END { exit bad }' layers.txt
