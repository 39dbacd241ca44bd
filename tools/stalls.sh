# Tests that are about time say nothing when the machine stood still meanwhile. For
# scripts that run tests (source it):
#
#   stalls_watch FILE        note in FILE when the machine stands still, until the script ends
#   stalls_since TIME FILE   print the longest time it stood still since TIME (as
#                            $EPOCHREALTIME); false when it did not
stalls_watch() {
    : >"$1"
    perl tools/stalls.pl "$1" &
    # shellcheck disable=SC2064 # the process of now
    trap "kill $! 2>/dev/null" EXIT
}

stalls_since() {
    awk -v since="$1" '
        $2 > since && $2 - $1 > longest { longest = $2 - $1 }
        END { if (longest) printf "%.1f s\n", longest; exit !longest }' "$2"
}
