/*
 * The short ways of the exchange slots, inline: an item sent costs a dozen
 * instructions, a pass that can do nothing costs twenty. The long ways are in
 * exchange.c.
 */
#ifndef TORC_KERNEL_EXCHANGE_INLINE_H
#define TORC_KERNEL_EXCHANGE_INLINE_H

#include "kernel/exchange.h"
#include "kernel/lib/check.h"
#include "kernel/percpu.h"

/*
 * An item that is not the first of its list costs two stores, since stores wait
 * in line behind those that miss the cache, as those to the items do. The list
 * gets its end when it is published.
 */
static inline void exchange_collect(struct exchange *mine, unsigned cpu,
                                    struct exchange_item *item)
{
    struct exchange_link *link = &mine->links[cpu];

    assert(cpu < exchange_cpu_count);
    if (likely(!queue_empty(&link->queue))) {
        link->queue.tail->next = &item->node;
        link->queue.tail = &item->node;
    } else {
        exchange_begin(mine, link, item);
    }
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
        exchange_hurry();
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
