/*
 * How the slots work.
 *
 * For each ordered pair (source, destination) there is one slot: a word that
 * points to a list, or is 0. The source collects items in a private list; its
 * scheduler pass publishes the whole list when the slot is empty (emigrate).
 * The destination takes the list and empties the slot (immigrate). Empty or
 * full tells whose it is: an empty slot is written by the source alone, a full
 * one by the destination alone. So plain loads and stores do:
 *
 *   source                              destination
 *   fill the items                      list = load-acquire(slot)
 *   wait for load(slot) == 0            store(slot, 0)
 *   store-release(slot, list)           run the items
 *
 * Emptying needs no order: the source learns from an empty slot only that it
 * may write the slot again, which coherence of that one word gives.
 *
 * What a pass looks at. The slots of eight sources share a cache line. With up
 * to four CPUs a pass reads four words of that line and has seen everything:
 * the slots are their own doorbells. With more, it reads instead four flags,
 * one for 64 sources each, which a source sets after it has filled its slot. So
 * an idle pass reads four words of one line, with 4 CPUs or with 256.
 *
 * A flag has many writers: the destination clears it and then looks at the
 * slots, a source fills its slot and then sets it. Between the two steps both
 * have a fence. If the source's fence comes first, the destination sees the
 * slot; if the destination's comes first, the source sets the flag after it was
 * cleared, and it stays.
 *
 * Sleep. A CPU announces that it sleeps, fences, looks at all its slots, and
 * only then sleeps. A source fills the slot, fences, and then looks whether the
 * destination sleeps; if so it sends an interrupt. Whichever fence is first,
 * one of the two sees the other's store. A CPU with items that found their
 * slots full sleeps too: it says that it is blocked, and after its fence looks
 * whether one of these slots has become empty. The destination empties the
 * slot, fences, and then looks whether the source is blocked.
 *
 * Items in no hurry are published when a CPU goes to sleep, and wake nobody.
 *
 * Where the machine can watch memory (hal_cpu_watch()), the sleeper is woken by
 * the store to its slot or flag, and the source sends no interrupt.
 *
 * The source's fence of all this is one: a pass takes all lists, publishes all
 * lists, fences once if it did either, and then sets flags and looks at the
 * sleepers among those it took from or gave to.
 */
#include "kernel/exchange.h"
#include "hal/hal.h"
#include "kernel/heap.h"
#include "kernel/lib/check.h"
#include "kernel/mem.h"
#include "kernel/percpu.h"
#include <stdatomic.h>

enum {
    LINE_WORDS = EXCHANGE_LINE_WORDS,
    FLAG_COUNT = EXCHANGE_WATCH_WORDS,
    FLAG_CPUS = HAL_CPU_MAX / FLAG_COUNT, /* sources of a flag */
    FLAG_LINES = FLAG_CPUS / LINE_WORDS,  /* lines of their slots */
    SET_WORDS = HAL_CPU_MAX / 64,
};

/* What a CPU says about its sleep; bits. */
enum {
    SLEEP_NONE = 0,
    SLEEP_ANNOUNCED = 1,
    SLEEP_BLOCKED = 2,  /* wants to know when a slot of its becomes empty */
    SLEEP_WATCHING = 4, /* a store to what it watches wakes it by itself */
};

/* A set of CPUs. */
struct cpu_set {
    uint64_t bits[SET_WORDS];
};

/* One direction of a pair, at the source. */
struct outgoing {
    _Atomic uintptr_t *slot;   /* constant: the destination's for us */
    struct exchange_cpu *peer; /* constant: the destination */
    struct queue queue;
    uint64_t batches;
    uint64_t blocked;
    bool untold; /* the last list was left for the receiver to find */
};

/* The other, at the destination. */
struct incoming {
    uint64_t received;
    uint64_t taken;
};

/* What CPU n receives by, and sends from; in memory of CPU n. */
struct exchange_cpu {
    /* constant: */
    struct exchange_line *slots; /* one word a source: see above */
    bool has_flags;
    struct outgoing *outgoing; /* one a destination; owner only */
    struct incoming *incoming; /* one a source; owner only */

    /* owner only; cpu->exchange_busy: there is news, or something urgent */
    struct cpu_set pending; /* destinations with items waiting */
    struct cpu_set given;   /* destinations to look at after the fence */
    struct cpu_set taken;   /* sources to look at after the fence */
    bool news;              /* one of these two is not empty */
    bool urgent;            /* what is pending is to leave with the next pass */
    bool lazy;              /* or, if this is set instead, before a sleep */

