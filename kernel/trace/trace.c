/* Writing events: trace.h tells why nothing protects the rings. */
#include "hal/hal.h"
#include "kernel/memory/mem.h"
#include "kernel/trace/trace_internal.h"
#include <torc/assert.h>

static_assert(TRACE_RING_INTERRUPTS == 1, "trace_event()");

static inline struct trace_event *claim(struct trace_ring *ring)
{
    return &ring->events[ring->next++ & ring->mask];
}

/* This CPU's trace, if it has one and the kind is wanted. */
static inline struct trace *wanting(enum trace_kind kind)
{
    struct trace *trace = cpu_self()->trace;

    return trace != NULL && (trace->kinds >> kind & 1) != 0 ? trace : NULL;
}

void trace_event(enum trace_kind kind, unsigned detail, uint32_t count,
                 uint64_t value, uint64_t more)
{
    struct trace *trace = wanting(kind);
    struct trace_event *event;

    if (trace == NULL)
        return;
    event = claim(&trace->rings[kind == TRACE_INTERRUPT]);
    event->cycles = hal_cycles();
    event->value = value;
    event->kind = (uint16_t)kind;
    event->detail = (uint16_t)detail;
    event->count = count;
    event->more[0] = (uint32_t)more;
    event->more[1] = (uint32_t)(more >> 32);
}

void trace_named(enum trace_kind kind, const char *name, uint64_t value)
{
    struct trace *trace = wanting(kind);
    struct trace_event *event;
    size_t i = 0;

    if (trace == NULL)
        return;
    event = claim(&trace->rings[TRACE_RING_THREADS]);
    event->cycles = hal_cycles();
    event->value = value;
    event->kind = (uint16_t)kind;
    event->detail = 0;
    while (i < TRACE_NAME_MAX && name[i] != '\0') {
        event->name[i] = name[i];
        i++;
    }
    while (i < TRACE_NAME_MAX)
        event->name[i++] = '\0';
}

void trace_mark_event(uintptr_t name, uintptr_t value)
{
    trace_named(TRACE_MARK, (const char *)name, value);
}

void trace_begin_event(uintptr_t name, uintptr_t value)
{
    trace_named(TRACE_BEGIN, (const char *)name, value);
}

void trace_end_event(uintptr_t name, uintptr_t value)
{
    trace_named(TRACE_END, (const char *)name, value);
}

/* ---- At boot ------------------------------------------------------------- */

static size_t ring_bytes(uint64_t events)
{
    return pages_for(events * sizeof(struct trace_event)) * PAGE_SIZE;
}

int trace_create(struct cpu *cpu, uint32_t kinds, uint64_t events)
{
    const uint64_t room[TRACE_RINGS] = {events,
                                        events / TRACE_INTERRUPTS_SHARE};
    size_t bytes = PAGE_SIZE + ring_bytes(room[0]) + ring_bytes(room[1]);
    char *at = page_alloc(mem_pages_of(cpu->id), bytes / PAGE_SIZE, 0);
    struct trace *trace = (struct trace *)(void *)at;

    if (at == NULL)
        return -ENOMEM;
    trace->kinds = kinds;
    at += PAGE_SIZE;
    for (unsigned i = 0; i < TRACE_RINGS; i++) {
        trace->rings[i] = (struct trace_ring){
            .events = (struct trace_event *)(void *)at, .mask = room[i] - 1};
        at += ring_bytes(room[i]);
    }
    cpu->trace = trace;
    if ((kinds >> TRACE_SWITCH & 1) != 0)
        cpu->switch_extras = true;
    return 0;
}

/* ---- What must be true --------------------------------------------------- */

static void ring_check(const struct trace_ring *ring, enum trace_ring_id id)
{
    uint64_t first = ring->next > ring->mask ? ring->next - ring->mask - 1 : 0;
    uint64_t cycles = 0;

    assert((ring->mask & (ring->mask + 1)) == 0);
    for (uint64_t i = first; i < ring->next; i++) {
        const struct trace_event *event = &ring->events[i & ring->mask];

        assert(event->kind < TRACE_KIND_COUNT);
        assert((event->kind == TRACE_INTERRUPT) ==
               (id == TRACE_RING_INTERRUPTS));
        assert(event->cycles >= cycles); /* oldest first */
        cycles = event->cycles;
    }
}

void trace_check(void)
{
    const struct trace *trace = cpu_self()->trace;
    hal_irqflags flags = hal_irq_save();

    for (unsigned i = 0; trace != NULL && i < TRACE_RINGS; i++)
        ring_check(&trace->rings[i], i);
    hal_irq_restore(flags);
}
