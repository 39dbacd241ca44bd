#!/bin/bash
# The machine matrix: each machine, number of CPUs, memory and processor either
# serves a file or says in one line what is missing, with a status that is not 0.
#
#   matrix.sh [REGEX]    all rows, or those whose "MACHINE CPUS MIB CPU" matches
#
# Two at a time; a line for each as it ends, then the table. Needs `make metal`.
cd "$(dirname "$0")/../.." || exit 1
build="${BUILD:-build}"
work="$build/matrix"
filter="${1:-.}"
jobs=2
seconds=180 # for one row
cpu_models=(qemu64 Nehalem Skylake-Client EPYC max max,-rdrand max,-pdpe1gb max,-x2apic)
# What serves a file of any size: 8 MiB a CPU, and never less than 16.
smallest() { echo $(($1 * 8 < 16 ? 16 : $1 * 8)); }

rows() {
    local machine cpus mem model
    for machine in microvm pc q35; do
        for cpus in 1 2 8 64 255; do
            for mem in $(smallest $cpus) 6144; do
                for model in "${cpu_models[@]}"; do
                    echo "$machine $cpus $mem $model"
                done
            done
        done
    done | grep -E -- "$filter"
}

# One row: prints "serves N s", "says: ERROR (status N)" or "FAILED: WHY".
try() { # NUMBER MACHINE CPUS MIB CPU
    local log="$work/$1.log" port=$((25000 + $1)) child status start=$SECONDS
    tools/qemu.sh --machine "$2" --cpus "$3" --mem "$4" --forward $port \
        --kernel "$build/metal/webserver.elf" --disk "$work/site.img" \
        -- -cpu "$5" >"$log" 2>&1 </dev/null &
    child=$!
    while kill -0 $child 2>/dev/null; do
        grep -q 'webserver: serving' "$log" && break
        if [ $((SECONDS - start)) -gt $seconds ]; then
            kill $child
            wait $child
            echo "FAILED: nothing in $seconds s"
            return
        fi
        sleep 0.2
    done
    if ! kill -0 $child 2>/dev/null; then
        wait $child
        status=$?
        if [ $status -ne 0 ] && [ "$(grep -c 'error: ' "$log")" -eq 1 ]; then
            echo "says: $(sed -n 's/\r$//; s/.*error: //p' "$log") (status $status)"
        else
            echo "FAILED: it ended with status $status and no error line"
        fi
        return
    fi
    if curl -s --max-time $seconds "http://127.0.0.1:$port/file.bin" |
        cmp -s - "$work/site/file.bin"; then
        echo "serves $((SECONDS - start)) s"
    else
        echo "FAILED: it says that it serves, and the file is not right"
    fi
    kill $child
    wait $child
}

table() {
    awk '
        { row = sprintf("%-8s %4d %5d", $2, $3, $4); cpu = $5
          if (!(row in seen)) { order[++n] = row; seen[row] }
          if (!(cpu in known)) { cpus[++m] = cpu; known[cpu] }
          text = $6; for (i = 7; i <= NF; i++) text = text " " $i
          if (text ~ /^serves/) cell[row, cpu] = "serves"
          else { if (!(text in note)) { note[text] = ++notes; texts[notes] = text }
                 cell[row, cpu] = (text ~ /^says/ ? "says (" : "FAILED (") note[text] ")" } }
        END {
          printf "%-8s %4s %5s", "machine", "CPUs", "MiB"
          for (c = 1; c <= m; c++) printf "  %-14s", cpus[c]
          print ""
          for (r = 1; r <= n; r++) {
              printf "%s", order[r]
              for (c = 1; c <= m; c++) printf "  %-14s", cell[order[r], cpus[c]]
              print ""
          }
          for (i = 1; i <= notes; i++) printf "(%d) %s\n", i, texts[i]
        }' "$1"
}

rm -rf "$work"
mkdir -p "$work/site"
head -c 300000 /dev/urandom >"$work/site/file.bin"
tools/mkimg/mkimg.sh ext2 --dir "$work/site" --out "$work/site.img" || exit 1
rows >"$work/rows"
total=$(wc -l <"$work/rows")
: >"$work/results"

# Worker k of `jobs` takes every jobs-th row.
worker() {
    local number=0 machine cpus mem model answer
    while read -r machine cpus mem model <&3; do
        number=$((number + 1))
        [ $((number % jobs)) -eq "$1" ] || continue
        answer=$(try $number "$machine" "$cpus" "$mem" "$model" 2>/dev/null)
        echo "$number $machine $cpus $mem $model $answer" >>"$work/results"
        echo "$(wc -l <"$work/results")/$total  $machine $cpus $mem $model: $answer"
    done 3<"$work/rows"
}
workers=()
for k in $(seq 0 $((jobs - 1))); do
    worker "$k" &
    workers+=($!)
done
wait "${workers[@]}"
sort -n "$work/results" >"$work/sorted"
table "$work/sorted" | tee "$work/table.txt"
failed=$(grep -c ' FAILED: ' "$work/sorted")
echo "matrix: $((total - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
