#!/bin/bash
# Fuzz one target for some seconds, from the corpus in the tree; what is found new
# stays in build/fuzz/corpus/TARGET.
#   fuzz.sh TARGET SECONDS
cd "$(dirname "$0")/.." || exit 1
build="${BUILD:-build}"
target="$1"
corpus="$build/fuzz/corpus/$target"
crashes="$build/fuzz/crashes/$target/"
mkdir -p "$corpus" "$crashes"
[ -d "tests/fuzz/corpus/$target" ] && cp -n "tests/fuzz/corpus/$target"/* "$corpus" 2>/dev/null
log="$build/fuzz/$target.log"
program="$build/fuzz/fuzz_$target"
"$program" -max_total_time="$2" -timeout=10 -rss_limit_mb=4096 -max_len=65536 \
    -artifact_prefix="$crashes" -print_final_stats=1 "$corpus" 2>&1 |
    tee "$log" | grep --line-buffered -E '^#|^stat::|ERROR|SUMMARY|panic'
status=${PIPESTATUS[0]}
if [ "$status" -ne 0 ]; then
    tail -n 40 "$log"
    echo "found something; reproduce it with:"
    for file in "$crashes"*; do
        echo "    $program $file"
    done
    exit 1
fi
echo "fuzz $target: nothing found in $2 s"
