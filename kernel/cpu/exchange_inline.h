/*
 * The short ways of the exchange slots, inline: an item sent costs a dozen
 * instructions, a pass that can do nothing costs twenty. The long ways are in
 * exchange.c.
 */
#ifndef TORC_KERNEL_EXCHANGE_INLINE_H
#define TORC_KERNEL_EXCHANGE_INLINE_H

#include "kernel/cpu/exchange.h"
#include "kernel/cpu/percpu.h"
#include <torc/assert.h>

/*
 * A list begins with its newest item, so that each item is written only once:
 * when the sender has just filled it, and its cache line is here. exchange.c
 * tells what this saves.
 */
static inline void exchange_collect(struct exchange *mine, unsigned cpu,
                                    struct exchange_item *item)
{
    struct exchange_link *link = &mine->links[cpu];

    assert(cpu < exchange_cpu_count);
    item->node.next = link->newest;
    if (unlikely(link->newest == NULL))
        exchange_begin(mine, link);
    link->newest = &item->node;
}

/*
 * Send `item` to `cpu` (not this one). It leaves with the sender's next
 * scheduler pass. Context: thread or irq work.
 */
static inline void exchange_send(unsigned cpu, struct exchange_item *item)
{
    struct exchange *mine = cpu_self()->exchange;

    exchange_collect(mine, cpu, item);
    if (unlikely(!mine->urgent))
        exchange_flush();
}

/*
 * As exchange_send(), in no hurry: the item leaves with the next one sent to
 * anybody, or when this CPU has nothing else to do; then it does not wake the
 * receiver, which finds it when it wakes for something else.
 */
static inline void exchange_send_lazily(unsigned cpu,
                                        struct exchange_item *item)
{
    struct exchange *mine = cpu_self()->exchange;

    exchange_collect(mine, cpu, item);
    mine->lazy = true;
}

/*
 * What a pass does about the slots: take and run what has come for this CPU,
 * then publish what waits in its lists, as far as the slots are empty, and wake
 * the CPUs that sleep over it. Returns whether something had to stay. The
 * scheduler's.
 */
static inline bool exchange_pass(struct cpu *self)
{
    struct exchange *mine = self->exchange;

    if (likely(exchange_look(mine->watch) == 0)) {
        if (!mine->busy)
            return false;
        if (mine->full != NULL &&
            atomic_load_explicit(mine->full, memory_order_relaxed) != 0)
            return true;
    }
    return exchange_pass_busy(self);
}

#endif