    /* written by every source, cleared by the owner */
    struct exchange_line flags;
    /* written by the owner, read by all */
    _Atomic uint8_t sleeping cache_aligned;
};

/* Constant after exchange_init(). */
static unsigned cpu_total;
static unsigned set_words;

static void set_add(struct cpu_set *set, unsigned cpu)
{
    set->bits[cpu / 64] |= UINT64_C(1) << cpu % 64;
}

static void set_remove(struct cpu_set *set, unsigned cpu)
{
    set->bits[cpu / 64] &= ~(UINT64_C(1) << cpu % 64);
}

/* The body may change the set; what was in a word when it began counts. */
#define set_for_each(cpu, set)                                               \
    for (unsigned cpu, cpu##_word = 0; cpu##_word < set_words; cpu##_word++) \
        for (uint64_t cpu##_bits = (set)->bits[cpu##_word];                  \
             cpu##_bits != 0 &&                                              \
             (cpu = cpu##_word * 64 + (unsigned)__builtin_ctzll(cpu##_bits), \
             true);                                                          \
             cpu##_bits &= cpu##_bits - 1)

static bool set_empty(const struct cpu_set *set)
{
    uint64_t any = 0;

    for (unsigned i = 0; i < set_words; i++)
        any |= set->bits[i];
    return any == 0;
}

static void set_clear(struct cpu_set *set)
{
    for (unsigned i = 0; i < set_words; i++)
        set->bits[i] = 0;
}

/* ---- At boot ------------------------------------------------------------- */

static size_t lines_for(unsigned cpu_count)
{
    return (cpu_count + LINE_WORDS - 1) / LINE_WORDS;
}

static struct exchange_cpu *exchange_create(unsigned cpu, unsigned cpu_count)
{
    size_t fixed = sizeof(struct exchange_cpu);
    size_t slots = lines_for(cpu_count) * sizeof(struct exchange_line);
    size_t outgoing = cpu_count * sizeof(struct outgoing);
    size_t incoming = cpu_count * sizeof(struct incoming);
    size_t size = fixed + slots + outgoing + incoming;
    size_t pages = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;
    char *base = page_alloc(mem_pages_of(cpu), pages, 0);
    struct exchange_cpu *exchange = (struct exchange_cpu *)(void *)base;

    if (base == NULL)
        return NULL;
    for (size_t i = 0; i < pages * PAGE_SIZE / sizeof(uint64_t); i++)
        ((uint64_t *)(void *)base)[i] = 0;
    exchange->slots = (struct exchange_line *)(void *)(base + fixed);
    exchange->outgoing = (struct outgoing *)(void *)(base + fixed + slots);
    exchange->incoming =
        (struct incoming *)(void *)(base + fixed + slots + outgoing);
    exchange->has_flags = cpu_count > EXCHANGE_WATCH_WORDS;
    cpu_of(cpu)->exchange_watch =
        exchange->has_flags ? &exchange->flags : exchange->slots;
    return exchange;
}

static _Atomic uintptr_t *slot_of(struct exchange_cpu *to, unsigned from)
{
    return &to->slots[from / LINE_WORDS].word[from % LINE_WORDS];
}

static void peers_connect(unsigned self, unsigned cpu_count)
{
    struct outgoing *outgoing = cpu_of(self)->exchange->outgoing;

    for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
        outgoing[cpu].peer = cpu_of(cpu)->exchange;
        outgoing[cpu].slot = slot_of(outgoing[cpu].peer, self);
    }
}

int exchange_init(unsigned cpu_count)
{
    cpu_total = cpu_count;
    set_words = (cpu_count + 63) / 64;
    for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
        cpu_of(cpu)->exchange = exchange_create(cpu, cpu_count);
        if (cpu_of(cpu)->exchange == NULL)
            return -ENOMEM;
    }
    for (unsigned cpu = 0; cpu < cpu_count; cpu++)
        peers_connect(cpu, cpu_count);
    return 0;
}

/* ---- Slots --------------------------------------------------------------- */

/* Whether all slots of a line are empty, for now. */
static bool line_quiet(struct exchange_line *line)
{
    uintptr_t any = 0;

    for (unsigned i = 0; i < LINE_WORDS; i++)
        any |= atomic_load_explicit(&line->word[i], memory_order_relaxed);
    return any == 0;
}

/* ---- Sending ------------------------------------------------------------- */

/*
 * An item that is not the first of its list costs two stores, since stores wait
 * in line behind those that miss the cache, as those to the items do. The list
 * gets its end when it is published: publish().
 */
