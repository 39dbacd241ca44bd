/*
 * Exchange slots: the one place where two CPUs touch the same memory.
 *
 * An item is any object with a struct exchange_item in it. The sender gives it
 * up with exchange_send(); the receiver's scheduler pass calls item->run(item)
 * on the target CPU under the rules of irq work. Items of one sender to one
 * receiver arrive in order.
 *
 * exchange.c tells how it works and why no LOCK is needed.
 */
#ifndef TORC_KERNEL_EXCHANGE_H
#define TORC_KERNEL_EXCHANGE_H

#include "kernel/lib/list.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>

struct exchange_item {
    struct queue_node node; /* the sender's, then the receiver's */
    void (*run)(struct exchange_item *item);
};

enum { EXCHANGE_LINE_WORDS = 8, EXCHANGE_WATCH_WORDS = 4 };

/* Slots of eight sources, or flags: exchange.c tells who writes them when. */
struct exchange_line {
    _Atomic uintptr_t word[EXCHANGE_LINE_WORDS];
} cache_aligned;

/*
 * 0 when the words a pass looks at are all 0: a cheap look; order comes later.
 */
static inline uintptr_t exchange_look(struct exchange_line *line)
{
    uintptr_t any = 0;

#pragma GCC unroll 4
    for (unsigned i = 0; i < EXCHANGE_WATCH_WORDS; i++)
        any |= atomic_load_explicit(&line->word[i], memory_order_relaxed);
    return any;
}

/* Make the slots of `cpu_count` CPUs. CPU 0, at boot. Returns 0, -ENOMEM. */
must_check int exchange_init(unsigned cpu_count);

/*
 * Send `item` to `cpu` (not this one). It leaves with the sender's next
 * scheduler pass. Context: thread or irq work.
 */
void exchange_send(unsigned cpu, struct exchange_item *item);

/*
 * As exchange_send(), in no hurry: the item leaves with the next one sent to
 * anybody, or when this CPU has nothing else to do; then it does not wake the
 * receiver, which finds it when it wakes for something else.
 */
void exchange_send_lazily(unsigned cpu, struct exchange_item *item);

/* Let what was sent lazily leave with the next pass. */
void exchange_hurry(void);

/*
 * The number of the list an item sent to `cpu` now would leave with. As long as
 * it stays the same, an item sent before is still this CPU's to change.
 */
uint64_t exchange_batch(unsigned cpu);

/*
 * The two halves of a pass, in this order. exchange_immigrate() takes and runs
 * what has come for this CPU; returns whether anything had.
 * exchange_emigrate() publishes what waits in this CPU's outgoing lists, as far
 * as the slots are empty, and wakes the CPUs that sleep over it; returns
 * whether something had to stay. The scheduler's.
 */
bool exchange_immigrate(void);
bool exchange_emigrate(void);

/*
 * Announce that this CPU is about to sleep, then look once more. Interrupts
 * are off. Returns false when there is something to do: do not sleep. After the
 * sleep, or a false, call exchange_wake(). The scheduler's.
 */
bool exchange_may_sleep(void);
void exchange_wake(void);

/* What went through this CPU's slots to and from one other CPU. */
struct exchange_counters {
    uint64_t batches;  /* lists published */
    uint64_t blocked;  /* passes that found the slot full */
    uint64_t received; /* items run here */
    uint64_t taken;    /* lists taken here */
};

/* This CPU's own counters of its slots with `cpu`. */
void exchange_get_counters(unsigned cpu, struct exchange_counters *out);

#endif
