/*
 * How the slots work.
 *
 * For each ordered pair (source, destination) there is one slot: a word that
 * points to a list, or is 0. The source collects items in a private list; its
 * scheduler pass publishes the whole list when the slot is empty (send_lists).
 * The destination takes the list and empties the slot (receive_lists). Empty or
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
 * A list is published newest item first, and the destination turns it around.
 * A list in the other order would need a store to the item before, each time an
 * item is sent: to a cache line that the sender has finished with, and that the
 * destination's prefetcher, which reads ahead of the list it has, may have
 * fetched by then. docs/bench.md has what that costs.
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
 * Items sent lazily are published when a CPU goes to sleep, and wake nobody.
 *
 * Where the machine can watch memory (hal_cpu_watch()), the sleeper is woken by
 * the store to its slot or flag, and the source sends no interrupt.
 *
 * The source's fence of all this is one: a pass takes all lists, publishes all
 * lists, fences once if it did either, and then sets flags and looks at the
 * sleepers among those it took from or gave to.
 *
 * When all a CPU has to send waits for one slot, as it does behind a slow
 * receiver, a pass reads that slot and nothing more: exchange_pass(). So what a
 * pass costs does not keep a source from making its next list longer.
 */
#include "hal/hal.h"
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/percpu.h"
#include "kernel/memory/mem.h"
#include <stdatomic.h>
#include <torc/assert.h>
#include <torc/trace.h>

enum {
    LINE_WORDS = EXCHANGE_LINE_WORDS,
    FLAG_COUNT = EXCHANGE_WATCH_WORDS,
    FLAG_CPUS = HAL_CPU_MAX / FLAG_COUNT, /* sources of a flag */
    FLAG_LINES = FLAG_CPUS / LINE_WORDS,  /* lines of their slots */
};

/* What a CPU says about its sleep; bits. */
enum {
    SLEEP_NONE = 0,
    SLEEP_ANNOUNCED = 1,
    SLEEP_BLOCKED = 2,  /* wants to know when a slot of its becomes empty */
    SLEEP_WATCHING = 4, /* a store to what it watches wakes it by itself */
};

/* What a CPU is notified of after the fence; bits of exchange_link.notify. */
enum { NOTIFY_PUBLISHED = 1, NOTIFY_EMPTIED = 2 };

/* What CPU n is reached by; in memory of CPU n. */
struct exchange_port {
    struct exchange_line *slots; /* constant; one word a source: see above */

    /* written by every source, cleared by the owner */
    struct exchange_line flags;
    /* written by the owner, read by all */
    _Atomic uint8_t sleeping cache_aligned;
};

unsigned exchange_cpu_count;
static bool has_flags; /* constant after exchange_init() */

/* ---- At boot ------------------------------------------------------------- */

static size_t lines_for(unsigned cpu_count)
{
    return (cpu_count + LINE_WORDS - 1) / LINE_WORDS;
}

static __attribute__((cold)) int exchange_create(unsigned cpu)
{
    struct exchange *exchange = cpu_of(cpu)->exchange;
    size_t fixed = sizeof(struct exchange_port);
    size_t slots = lines_for(exchange_cpu_count) * sizeof(struct exchange_line);
    size_t links = exchange_cpu_count * sizeof(struct exchange_link);
    size_t pages = pages_for(fixed + slots + links);
    char *base = page_alloc(mem_pages_of(cpu), pages, 0);

    if (base == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < pages * PAGE_SIZE / sizeof(uint64_t); i++)
        ((uint64_t *)(void *)base)[i] = 0;
    exchange->port = (struct exchange_port *)(void *)base;
    exchange->port->slots = (struct exchange_line *)(void *)(base + fixed);
    exchange->links = (struct exchange_link *)(void *)(base + fixed + slots);
    exchange->watch =
        has_flags ? &exchange->port->flags : exchange->port->slots;
    return 0;
}

static _Atomic uintptr_t *slot_of(struct exchange_port *to, unsigned from)
{
    return &to->slots[from / LINE_WORDS].word[from % LINE_WORDS];
}

static __attribute__((cold)) void peers_connect(unsigned self)
{
    struct exchange_link *links = cpu_of(self)->exchange->links;

    for (unsigned cpu = 0; cpu < exchange_cpu_count; cpu++) {
        links[cpu].cpu = cpu;
        links[cpu].port = cpu_of(cpu)->exchange->port;
        links[cpu].slot = slot_of(links[cpu].port, self);
    }
}

