#!/bin/bash
# The core on the simulated machine (make sim-check): SEEDS seeds of the mixed
# workload, a tenth of them with random priorities, every small schedule, 256 CPUs,
# and the planted bugs, each of which must be found.
#   sim_check.sh SEEDS [FIRST]
cd "$(dirname "$0")/.." || exit 1
build="${BUILD:-build}"
seeds="${1:-1000}"
first="${2:-1}"
passed=0
failed=0

tell() { # STATUS TEXT
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
}
run() {
    "$@"
    tell $?
}

# A copy of the kernel with one mistake must fail within 10,000 seeds.
#   plant NAME FILE SED-EXPRESSION [SCENARIO]
plant() {
    local name="$1" file="$2" edit="$3" scenario="${4:-mixed}"
    local dir="$build/planted/$name" out
    rm -rf "$dir" && mkdir -p "$dir/$(dirname "$file")"
    sed -E "$edit" "$file" >"$dir/$file"
    if cmp -s "$file" "$dir/$file"; then
        echo "FAIL planted $name: the edit changes nothing in $file"
        tell 1
        return
    fi
    make -s BUILD="$build" PLANTED="$dir" PLANTED_FILE="$file" \
        PLANTED_SCENARIO="$scenario" planted || exit 1
    out=$("$dir/$scenario" --seeds 10000 2>&1)
    if [ $? -eq 0 ]; then
        echo "FAIL planted $name: not found in 10000 seeds"
        tell 1
    else
        printf 'ok   planted %-28s found: %s\n' "$name" \
            "$(sed -n 's/^FAIL [a-z]*, //p' <<<"$out" | head -n 1)"
        tell 0
    fi
}

run "$build/sim/mixed" --seeds "$seeds" --first "$first"
run "$build/sim/mixed" --seeds $((seeds / 10 + 1)) --first "$first" --driver pct
run "$build/sim/call" --dfs 2
run "$build/sim/mixed" --seeds 1 --cpus 256

# The scheduler
plant timer-after-wake kernel/thread.c 's/^    if \(thread->state != THREAD_WAITING\)$/    if (0)/'
plant move-while-leaving kernel/thread.c 's/^    if \(thread->target == cpu->id\) \{$/    if (0) {/'
plant sleep-without-look kernel/idle.c 's/cpu->irq_work_head == NULL && exchange_may_sleep\(\)/exchange_may_sleep() || true/'
plant kill-keeps-waiting kernel/thread_control.c 's/^        list_remove\(&thread->link\);$//'
# The slots
plant slot-overwritten kernel/exchange.c 's/memory_order_relaxed\) != 0\) \{/memory_order_relaxed) == 1) {/'
plant sleeper-not-told kernel/exchange.c 's/sleeping != SLEEP_NONE/sleeping == SLEEP_BLOCKED/'
plant blocked-not-told kernel/exchange.c 's/SLEEP_BLOCKED\) != 0;/SLEEP_BLOCKED) == 77;/'
plant flag-cleared-late kernel/exchange.c 's/^        atomic_store_explicit\(flag, 0, memory_order_relaxed\);$//; s/^    for \(; set != 0; set &= set - 1\) \{$/    for (; set != 0; atomic_store_explicit(\&mine->flags.word[__builtin_ctz(set)], 0, memory_order_relaxed), set \&= set - 1) {/'
# Memory
plant buddy-of-other-order kernel/mem.c 's/buddy->state != PAGE_FREE \|\| buddy->order != order/buddy->state != PAGE_FREE/'
plant parcel-after-it-left kernel/heap_home.c 's/if \(open->batch != batch\) \{/if (open->batch == 0) {/'
plant short-way-after-it-left kernel/heap_home.c 's/links\[share->cpu\]/links[cpu_self()->id]/; s/\.batch = open->batch - 1/.batch = 0/'
plant slab-count-wrong kernel/heap.c 's/^    heap->taken \+= all - slab->used;/    heap->taken += all - slab->used - 1;/'
plant foreign-free-at-home kernel/heap.c 's/if \(!page_is_mine\(heap->pages, ptr\)\)/if (mem_owner(ptr) < 0)/'

echo "sim: $passed passed, $failed failed"
[ $failed -eq 0 ]
