/*
 * A binary heap of pointers, earliest first, in an array that grows. Each timer
 * knows its place, so moving and cancelling are O(log n).
 */
#include "kernel/thread/timer.h"
#include "hal/hal.h"
#include "kernel/cpu/percpu.h"
#include <torc/assert.h>
#include <torc/memory.h>
#include <torc/time.h>

enum { CAPACITY_FIRST = 64 };

static void place(struct cpu *cpu, unsigned at, struct timer *timer)
{
    cpu->timers[at] = timer;
    timer->slot = at + 1;
}

static void sift_up(struct cpu *cpu, unsigned at, struct timer *timer)
{
    while (at > 0) {
        unsigned parent = (at - 1) / 2;

        if (cpu->timers[parent]->deadline_ns <= timer->deadline_ns)
            break;
        place(cpu, at, cpu->timers[parent]);
        at = parent;
    }
    place(cpu, at, timer);
}

static void sift_down(struct cpu *cpu, unsigned at, struct timer *timer)
{
    for (;;) {
        unsigned child = 2 * at + 1;

        if (child >= cpu->timer_count)
            break;
        if (child + 1 < cpu->timer_count &&
            cpu->timers[child + 1]->deadline_ns <
                cpu->timers[child]->deadline_ns)
            child++;
        if (timer->deadline_ns <= cpu->timers[child]->deadline_ns)
            break;
        place(cpu, at, cpu->timers[child]);
        at = child;
    }
    place(cpu, at, timer);
}

static bool grow(struct cpu *cpu)
{
    unsigned capacity =
        cpu->timer_capacity == 0 ? CAPACITY_FIRST : cpu->timer_capacity * 2;
    struct timer **timers =
        mem_resize(cpu->timers, capacity * sizeof(struct timer *));

    if (timers == NULL)
        return false;
    cpu->timers = timers;
    cpu->timer_capacity = capacity;
    return true;
}

/* Remove the timer at heap index `at`. */
static void take(struct cpu *cpu, unsigned at)
{
    struct timer *last = cpu->timers[--cpu->timer_count];

    cpu->timers[at]->slot = 0;
    if (at == cpu->timer_count)
        return;
    if (at > 0 && cpu->timers[(at - 1) / 2]->deadline_ns > last->deadline_ns)
        sift_up(cpu, at, last);
    else
        sift_down(cpu, at, last);
}

int timer_set(struct timer *timer, uint64_t deadline_ns)
{
    struct cpu *cpu = cpu_self();
    uint64_t before = timer_next();

    if (timer->slot != 0) {
        assert(cpu->timers[timer->slot - 1] == timer);
        take(cpu, timer->slot - 1);
    } else if (cpu->timer_count == cpu->timer_capacity && !grow(cpu)) {
        return -ENOMEM;
    }
    if (deadline_ns <= cpu->timers_run_ns)
        deadline_ns = cpu->timers_run_ns + 1;
    timer->deadline_ns = deadline_ns;
    sift_up(cpu, cpu->timer_count++, timer);
    if (timer_next() < before)
        hal_timer_set(timer_next());
    return 0;
}

void timer_cancel(struct timer *timer)
{
    struct cpu *cpu = cpu_self();

    if (timer->slot == 0)
        return;
    assert(cpu->timers[timer->slot - 1] == timer);
    take(cpu, timer->slot - 1);
}

void timer_run(uint64_t now_ns)
{
    struct cpu *cpu = cpu_self();

    assert(now_ns < TIME_NEVER);
    assert(cpu->timers_run_ns == 0); /* no timer runs timers */
    cpu->timers_run_ns = now_ns;
    while (cpu->timer_count > 0 && cpu->timers[0]->deadline_ns <= now_ns) {
        struct timer *timer = cpu->timers[0];

        take(cpu, 0);
        timer->run(timer);
    }
    cpu->timers_run_ns = 0;
    hal_timer_set(timer_next());
}

void timer_check(const struct cpu *cpu)
{
    assert(cpu->timer_count <= cpu->timer_capacity);
    for (unsigned i = 0; i < cpu->timer_count; i++) {
        const struct timer *timer = cpu->timers[i];

        assert(timer->slot == i + 1);
        assert(timer->run != NULL);
        assert(i == 0 ||
               cpu->timers[(i - 1) / 2]->deadline_ns <= timer->deadline_ns);
    }
}

uint64_t timer_next(void)
{
    struct cpu *cpu = cpu_self();

    return cpu->timer_count > 0 ? cpu->timers[0]->deadline_ns : TIME_NEVER;
}