__attribute__((cold)) int exchange_init(unsigned cpu_count)
{
    exchange_cpu_count = cpu_count;
    has_flags = cpu_count > EXCHANGE_WATCH_WORDS;
    for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
        int status = exchange_create(cpu);

        if (status != 0)
            return status;
    }
    for (unsigned cpu = 0; cpu < cpu_count; cpu++)
        peers_connect(cpu);
    return 0;
}

/* ---- Slots --------------------------------------------------------------- */

/* Whether all slots of a line are empty, for now. */
static bool line_quiet(struct exchange_line *line)
{
    uintptr_t any = 0;

#pragma GCC unroll 8
    for (unsigned i = 0; i < LINE_WORDS; i++)
        any |= atomic_load_explicit(&line->word[i], memory_order_relaxed);
    return any == 0;
}

static bool slots_quiet(struct exchange_port *port)
{
    for (unsigned line = 0; line < lines_for(exchange_cpu_count); line++) {
        if (!line_quiet(&port->slots[line]))
            return false;
    }
    return true;
}

/* ---- Sending ------------------------------------------------------------- */

static inline void notify_add(struct exchange *mine, struct exchange_link *link,
                              unsigned notify)
{
    if (link->notify == 0) {
        link->next_notify = mine->to_notify;
        mine->to_notify = link;
    }
    link->notify |= (uint8_t)notify;
}

void exchange_begin(struct exchange *mine, struct exchange_link *link)
{
    assert(link->port != mine->port);
    link->next_pending = mine->pending;
    mine->pending = link;
    mine->full = NULL;
}

void exchange_flush(void)
{
    struct cpu *self = cpu_self();

    self->exchange->urgent = true;
    self->exchange->busy = true;
    self->attention = true;
}

uint64_t exchange_batch(unsigned cpu)
{
    return cpu_self()->exchange->links[cpu].batches;
}

/*
 * The slot is full. If its list was published quietly, the receiver may be
 * asleep: wake it now, because more items are waiting.
 */
static void slot_is_full(struct exchange *mine, struct exchange_link *link,
                         bool quietly)
{
    link->blocked++;
    if (link->quietly && !quietly) {
        link->quietly = false;
        notify_add(mine, link, NOTIFY_PUBLISHED);
    }
}

static void trace_sent(uintptr_t link_address, uintptr_t unused)
{
    const struct exchange_link *link = (struct exchange_link *)link_address;

    (void)unused;
    trace_event(TRACE_SLOT_SEND, link->cpu, 0, link->batches, 0);
}

/* The slot is empty: publish the list in it. */
static inline void slot_fill(struct exchange *mine, struct exchange_link *link,
                             bool quietly)
{
    trace_site_add(&link->batches, 1, trace_sent, (uintptr_t)link, 0);
    /* pairs with the acquire in take(): the items' contents go along */
    atomic_store_explicit(link->slot, (uintptr_t)link->newest,
                          memory_order_release);
    link->newest = NULL;
    link->quietly = quietly;
    notify_add(mine, link, NOTIFY_PUBLISHED);
}

/*
 * Fill the slots of those destinations that have emptied theirs. `quietly`:
 * without an interrupt for a destination that sleeps.
 */
static inline void publish(struct exchange *mine, bool quietly)
{
    struct exchange_link **at = &mine->pending;
    struct exchange_link *link;

    while ((link = *at) != NULL) {
        if (atomic_load_explicit(link->slot, memory_order_relaxed) != 0) {
            slot_is_full(mine, link, quietly);
            at = &link->next_pending;
        } else {
            *at = link->next_pending;
            slot_fill(mine, link, quietly);
        }
    }
}

/* Interrupt a CPU that sleeps, if it waits for what has happened. */
static void wake(unsigned cpu, unsigned sleeping, unsigned notify, bool quietly)
{
    bool asleep = (sleeping & SLEEP_WATCHING) == 0;
    bool given = (notify & NOTIFY_PUBLISHED) != 0 && !quietly && asleep;
    bool emptied =
        (notify & NOTIFY_EMPTIED) != 0 && (sleeping & SLEEP_BLOCKED) != 0;

    if (given || emptied)
        hal_ipi_send(cpu);
}

