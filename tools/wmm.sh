#!/bin/bash
# The weak-memory explorer (docs/wmm.md), two processes at a time.
#   wmm.sh                          litmus tests, scenarios, mutants
#   wmm.sh replay NAME OPTION...    one execution step by step, as a failure says
cd "$(dirname "$0")/.." || exit 1
build="${BUILD:-build}"
export WMM="$build/wmm/wmm"
export OUT="$build/wmm/out"

# Addresses of code to function and file:line: they are return addresses, so the
# instruction is the one before. Of inlined functions the outermost is named.
with_places() {
    local text address place
    text=$(cat)
    for address in $(grep -o ' 0x[0-9a-f]*' <<<"$text" | sort -u); do
        place=$(addr2line -fsie "$WMM" "$(printf '%#x' $((address - 1)))" |
            tail -2 | sed 's/ (discriminator.*//' | paste -sd' ')
        [[ "$place" == *'?'* ]] || text=$(sed "s| $address\b| $place|g" <<<"$text")
    done
    printf '%s\n' "$text"
}

scenario() { # NAME
    timeout 600 "$WMM" run "$1" "sites=$OUT/$1.sites" >"$OUT/$1.log" 2>&1 ||
        grep -q '^FAIL' "$OUT/$1.log" || echo "FAIL $1: exit status $?" >>"$OUT/$1.log"
    with_places <"$OUT/$1.log"
}

# A scenario that does not come by the site goes as it went without the mutant.
mutant() { # SITE:WITHOUT
    local what result site only
    what=$(sed -n "s/^$1 //p" "$OUT/mutants")
    only=$(grep -lx "${1%:*} used" "$OUT"/*.sites | sed 's|.*/||; s|\.sites$||' | paste -sd,)
    result=$(timeout 600 "$WMM" caught "mutant=$1" "only=$only" 2>&1)
    site=$(with_places <<<" ${1%:*}")
    case "$result" in
    *' caught '*)
        read -r _ _ name executions _ <<<"$result"
        printf 'ok   mutant%-44s %-22s caught by %s, execution %s\n' \
            "$site" "$what" "$name" "$executions"
        ;;
    *) printf 'FAIL mutant%-44s %-22s SURVIVED (mutant=%s)\n' "$site" "$what" "$1" ;;
    esac
}

# Every atomic operation and fence in the kernel's code was done by a scenario.
all_sites_used() {
    objdump -d --no-show-raw-insn -j kernel_text "$WMM" | awk '
        after { sub(/^ */, ""); sub(/:.*/, ""); print "0x" $0; after = 0 }
        /call.*<(__tsan_atomic|wmm_fence)/ { after = 1 }' | sort -u >"$OUT/sites"
    sed -n 's/ used$//p' "$OUT"/*.sites | sort -u | comm -23 "$OUT/sites" - >"$OUT/unused"
    if [ -s "$OUT/sites" ] && ! [ -s "$OUT/unused" ]; then
        echo "ok   sites: all $(wc -l <"$OUT/sites") atomic operations and fences were done"
    else
        echo "FAIL sites: never done: $(sed 's/^/ /' "$OUT/unused" | with_places | paste -sd,)"
    fi
}
export -f with_places scenario mutant

if [ "$1" = replay ]; then
    shift
    "$WMM" run "$@" 2>&1 | with_places
    exit "${PIPESTATUS[0]}"
fi

rm -rf "$OUT"
mkdir -p "$OUT"
{
    "$WMM" litmus
    "$WMM" list | xargs -P 2 -I{} bash -c 'scenario {}'
    all_sites_used
    grep -hv ' used$' "$OUT"/*.sites | sort -u >"$OUT/mutants"
    cut -d' ' -f1 "$OUT/mutants" | xargs -P 2 -I{} bash -c 'mutant {}'
} | tee "$OUT/all"
caught=$(grep -c '^ok   mutant' "$OUT/all")
mutants=$(wc -l <"$OUT/mutants")
passed=$(grep -c '^ok ' "$OUT/all")
failed=$(grep -c '^FAIL ' "$OUT/all")
echo "mutation score: $caught of $mutants ($((mutants ? caught * 100 / mutants : 0)) %)"
echo "wmm: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$mutants" -gt 0 ] && [ "$caught" -eq "$mutants" ]
