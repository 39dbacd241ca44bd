#!/bin/bash
# The core and the drivers on the simulated machine (make sim-check): SEEDS seeds of
# each workload, a tenth of them with random priorities, every small schedule, 256 CPUs,
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

declare -A objects
eval "$(make -s --no-print-directory BUILD="$build" sim-commands)"

# build_planted DIRECTORY FILE SCENARIO: with this file of the directory
build_planted() {
    local object="$1/${2%.c}.o" watched=
    [[ "$points" == *" $2 "* ]] && watched=-fsanitize=thread
    # shellcheck disable=SC2086,SC2154 # lists of words, from make
    $compile $watched -c "$1/$2" -o "$object" &&
        gcc -pthread -Wl,-S -Wl,--start-group "$object" ${objects[$3]} -Wl,--end-group \
            $libraries -o "$1/$3"
}

# A copy of the kernel with one mistake must fail within 10,000 seeds, and by the check
# that is there for it: what the failure says must match. A mistake may show itself in
# several ways: of the first ten seeds that fail one must do.
#   plant NAME SAYS FILE SED-EXPRESSION [SCENARIO]
plant() {
    local name="$1" says="$2" file="$3" edit="$4" scenario="${5:-mixed}"
    local dir="$build/planted/$name" out why next=1 try
    rm -rf "$dir" && mkdir -p "$dir/$(dirname "$file")"
    sed -E "$edit" "$file" >"$dir/$file"
    if cmp -s "$file" "$dir/$file"; then
        echo "FAIL planted $name: the edit changes nothing in $file"
        tell 1
        return
    fi
    build_planted "$dir" "$file" "$scenario" || exit 1
    for try in {1..10}; do
        if out=$("$dir/$scenario" --seeds 10000 --first "$next" 2>&1); then
            echo "FAIL planted $name: not found in 10000 seeds"
            tell 1
            return
        fi
        why=$(sed -n 's/^FAIL [a-z]*, //p' <<<"$out" | head -n 1)
        if grep -qE -- "$says" <<<"$why"; then
            printf 'ok   planted %-24s found: %s\n' "$name" "$why"
            tell 0
            return
        fi
        next=$(($(grep -oE '[0-9]+' <<<"$why" | head -n 1) + 1))
    done
    echo "FAIL planted $name: found, but not by \"$says\": $why"
    tell 1
}

run "$build/sim/mixed" --seeds "$seeds" --first "$first"
run "$build/sim/mixed" --seeds $((seeds / 10 + 1)) --first "$first" --driver pct
run "$build/sim/call" --dfs 2
run "$build/sim/mixed" --seeds 1 --cpus 256
run "$build/sim/chase" --seeds "$seeds" --first "$first"
run "$build/sim/control" --seeds "$seeds" --first "$first"
run "$build/sim/io" --seeds "$seeds" --first "$first"
run "$build/sim/io" --seeds $((seeds / 10 + 1)) --first "$first" --driver pct
run "$build/sim/files" --seeds "$seeds" --first "$first"
run "$build/sim/files" --seeds $((seeds / 10 + 1)) --first "$first" --driver pct
run "$build/sim/names" --seeds $((seeds / 8 + 1)) --first "$first"
run "$build/sim/mixed" --replays 20 --first "$first"
run "$build/sim/io" --replays 10 --first "$first"
run "$build/sim/mixed" --replays 20 --first "$first" --driver pct

