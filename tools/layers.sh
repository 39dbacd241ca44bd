#!/bin/bash
# Who may include whom: layers.txt, checked over every #include.
#   layers.sh [TREE]       offences, a line each; exits 1 when there are any
#   layers.sh --self-test  plants each kind of offence in a copy; each must be found
#
# - Each folder with sources is a room with a line in layers.txt (each application is
#   one under `apps`, but for the rooms that several share). A room includes itself and the rooms on its line.
# - The lines of layers.txt make no circle, and no header includes itself by way of
#   others.
# - Includes are written from the root ("kernel/device/block.h"), public ones as
#   <torc/...>. A header named *_internal.h belongs to its room. The only other headers
#   are the compiler's, except in the host halves of hal/posix and of tools.
roots="hal kernel drivers fs net apps include tools/fuse tools/image"

includes() { # who may not include what he includes
    find $roots -name '*.[chS]' | sort | xargs awk '
    function component(path,   c, best) { # the longest component that owns the path
        for (c in may)
            if (index(path, c "/") == 1 && length(c) > length(best)) best = c
        return best
    }
    function folder(path) { sub(/\/[^\/]*$/, "", path); return path }
    function fail(why) { printf "%s:%d: %s\n", FILENAME, FNR, why; bad = 1 }
    FILENAME == "layers.txt" {
        gsub(/[ \t]+/, " ")
        if (NF && $1 !~ /^#/) may[$1] = " " $0 " "
        next
    }
    FNR == 1 {
        me = component(FILENAME)
        if (me != folder(FILENAME) && me != "apps" && FILENAME !~ /\/torc\//)
            fail("no line in layers.txt for " folder(FILENAME))
    }
    /^[ \t]*#[ \t]*include[ \t]*"/ {
        split($0, q, "\""); it = component(q[2])
        if (q[2] == "hal_inline.h" && me == "hal") next # by include path
        # An application may include its own headers, not those of another.
        if (me == "apps" && it == "apps") {
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
        if (FILENAME ~ /^(hal\/posix|tools\/fuse|tools\/image)\/host\//) next
        if (FILENAME ~ /^hal\/posix\/.*\/sanitize\.h$/ && q[2] ~ /^sanitizer\//) next
        fail("not a header of the compiler: " q[2])
    }
    END { exit bad }' layers.txt
}

# tsort names the members of each circle on standard error.
no_circle() { # WHAT, edges on standard input
    local loop
    loop=$(tsort 2>&1 >/dev/null | sed 's/^tsort: *//; /input contains a loop/d' | paste -sd' ')
    [ -z "$loop" ] && return
    echo "$1: a circle: $loop"
    return 1
}
room_edges() {
    awk '!/^#/ { for (i = 2; i <= NF; i++) print $1, $i }' layers.txt
}
header_edges() {
    find $roots -name '*.h' | xargs awk '
        /^[ \t]*#[ \t]*include[ \t]*["<]/ {
            split($0, q, /["<>]/); to = q[2]
            if (to ~ /^torc\//) to = "include/" to
            print FILENAME, to
        }'
}

check() {
    local status=0
    includes || status=1
    room_edges | no_circle layers.txt || status=1
    header_edges | no_circle "headers" || status=1
    return $status
}

# In a copy, against each line "A may include B", let B include A; then the other kinds.
self_test() {
    local copy before from to file line found=0 planted=0
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    cp -r --parents $roots layers.txt "$copy" || return 1
    cd "$copy" || return 1
    plant() { # FILE LINE WHAT-IS-SAID
        echo "$2" >>"$1"
        echo "$1:$(wc -l <"$1"): $3" >>"$copy/expected"
        planted=$((planted + 1))
    }
    while read -r from to; do
        file=$(find "$to" -maxdepth 1 -name '*.[ch]' | sort | head -n 1)
        [ -z "$file" ] || plant "$file" "#include \"$from/planted.h\"" \
            "$to may not include $from/planted.h"
    done < <(room_edges)
    before=$planted
    plant net/stack.c '#include "kernel/thread/thread_internal.h"' \
        'kernel/thread/thread_internal.h is private'
    plant apps/hello/main.c '#include "kernel/thread/thread.h"' \
        'apps may not include kernel/thread/thread.h'
    plant apps/hello/main.c '#include "apps/webserver/settings.h"' \
        'includes another application: apps/webserver/settings.h'
    plant kernel/lib/str.c '#include "str.h"' 'include by full path: str.h'
    plant net/stack.c '#include <stdio.h>' 'not a header of the compiler: stdio.h'
    includes >"$copy/said"
    while read -r line; do
        if grep -qxF "$line" "$copy/said"; then
            found=$((found + 1))
        else
            echo "planted, not found: $line"
        fi
    done <"$copy/expected"
    echo "$before includes against an arrow and $((planted - before)) others planted"
    # Circles: of rooms, of headers; a folder without a line.
    while read -r from to; do
        planted=$((planted + 1))
        if { room_edges && echo "$to $from"; } | no_circle rooms >/dev/null; then
            echo "a circle of $from and $to was not found"
        else
            found=$((found + 1))
        fi
    done < <(room_edges)
    echo '#include "kernel/thread/thread.h"' >>kernel/thread/wait.h
    mkdir -p kernel/new && echo >kernel/new/new.c
    planted=$((planted + 2))
    header_edges | no_circle headers >/dev/null || found=$((found + 1))
    includes | grep 'no line in layers.txt for kernel/new' >/dev/null && found=$((found + 1))
    echo "$found of $planted planted offences found"
    [ "$found" -eq "$planted" ]
}

cd "$(dirname "$0")/.." || exit 1
if [ "$1" = --self-test ]; then
    self_test
else
    cd "${1:-.}" && check
fi
