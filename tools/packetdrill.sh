#!/bin/bash
# Runs the scripts of packetdrill (*.pkt) below a directory on our TCP, in virtual time
# (tests/fakes/drill.h), and prints a line for each: passed, failed with the reason, or
# unsupported with what is missing. Exits 1 when one fails that is not named in
# tests/unit/net/drill/differs.txt.
#
# google/packetdrill has many below gtests/net/tcp. They are not part of this tree,
# which has others of its own.
cd "$(dirname "$0")/.." || exit 2
program="${BUILD:-build}/asan/unit/net/test_drill"
known=tests/unit/net/drill/differs.txt
[ -d "$1" ] || {
    echo "packetdrill: give a directory of scripts: PACKETDRILL_DIR=..." >&2
    exit 2
}
status=0
passed=0
differs=0
unsupported=0
while read -r script; do
    name="${script#"$1"/}"
    out=$("$program" "$script" 2>&1)
    case $? in
    0)
        if grep -q '^unsupported: ' <<<"$out"; then
            unsupported=$((unsupported + 1))
            echo "unsupported $name: $(sed -n "s|^unsupported: $script: ||p" <<<"$out")"
        else
            passed=$((passed + 1))
            echo "passed      $name"
        fi
        ;;
    *)
        why=$(grep -m1 -oP "(?<=ERROR: $script: ).*" <<<"$out")
        if reason=$(grep -m1 "^$name:" $known); then
            differs=$((differs + 1))
            echo "differs     $reason"
        else
            echo "FAILED      $name: ${why:-$(tail -1 <<<"$out")}"
            status=1
        fi
        ;;
    esac
done < <(find "$1" -name '*.pkt' | sort)
echo "passed $passed, differ as listed in $known $differs, unsupported $unsupported"
exit $status