# The scheduler
plant timer-after-wake 'thread->state == THREAD_WAITING' kernel/thread/thread.c 's/^    if \(thread->state != THREAD_WAITING\)$/    if (0)/'
plant move-while-leaving 'link->port != mine->port' kernel/thread/thread.c 's/^    if \(thread->target == cpu->id\) \{$/    if (0) {/'
plant sleep-without-look 'a CPU sleeps while an interrupt.s work waits' kernel/thread/idle.c 's/cpu->irq_work_head == NULL && exchange_may_sleep\(\)/exchange_may_sleep() || true/'
plant kill-keeps-waiting 'thread->state == THREAD_WAITING|semaphore_destroy.*never' kernel/thread/thread_control.c 's/^        list_remove\(&thread->link\);$//'
# Errands, guests, mutexes, channels, join
plant errand-answer-unheard 'a livelock' kernel/thread/errand.c 's/^    wait_wake_all\(&errand->sender\);$//' control
plant guest-stays-on-list 'home takes a guest to be elsewhere' kernel/thread/thread.c '/^static .*void finish_departure/,/^}/s/^    list_remove\(&thread->guest\);$//' control
plant mutex-free-while-handed 'wait_queue_empty\(&mutex->waiters\)|a mutex went to who came later' kernel/thread/sync.c 's/^    mutex->holder = next->id;$/    mutex->holder = NOBODY;/' control
plant mutex-not-handed-over 'a wake-up was lost' kernel/thread/sync.c '/^static noinline void hand_over/,/^}/s/^    wait_wake_one\(&mutex->waiters\);$//' control
plant channel-drops-second 'a message has not arrived' kernel/thread/message.c 's/^    if \(channel->count == channel->capacity\)$/    if (channel->count == 1)/' control
plant channel-value-twice 'a message has arrived twice' kernel/thread/message.c 's/^    channel->head = \(channel->head \+ 1\).*$//' control
plant resume-forgets-thread 'a resumed thread does not go on' kernel/thread/thread_control.c '/^static void resume/,/^}/s/^        sched_ready\(thread\);$//' control
plant joiner-not-told 'a livelock' kernel/thread/thread.c '/^static void announce_end/,/^}/s/^        thread_joined\(joiner, exit_value\);$//' control
plant join-value-lost 'has another exit value' kernel/thread/thread_control.c 's/^    control_of\(joiner\)->exit_value = exit_value;$/    control_of(joiner)->exit_value = exit_value + 1;/' control
# The slots
plant slot-overwritten 'a wake-up was lost' kernel/cpu/exchange.c 's/memory_order_relaxed\) != 0\) \{/memory_order_relaxed) == 1) {/'
plant sleeper-not-told 'a wake-up was lost' kernel/cpu/exchange.c 's/sleeping != SLEEP_NONE/sleeping == SLEEP_BLOCKED/'
plant blocked-not-told 'a wake-up was lost' kernel/cpu/exchange.c 's/SLEEP_BLOCKED\) != 0;/SLEEP_BLOCKED) == 77;/'
plant flag-cleared-late 'a livelock' kernel/cpu/exchange.c 's/^        atomic_store_explicit\(flag, 0, memory_order_relaxed\);$//; s/^    for \(; set != 0; set &= set - 1\) \{$/    for (; set != 0; atomic_store_explicit(\&mine->flags.word[__builtin_ctz(set)], 0, memory_order_relaxed), set \&= set - 1) {/'
# Files
plant name-known-for-ever 'entry != NULL|a name came or went|inode->state' kernel/file/vfs_remove.c 's/^        dentry_set\(dir, name, NULL\);$//' files
plant names-read-unlocked 'rwlock_is_held' kernel/file/vfs_lookup.c 's/^    rwlock_(un)?lock_shared\(&dir->lock\);$//' files
plant writer-not-told 'wait_queue_empty|a wake-up was lost|a livelock' kernel/thread/rwlock.c '/^static void give_writer/,/^}/s/^    wait_wake_one\(.*$//' files
plant rename-keeps-old-name 'no order of the calls|damaged directory entry' fs/ext2/write/rw_rename.c 's/^        ext2_entry_remove\(rename->dir1, &op->entry1\);$/        ;/' names
plant clean-before-freed 'the checker finds something' fs/ext2/write/rw_ops.c 's/^    int status = ext2_make_durable\(rw->fs\);$/    int status = 0;/' names
# Memory
plant buddy-of-other-order 'free == pages->free_pages' kernel/memory/page.c 's/buddy->state != PAGE_FREE \|\| buddy->order != order/buddy->state != PAGE_FREE/'
plant parcel-after-it-left 'blocks, were' kernel/heap/heap_home.c 's/if \(open->batch != batch\) \{/if (open->batch == 0) {/'
plant short-way-after-it-left 'blocks, were' kernel/heap/heap_home.c 's/links\[share->cpu\]/links[cpu_self()->id]/; s/\.batch = open->batch - 1/.batch = 0/'
plant slab-count-wrong 'taken == heap->taken' kernel/heap/heap.c 's/^    heap->taken \+= all - slab->used;/    heap->taken += all - slab->used - 1;/'
plant foreign-free-at-home 'is not memory of cpu' kernel/heap/heap.c 's/if \(!page_is_mine\(heap->pages, ptr\)\)/if (mem_owner(ptr) < 0)/'
# Rings, the disks, the virtio card
plant split-index-wrap 'breach of protocol: queue' drivers/virtqueue_split.c 's/^    vq->avail->ring\[vq->avail_next .*\] = head;$/    vq->avail->ring[vq->avail_next % (vq->size + 1U)] = head;/' io
plant packed-wrap-flag 'was forgotten|full ring stays full|same_lap' drivers/virtqueue_packed.c '/^static void used_advance/,/^}/s/^        vq->used_flags \^= .*$//' io
plant packed-lap-of-event 'was not notified' drivers/virtqueue_packed.c 's/^        at = \(uint16_t\)\(at - vq->size\); .*$//' io
plant split-late-interrupt-wish 'was forgotten|never seen by anybody' drivers/virtqueue_split.c 's/^                              want \? vq->used_next$/                              want ? (uint16_t)(vq->used_next + 1)/' io
plant blk-kick-forgotten 'the disk was not notified' drivers/virtio_blk.c 's/^    virtio_kick\(queue->virtio, block->index, &queue->vq\);$//' io
plant blk-interrupt-race 'a request was forgotten' drivers/virtio_blk.c 's/^    \} while \(vq_has_used\(&queue->vq\)\);$/    } while (0);/' io
plant blk-slot-used-early 'flight->request == NULL' drivers/virtio_blk.c 's/^    queue->free = flight->next_free;$//' io
plant blk-completion-lost 'a request was forgotten' drivers/virtio_blk.c 's/^        vq_want_interrupt\(&queue->vq, true\);$//' io
plant blk-short-read-taken 'has contents' drivers/virtio_blk.c 's/^    return written == 1 \+ .*$/    return 0;/' io
plant blk-recall-forgets 'in_flight == 0' drivers/virtio_blk.c 's/^    while \(\(flight = vq_recall/    if ((flight = vq_recall/' io
plant ide-dma-not-started 'was forgotten' drivers/ide_dma.c '/^void ide_dma_go/,/^}/s/COMMAND_START \| //' io
plant ide-interrupt-unheard 'was forgotten' drivers/ide.c 's/^        block_interrupt\(drive->block.queues\[0\]\);$/        ;/' io
plant ide-event-forgotten 'was forgotten' drivers/ide.c 's/^    channel->has_event = true;$//' io
plant ide-bounce-not-copied 'has contents' drivers/ide_dma.c '/^void ide_dma_end/,/^}/s/^        bounce_copy\(channel, first, false\);$/        (void)first;/' io
plant ide-table-without-end 'breach of protocol' drivers/ide_dma.c 's/^    channel->table\[ENTRY_SIZE \* count - 1\] \|= ENTRY_LAST;$//' io
plant ide-carry-lost 'has contents' drivers/ide_command.c '/^static void piece_in/,/^}/s/^        piece->at\[i\] = word\[0\];$//' io
plant net-kick-forgotten 'the card was not notified' drivers/virtio_net_pair.c '/^static void kick_run/,/^}/s/^    virtio_kick\(.*$//' io
plant net-rx-kick-forgotten 'the card was not notified' drivers/virtio_net_rx.c '/^unsigned vnet_poll/,/^}/s/^        virtio_kick\(.*$/        ;/' io
plant net-arm-race 'never seen by anybody' drivers/virtio_net_rx.c '/^bool vnet_arm/,/^}/s/^    return !on .*$/    return true;/' io
plant net-sent-too-early 'no memory a device may reach|changed while|buf->refs > 0' drivers/virtio_net_tx.c 's/^    assert\(status == 0\); .. there is room ..$/    packet_put(packet); (void)status;/' io
plant net-completion-lost 'packets have leaked' drivers/virtio_net_tx.c '/^int vnet_tx_reclaim/,/^}/s/^        packet_put\(cookie\);$/        if (pair->sent % 8 != 7) packet_put(cookie);/' io
plant net-merge-one-short 'another length' drivers/virtio_net_rx.c 's/^    for \(unsigned i = 1; i < num_buffers; i\+\+\) \{$/    for (unsigned i = 1; i + (num_buffers > 3) < num_buffers; i++) {/' io
plant net-header-unread 'segments are not' drivers/virtio_net_rx.c 's/^    offload->segment_len = header->gso_size;$/    offload->segment_len = 1;/' io
plant net-reset-forgets 'packets have leaked|never seen by the card' drivers/virtio_net_pair.c '/^static void recall/,/^}/s/^    while \(pair->tx.memory/    if (pair->tx.memory/' io
plant net-watch-forgets-sent 'never seen by the card' drivers/virtio_net_pair.c '/^static void watch\(/,/^}/s/^    else if \(is_busy\(pair\) && .*$/    else if (0 \&\&/' io
# The other cards
plant e1000-tail-first 'the receive tail passes the head|given with DD set' drivers/e1000.c '/^static unsigned e1000_poll/,/^}/s/^    count = e1000_rx_take\(.*$/    e1000_write(\&e1000->chip, E1000_RDT, e1000->rx.next);&/' io
plant e1000-done-not-looked 'while the device held it|no memory a device may reach|transmit tail passes' drivers/e1000_tx.c 's/^        if \(\(status & E1000_TXD_DD\) == 0\)$/        if (0)/' io
plant e1000-rx-done-not-looked 'the receive tail passes the head' drivers/e1000_rx.c '/^unsigned e1000_rx_take/,/^}/s/^        if \(\(status & E1000_RXD_DD\) == 0\)$/        if (i > 0)/' io
plant e1000-ring-wrap 'breach of protocol' drivers/e1000_tx.c 's/^    return \(index \+ 1\) & \(ring->size - 1\);$/    return (index + 1) % (ring->size - 1);/' io
plant e1000-arm-race 'never seen by anybody' drivers/e1000.c '/^static bool e1000_arm/,/^}/{s/^        if \(e1000_rx_ready\(&e1000->rx\)\)$/        if (0)/;s/^    return !e1000_rx_ready.*$/    return true;/}' io
plant e1000-room-unheard 'a full ring stays full' drivers/e1000.c 's/^    allow\(e1000, e1000_cause_tx.*$//' io
plant e1000-restart-keeps 'packets have leaked' drivers/e1000_tx.c '/^void e1000_tx_restart/,/^}/s/^        remove\(ring\);$/        ring->slot[ring->head].packet = NULL, ring->head = next(ring, ring->slot[ring->head].last);/' io
plant e1000-hang-unseen 'never seen by the card' drivers/e1000.c 's/^    if \(tx_hangs\(e1000\)\)$/    if (0)/' io
plant ne2000-boundary 'never seen by anybody' drivers/ne2000.c 's/page_after\(ne->next, NE_RX_PAGES - 1\)\);$/ne->next);/' io
plant ne2000-dma-done-left 'while RDC of the last one is set' drivers/ne2000_chip.c '/^static int remote_end/,/^}/s/^            ne2000_set\(io, NE_ISR, NE_RDC\);$//' io
plant ne2000-dma-left-running 'remote DMA' drivers/ne2000_chip.c '/^int ne2000_copy_out/,/^}/s/^    return remote_end\(io\);$/    return 0;/' io
plant ne2000-ring-wrap 'there is no such memory' drivers/ne2000.c 's/^    if \(len <= until_end\)$/    if (1)/' io
plant ne2000-cause-after-look 'never seen by anybody' drivers/ne2000.c '/^static unsigned rx_take/,/^}/{s/^    ne2000_set\(ne->io, NE_ISR, NE_PRX \| NE_RXE\);$//;s/^    ne->more = ne->next != current;$/&ne2000_set(ne->io, NE_ISR, NE_PRX | NE_RXE);/}' io
plant ne2000-slot-early 'tx_count < NE_TX_SLOTS' drivers/ne2000.c 's/^    return ne->tx_count < NE_TX_SLOTS;$/    return ne->tx_count <= NE_TX_SLOTS;/' io
plant ne2000-waiter-forgotten 'a full ring stays full' drivers/ne2000.c 's/^    if \(taken < count\)$//;s/^        ne->waits = true;$/    ne->waits = taken < count;/' io
plant ne2000-sent-twice 'sent a frame twice' drivers/ne2000.c '/^static void overflow_end/,/^}/s/^    if \(ne->tx_count > 0 && .*$/    if (0)/' io
plant ne2000-overflow-no-loop 'without loopback' drivers/ne2000.c 's/^    ne2000_set\(ne->io, NE_TCR, NE_TCR_LOOPBACK\);$//' io

echo "sim: $passed passed, $failed failed"
[ $failed -eq 0 ]