static inline void collect(struct cpu *self, unsigned cpu,
                           struct exchange_item *item)
{
    struct exchange_cpu *mine = self->exchange;
    struct queue *queue = &mine->outgoing[cpu].queue;

    assert(cpu < cpu_total && cpu != self->id);
    if (likely(!queue_empty(queue))) {
        queue->tail->next = &item->node;
        queue->tail = &item->node;
        return;
    }
    queue->head = &item->node;
    queue->tail = &item->node;
    set_add(&mine->pending, cpu);
}

void exchange_send(unsigned cpu, struct exchange_item *item)
{
    struct cpu *self = cpu_self();

    collect(self, cpu, item);
    if (unlikely(!self->exchange->urgent))
        exchange_hurry();
}

void exchange_send_lazily(unsigned cpu, struct exchange_item *item)
{
    struct cpu *self = cpu_self();

    collect(self, cpu, item);
    self->exchange->lazy = true;
}

void exchange_hurry(void)
{
    struct cpu *self = cpu_self();

    self->exchange->urgent = true;
    self->exchange_busy = true;
    self->attention = true;
}

uint64_t exchange_batch(unsigned cpu)
{
    return cpu_self()->exchange->outgoing[cpu].batches;
}

/*
 * Fill the slots of those destinations that have emptied theirs; `quietly`: to
 * be found, not told of. Who was not told of the list that fills its slot, and
 * may sleep over it, is told when another one has to wait behind it.
 */
static void publish(struct exchange_cpu *mine, bool quietly)
{
    set_for_each(cpu, &mine->pending)
    {
        struct outgoing *outgoing = &mine->outgoing[cpu];
        _Atomic uintptr_t *slot = outgoing->slot;

        if (atomic_load_explicit(slot, memory_order_relaxed) != 0) {
            outgoing->blocked++;
            if (outgoing->untold && !quietly) {
                outgoing->untold = false;
                set_add(&mine->given, cpu);
                mine->news = true;
            }
            continue;
        }
        outgoing->queue.tail->next = NULL;
        /* pairs with the acquire in take(): the items' contents go along */
        atomic_store_explicit(slot, (uintptr_t)outgoing->queue.head,
                              memory_order_release);
        queue_init(&outgoing->queue);
        outgoing->batches++;
        outgoing->untold = quietly;
        set_remove(&mine->pending, cpu);
        set_add(&mine->given, cpu);
        mine->news = true;
    }
}

/* After the fence: flags, and interrupts for those who sleep. */
static void tell(struct exchange_cpu *mine, unsigned self, bool quietly)
{
    set_for_each(cpu, &mine->given)
    {
        struct exchange_cpu *theirs = mine->outgoing[cpu].peer;
        uint8_t sleeping;

        if (theirs->has_flags)
            atomic_store_explicit(&theirs->flags.word[self / FLAG_CPUS], 1,
                                  memory_order_relaxed);
        sleeping =
            atomic_load_explicit(&theirs->sleeping, memory_order_relaxed);
        if (!quietly && sleeping != SLEEP_NONE &&
            (sleeping & SLEEP_WATCHING) == 0)
            hal_ipi_send(cpu);
    }
    set_for_each(cpu, &mine->taken)
    {
        struct exchange_cpu *theirs = mine->outgoing[cpu].peer;

        if ((atomic_load_explicit(&theirs->sleeping, memory_order_relaxed) &
             SLEEP_BLOCKED) != 0)
            hal_ipi_send(cpu);
    }
    set_clear(&mine->given);
    set_clear(&mine->taken);
}

static void emigrate(struct exchange_cpu *mine, unsigned self, bool quietly)
{
    bool left;

    /* News of what was taken is no reason to wake others for lazies. */
    if (mine->urgent || quietly) {
        publish(mine, quietly);
        left = !set_empty(&mine->pending);
        mine->urgent = !quietly && left;
        mine->lazy = quietly && left;
    }
    if (!mine->news)
        return;
    mine->news = false;
    hal_fence(); /* slot | flag, and slot | sleeping: see above */
    tell(mine, self, quietly);
}

bool exchange_emigrate(void)
{
    struct cpu *self = cpu_self();
    struct exchange_cpu *mine = self->exchange;

    if (likely(!self->exchange_busy))
        return false;
    emigrate(mine, self->id, false);
    self->exchange_busy = mine->urgent;
    return mine->urgent;
}

/* ---- Receiving ----------------------------------------------------------- */

