/*
 * How the slots work.
 *
 * For each ordered pair (source, destination) there is one slot: a pointer to a
 * list. The source collects items in a private list; its scheduler pass
 * publishes the whole list when the slot is empty (emigrate). The destination
 * takes the list and empties the slot (immigrate). Empty or full tells whose it
 * is: an empty slot is written by the source alone, a full one by the
 * destination alone. So plain loads and stores do, with release and acquire:
 *
 *   source                              destination
 *   fill the items                      list = load-acquire(slot)
 *   wait for load-acquire(slot)==NULL   ...
 *   store-release(slot, list)           store-release(slot, NULL)
 *
 * Doorbells. So that a pass need not look at every slot, the source also sets
 * its byte in the destination's line of bells (one line for 64 sources) and
 * then the destination's summary byte, which is all an idle pass reads. The
 * destination clears the summary, then looks at the bells, clears those it
 * finds and takes the slots. A set summary could be lost between "clear
 * summary" and "look at the bells": the destination's fence stands between
 * these two, the source's fence stands between "set bell" and "set summary". If
 * the source's fence comes first, the destination sees the bell; if the
 * destination's comes first, the source's summary store comes after the
 * clearing one, and stays.
 *
 * Sleep. The destination announces sleep, fences, looks at all bells, and only
 * then sleeps. The source sets the bell, fences (the same fence), and then
 * looks whether the destination sleeps; if so it sends an interrupt. Whichever
 * fence is first, one of the two sees the other's store: either the destination
 * finds the bell and stays awake, or the source finds it asleep and rings. It
 * looks at the bells and not at the summary, because the source stores the
 * summary after its fence.
 *
 * These two store-load races are why hal_fence() exists; nothing else in the
 * kernel needs it.
 */
#include "kernel/exchange.h"
#include "hal/hal.h"
#include "kernel/heap.h"
#include "kernel/lib/check.h"
#include "kernel/mem.h"
#include "kernel/percpu.h"
#include <stdatomic.h>

enum { BELL_LINE = 64 };

struct slot {
    _Atomic(struct queue_node *) list; /* see above */
} cache_aligned;

/* What CPU n receives by, and sends from; in memory of CPU n. */
struct exchange_cpu {
    /* written by every source (its own byte), cleared by the owner */
    _Atomic uint8_t bells[HAL_CPU_MAX] cache_aligned;
    /* written by sources, cleared by the owner */
    _Atomic uint8_t summary cache_aligned;
    /* written by the owner, read by sources */
    _Atomic uint8_t sleeping cache_aligned;

    /* owner only: */
    struct queue *outgoing cache_aligned; /* one a destination */
    uint64_t pending[HAL_CPU_MAX / 64];   /* destinations with something */
    bool any_pending;

    struct slot *slots; /* one a source; each as described above */
};

/* Constant after exchange_init(). */
static unsigned cpu_total;