/*
 * The fence, and what comes after it, for each CPU on the list to_notify: its
 * flag, and an interrupt if it sleeps.
 */
static noinline void notify_all(struct exchange *mine, unsigned self,
                                bool quietly)
{
    struct exchange_link *link;

    hal_fence(); /* slot | flag, and slot | sleeping: see above */
    while ((link = mine->to_notify) != NULL) {
        struct exchange_port *port = link->port;
        unsigned notify = link->notify;
        uint8_t sleeping;

        mine->to_notify = link->next_notify;
        link->notify = 0;
        if (has_flags && (notify & NOTIFY_PUBLISHED) != 0)
            atomic_store_explicit(&port->flags.word[self / FLAG_CPUS], 1,
                                  memory_order_relaxed);
        sleeping = atomic_load_explicit(&port->sleeping, memory_order_relaxed);
        if (unlikely(sleeping != SLEEP_NONE))
            wake(link->cpu, sleeping, notify, quietly);
    }
}

static inline void send_lists(struct cpu *self, bool quietly)
{
    struct exchange *mine = self->exchange;

    /* Slots that were emptied are no reason to publish lazy items. */
    if (mine->urgent || quietly) {
        publish(mine, quietly);
        mine->urgent = !quietly && mine->pending != NULL;
        mine->lazy = quietly && mine->pending != NULL;
    }
    if (mine->to_notify != NULL)
        notify_all(mine, self->id, quietly);
}

/* ---- Receiving ----------------------------------------------------------- */

/* Turn a list around, which its sender has made newest first. */
static inline struct queue_node *oldest_first(struct queue_node *newest)
{
    struct queue_node *list = NULL;

    while (newest != NULL) {
        struct queue_node *next = newest->next;

        newest->next = list;
        list = newest;
        newest = next;
    }
    return list;
}

static void trace_taken(uintptr_t link_address, uintptr_t unused)
{
    const struct exchange_link *link = (struct exchange_link *)link_address;

    (void)unused;
    trace_event(TRACE_SLOT_TAKE, link->cpu, 0, link->taken, 0);
}

static void trace_ran(uintptr_t link_address, uintptr_t count)
{
    const struct exchange_link *link = (struct exchange_link *)link_address;

    trace_event(TRACE_SLOT_RAN, link->cpu, (uint32_t)count, link->taken, 0);
}

/*
 * Take the list of one source, whose slot is full, and run its items. The slot
 * is emptied only when the list was turned around: until then the sender makes
 * its next list longer, and long lists are cheaper for both.
 */
static noinline void take(struct cpu *self, unsigned source)
{
    struct exchange *mine = self->exchange;
    struct exchange_link *link = &mine->links[source];
    _Atomic uintptr_t *slot = slot_of(mine->port, source);
    uint64_t count = 0;
    /* pairs with the release in slot_fill() */
    struct queue_node *node = oldest_first(
        (struct queue_node *)atomic_load_explicit(slot, memory_order_acquire));

    atomic_store_explicit(slot, 0, memory_order_relaxed);
    trace_site_add(&link->taken, 1, trace_taken, (uintptr_t)link, 0);
    notify_add(mine, link, NOTIFY_EMPTIED);
    mine->busy = true;
    while (node != NULL) {
        struct exchange_item *item =
            container_of(node, struct exchange_item, node);

        count++;
        node = node->next; /* run() may free or send the item */
        item->run(item);
    }
    trace_site_add(&link->received, count, trace_ran, (uintptr_t)link, count);
}

static void take_lines(struct cpu *self, unsigned first, unsigned end)
{
    unsigned last = end * LINE_WORDS < exchange_cpu_count ? end * LINE_WORDS
                                                          : exchange_cpu_count;

    for (unsigned source = first * LINE_WORDS; source < last; source++) {
        if (atomic_load_explicit(slot_of(self->exchange->port, source),
                                 memory_order_relaxed) != 0)
            take(self, source);
    }
}