/* Take the list of one source, whose slot is full, and run its items. */
static noinline void take(struct cpu *self, unsigned source)
{
    struct exchange_cpu *mine = self->exchange;
    _Atomic uintptr_t *slot = slot_of(mine, source);
    struct incoming *incoming = &mine->incoming[source];
    uint64_t count = 0;
    /* pairs with the release in publish() */
    struct queue_node *node =
        (struct queue_node *)atomic_load_explicit(slot, memory_order_acquire);

    atomic_store_explicit(slot, 0, memory_order_relaxed);
    incoming->taken++;
    set_add(&mine->taken, source);
    mine->news = true;
    self->exchange_busy = true;
    while (node != NULL) {
        struct exchange_item *item =
            container_of(node, struct exchange_item, node);

        node = node->next; /* run() may free or send the item */
        __builtin_prefetch(node);
        count++;
        item->run(item);
    }
    incoming->received += count;
}

static void take_lines(struct cpu *self, unsigned first, unsigned end)
{
    unsigned last = end * LINE_WORDS < cpu_total ? end * LINE_WORDS : cpu_total;

    for (unsigned source = first * LINE_WORDS; source < last; source++) {
        if (atomic_load_explicit(slot_of(self->exchange, source),
                                 memory_order_relaxed) != 0)
            take(self, source);
    }
}

/* Clear the flags that are set, then look at the slots they stand for. */
static void take_flagged(struct cpu *self)
{
    struct exchange_cpu *mine = self->exchange;
    unsigned set = 0;

    for (unsigned i = 0; i < FLAG_COUNT; i++) {
        _Atomic uintptr_t *flag = &mine->flags.word[i];

        if (atomic_load_explicit(flag, memory_order_relaxed) == 0)
            continue;
        atomic_store_explicit(flag, 0, memory_order_relaxed);
        set |= 1U << i;
    }
    hal_fence(); /* flag | slot: see above */
    for (; set != 0; set &= set - 1) {
        unsigned first = (unsigned)__builtin_ctz(set) * FLAG_LINES;

        take_lines(self, first, first + FLAG_LINES);
    }
}

bool exchange_immigrate(void)
{
    struct cpu *self = cpu_self();

    if (likely(exchange_look(self->exchange_watch) == 0))
        return false;
    if (self->exchange->has_flags)
        take_flagged(self);
    else
        take_lines(self, 0, 1);
    return true;
}

/* ---- Sleeping ------------------------------------------------------------ */

/* Whether a slot that was full, with items of ours waiting, is empty now. */
static bool may_publish(struct exchange_cpu *mine)
{
    set_for_each(cpu, &mine->pending)
    {
        if (atomic_load_explicit(mine->outgoing[cpu].slot,
                                 memory_order_relaxed) == 0)
            return true;
    }
    return false;
}

bool exchange_may_sleep(void)
{
    struct cpu *self = cpu_self();
    struct exchange_cpu *mine = self->exchange;
    uint8_t announced = SLEEP_ANNOUNCED;

    if (mine->lazy && !mine->urgent) /* now is the time */
        emigrate(mine, self->id, true);
    if (self->exchange_busy)
        announced |= SLEEP_BLOCKED;
    /* Before the look at the slots: from here on a store to them is seen. */
    if (hal_cpu_watch(self->exchange_watch))
        announced |= SLEEP_WATCHING;
    atomic_store_explicit(&mine->sleeping, announced, memory_order_relaxed);
    hal_fence(); /* sleeping | slot: see above */
    /* A flag may be set though its slot is taken: then setting it again would
     * change nothing, and who watches for a change would see none. */
    if (exchange_look(self->exchange_watch) != 0)
        return false;
    for (unsigned line = 0; line < lines_for(cpu_total); line++) {
        if (!line_quiet(&mine->slots[line]))
            return false;
    }
    return !self->exchange_busy || !may_publish(mine);
}

void exchange_wake(void)
{
    atomic_store_explicit(&cpu_self()->exchange->sleeping, SLEEP_NONE,
                          memory_order_relaxed);
}

/* ---- Counters ------------------------------------------------------------ */

void exchange_get_counters(unsigned cpu, struct exchange_counters *out)
{
    struct exchange_cpu *mine = cpu_self()->exchange;

    assert(cpu < cpu_total);
    *out = (struct exchange_counters){
        .batches = mine->outgoing[cpu].batches,
        .blocked = mine->outgoing[cpu].blocked,
        .received = mine->incoming[cpu].received,
        .taken = mine->incoming[cpu].taken,
    };
}