static size_t pages_for(size_t size)
{
    return (size + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

static struct exchange_cpu *exchange_create(unsigned cpu, unsigned cpu_count)
{
    size_t fixed = sizeof(struct exchange_cpu);
    size_t slots = cpu_count * sizeof(struct slot);
    size_t queues = cpu_count * sizeof(struct queue);
    size_t pages = pages_for(fixed + slots + queues);
    char *base = page_alloc(mem_pages_of(cpu), pages, 0);
    struct exchange_cpu *exchange = (struct exchange_cpu *)(void *)base;

    if (base == NULL)
        return NULL;
    for (size_t i = 0; i < pages * PAGE_SIZE / sizeof(uint64_t); i++)
        ((uint64_t *)(void *)base)[i] = 0;
    exchange->slots = (struct slot *)(void *)(base + fixed);
    exchange->outgoing = (struct queue *)(void *)(base + fixed + slots);
    return exchange;
}

int exchange_init(unsigned cpu_count)
{
    cpu_total = cpu_count;
    for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
        cpu_of(cpu)->exchange = exchange_create(cpu, cpu_count);
        if (cpu_of(cpu)->exchange == NULL)
            return -ENOMEM;
    }
    return 0;
}

void exchange_send(unsigned cpu, struct exchange_item *item)
{
    struct cpu *self = cpu_self();
    struct exchange_cpu *mine = self->exchange;

    assert(cpu < cpu_total && cpu != self->id);
    queue_push(&mine->outgoing[cpu], &item->node);
    mine->pending[cpu / 64] |= UINT64_C(1) << cpu % 64;
    mine->any_pending = true;
}

/* Publish to one destination; false when its slot is still full. */
static bool publish(struct exchange_cpu *mine, unsigned self, unsigned cpu)
{
    struct exchange_cpu *theirs = cpu_of(cpu)->exchange;
    struct slot *slot = &theirs->slots[self];

    /* pairs with the release in take(): the old list is out of our sight */
    if (atomic_load_explicit(&slot->list, memory_order_acquire) != NULL)
        return false;
    /* pairs with the acquire in take(): the items' contents go along */
    atomic_store_explicit(&slot->list, mine->outgoing[cpu].head,
                          memory_order_release);
    queue_init(&mine->outgoing[cpu]);
    /* pairs with the acquire in take_rung() */
    atomic_store_explicit(&theirs->bells[self], 1, memory_order_release);
    hal_fence(); /* bell | summary, and bell | sleeping: see above */
    atomic_store_explicit(&theirs->summary, 1, memory_order_relaxed);
    if (atomic_load_explicit(&theirs->sleeping, memory_order_relaxed) != 0)
        hal_ipi_send(cpu);
    return true;
}

bool exchange_emigrate(void)
{
    struct cpu *self = cpu_self();
    struct exchange_cpu *mine = self->exchange;
    bool left = false;

    if (likely(!mine->any_pending))
        return false;
    for (unsigned i = 0; i * 64 < cpu_total; i++) {
        for (uint64_t bits = mine->pending[i]; bits != 0; bits &= bits - 1) {
            unsigned bit = (unsigned)__builtin_ctzll(bits);

            if (publish(mine, self->id, i * 64 + bit))
                mine->pending[i] &= ~(UINT64_C(1) << bit);
            else
                left = true;
        }
    }
    mine->any_pending = left;
    return left;
}

/* Take the list of one source and run its items. */
static void take(struct slot *slot)
{
    /* pairs with the release in publish() */
    struct queue_node *node =
        atomic_load_explicit(&slot->list, memory_order_acquire);

    if (node == NULL)
        return;
    /* pairs with the acquire in publish(); nothing of the list is read through
     * the slot afterwards */
    atomic_store_explicit(&slot->list, NULL, memory_order_release);
    while (node != NULL) {
        struct exchange_item *item =
            container_of(node, struct exchange_item, node);

        node = node->next; /* run() may free or send the item */
        item->run(item);
    }
}

/* Whether any of eight bells rings; a cheap look, order comes later. */
static bool eight_ring(struct exchange_cpu *mine, unsigned first)
{
    for (unsigned i = first; i < first + 8; i++) {
        if (atomic_load_explicit(&mine->bells[i], memory_order_relaxed) != 0)
            return true;
    }
    return false;
}

static void take_rung(struct exchange_cpu *mine, unsigned source)
{
    /* pairs with the release in publish(): the slot is seen full */
    if (atomic_load_explicit(&mine->bells[source], memory_order_acquire) == 0)
        return;
    /* Before the slot is emptied, so that the next list's bell comes after. */
    atomic_store_explicit(&mine->bells[source], 0, memory_order_relaxed);
    take(&mine->slots[source]);
}

bool exchange_immigrate(void)
{
    struct exchange_cpu *mine = cpu_self()->exchange;

    if (likely(atomic_load_explicit(&mine->summary, memory_order_relaxed) == 0))
        return false;
    atomic_store_explicit(&mine->summary, 0, memory_order_relaxed);
    hal_fence(); /* summary | bells: see above */
    for (unsigned i = 0; i < cpu_total; i += 8) {
        if (!eight_ring(mine, i))
            continue;
        for (unsigned source = i; source < i + 8 && source < cpu_total;
             source++)
            take_rung(mine, source);
    }
    return true;
}

bool exchange_may_sleep(void)
{
    struct exchange_cpu *mine = cpu_self()->exchange;

    if (mine->any_pending)
        return false;
    atomic_store_explicit(&mine->sleeping, 1, memory_order_relaxed);
    hal_fence(); /* sleeping | bells: see above */
    for (unsigned i = 0; i < cpu_total; i += 8) {
        if (eight_ring(mine, i))
            return false;
    }
    return true;
}

void exchange_wake(void)
{
    atomic_store_explicit(&cpu_self()->exchange->sleeping, 0,
                          memory_order_relaxed);
}