/* Clear the flags that are set, then look at the slots they stand for. */
static void take_flagged(struct cpu *self)
{
    struct exchange_port *mine = self->exchange->port;
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

static noinline void receive_lists(struct cpu *self)
{
    if (has_flags)
        take_flagged(self);
    else
        take_lines(self, 0, 1);
}

/* The slot everything waits for, if it is a single one. */
static _Atomic uintptr_t *only_slot(const struct exchange *mine)
{
    const struct exchange_link *link = mine->pending;

    return mine->urgent && link->next_pending == NULL ? link->slot : NULL;
}

bool exchange_pass_busy(struct cpu *self)
{
    struct exchange *mine = self->exchange;

    if (exchange_look(mine->watch) != 0)
        receive_lists(self);
    if (!mine->busy)
        return false;
    send_lists(self, false);
    mine->full = only_slot(mine);
    mine->busy = mine->urgent;
    return mine->busy;
}

/* ---- Sleeping ------------------------------------------------------------ */

/* Whether a slot that was full, with items of ours waiting, is empty now. */
static bool may_publish(struct exchange *mine)
{
    struct exchange_link *link = mine->pending;

    for (; link != NULL; link = link->next_pending) {
        if (atomic_load_explicit(link->slot, memory_order_relaxed) == 0)
            return true;
    }
    return false;
}

bool exchange_has_work(struct exchange *mine)
{
    return exchange_look(mine->watch) != 0 || (mine->busy && may_publish(mine));
}

bool exchange_may_sleep(void)
{
    struct cpu *self = cpu_self();
    struct exchange *mine = self->exchange;
    uint8_t announced = SLEEP_ANNOUNCED;

    if (mine->lazy && !mine->urgent) /* now is the time */
        send_lists(self, true);
    if (mine->busy)
        announced |= SLEEP_BLOCKED;
    /* Before the look at the slots: from here on a store to them is seen. */
    if (hal_cpu_watch(mine->watch))
        announced |= SLEEP_WATCHING;
    atomic_store_explicit(&mine->port->sleeping, announced,
                          memory_order_relaxed);
    hal_fence(); /* sleeping | slot: see above */
    /* A flag may be set though its slot is taken: then setting it again would
     * change nothing, and who watches for a change would see none. */
    if (exchange_look(mine->watch) != 0)
        return false;
    if (has_flags && !slots_quiet(mine->port))
        return false;
    return !mine->busy || !may_publish(mine);
}

void exchange_wake(void)
{
    atomic_store_explicit(&cpu_self()->exchange->port->sleeping, SLEEP_NONE,
                          memory_order_relaxed);
}

__attribute__((no_sanitize_thread)) bool
exchange_is_given(const struct cpu *cpu)
{
    for (unsigned from = 0; from < exchange_cpu_count; from++) {
        _Atomic uintptr_t *slot = slot_of(cpu->exchange->port, from);

        if (atomic_load_explicit(slot, memory_order_acquire) != 0 &&
            !__atomic_load_n(&cpu_of(from)->exchange->links[cpu->id].quietly,
                             __ATOMIC_ACQUIRE))
            return true;
    }
    return false;
}

/* ---- Counters ------------------------------------------------------------ */

void exchange_get_counters(unsigned cpu, struct exchange_counters *out)
{
    const struct exchange_link *link = &cpu_self()->exchange->links[cpu];

    assert(cpu < exchange_cpu_count);
    *out = (struct exchange_counters){
        .batches = link->batches,
        .blocked = link->blocked,
        .received = link->received,
        .taken = link->taken,
    };
}

/* ---- What must be true --------------------------------------------------- */

static void link_check(const struct cpu *cpu, unsigned other)
{
    const struct exchange_link *link = &cpu->exchange->links[other];

    assert(link->cpu == other);
    assert(link->slot == slot_of(link->port, cpu->id));
    assert(link->notify == 0);
    assert(other != cpu->id || link->newest == NULL);
}

void exchange_check(const struct cpu *cpu)
{
    const struct exchange *mine = cpu->exchange;
    const struct exchange_link *link = mine->pending;
    unsigned pending = 0;

    for (; link != NULL; link = link->next_pending) {
        pending++;
        assert(pending < exchange_cpu_count);
        assert(link->newest != NULL);
    }
    for (unsigned other = 0; other < exchange_cpu_count; other++) {
        link_check(cpu, other);
        pending -= mine->links[other].newest != NULL;
    }
    assert(pending == 0); /* all that have items to send are on the list */
    assert(mine->to_notify == NULL);
    assert(!mine->urgent || mine->busy);
    assert(mine->pending == NULL || mine->urgent || mine->lazy);
}
