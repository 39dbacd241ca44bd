/*
 * Events of the simulated machine, in a binary heap: what happens outside of
 * the CPUs, at its virtual time (sim.h).
 */
#include "hal/posix/sim/event.h"
#include "hal/posix/host/clock.h"
#include "hal/posix/sim/sim.h"
#include <torc/assert.h>

struct event {
    uint64_t at_ns;
    uint64_t
        number; /* of those at the same time the first one added is first */
    void (*fn)(void *arg);
    void *arg;
};

static struct event events[SIM_EVENT_MAX];
static unsigned event_count;
static uint64_t last_event;

void events_reset(void)
{
    event_count = 0;
    last_event = 0;
}

static bool before(const struct event *a, const struct event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->number < b->number;
}

static void swap(unsigned i, unsigned j)
{
    struct event event = events[i];

    events[i] = events[j];
    events[j] = event;
}

void sim_event(uint64_t at_ns, void (*fn)(void *arg), void *arg)
{
    uint64_t now = host_time_ns();
    unsigned i = event_count;

    assert(fn != NULL);
    if (event_count == SIM_EVENT_MAX)
        sim_fail("more events wait than there is room for");
    events[event_count++] =
        (struct event){.at_ns = at_ns > now ? at_ns : now + 1,
                       .number = ++last_event,
                       .fn = fn,
                       .arg = arg};
    for (; i > 0 && before(&events[i], &events[(i - 1) / 2]); i = (i - 1) / 2)
        swap(i, (i - 1) / 2);
}

/* Take the first one out. */
static struct event event_take(void)
{
    struct event first = events[0];
    unsigned i = 0;

    assert(event_count > 0);
    events[0] = events[--event_count];
    for (;;) {
        unsigned least = 2 * i + 1;

        if (least + 1 < event_count &&
            before(&events[least + 1], &events[least]))
            least++;
        if (least >= event_count || !before(&events[least], &events[i]))
            return first;
        swap(i, least);
        i = least;
    }
}

uint64_t events_next_ns(void)
{
    return event_count > 0 ? events[0].at_ns : UINT64_MAX;
}

void events_run(uint64_t now_ns)
{
    while (events_next_ns() <= now_ns) {
        struct event event = event_take();

        event.fn(event.arg);
    }
}
