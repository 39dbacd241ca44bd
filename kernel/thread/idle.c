/*
 * Sleep, and the polling before it.
 *
 * To sleep: interrupts go off, the CPU looks once more whether an interrupt
 * raised work or a slot was filled, and sleeps. An interrupt between the look
 * and the sleep ends the sleep at once (hal_cpu_idle()); a message in between
 * rings the doorbell (exchange.c).
 *
 * Waking a sleeping CPU costs an interrupt on one side and microseconds on the
 * other. With poll=US a CPU first polls its slots for that long, provided that
 * its last sleeps were about as short. So a busy machine answers sooner, and an
 * idle one does not poll.
 */
#include "kernel/thread/idle.h"
#include "hal/hal.h"
#include "kernel/base/options.h"
#include "kernel/cpu/exchange.h"
#include "kernel/cpu/percpu.h"
#include "kernel/thread/timer.h"
#include <torc/time.h>

enum { ESTIMATE_WEIGHT = 8 };

/* Constant after idle_init(). */
static uint64_t poll_ns;

int idle_init(void)
{
    uint64_t us = 0;
    int status = option_number("poll", &us);

    poll_ns = us * NS_PER_US;
    return status;
}

static bool something_came(struct cpu *cpu)
{
    return cpu->irq_work_head != NULL || exchange_has_work(cpu->exchange);
}

/* Whether work came within poll_ns. */
static bool poll(struct cpu *cpu, uint64_t start_ns)
{
    while (!something_came(cpu)) {
        if (hal_time_ns() - start_ns >= poll_ns)
            return false;
        hal_cpu_relax();
    }
    return true;
}

/* Sleeps are counted for who looks at them from outside. The stores need no
 * order: who looks believes only what it has found several times, long apart
 * (asleep.c). */
static void sleep_now(struct cpu *cpu)
{
    uint64_t sleeps = atomic_load_explicit(&cpu->sleeps, memory_order_relaxed);

    atomic_store_explicit(&cpu->sleep_end_ns, timer_next(),
                          memory_order_relaxed);
    atomic_store_explicit(&cpu->sleeps, sleeps + 1, memory_order_relaxed);
    hal_cpu_idle();
    atomic_store_explicit(&cpu->sleeps, sleeps + 2, memory_order_relaxed);
    if (idle_woken_ready != NULL && unlikely(!queue_empty(&cpu->ready)))
        idle_woken_ready(cpu);
}

static void sleep(struct cpu *cpu)
{
    hal_irqflags flags = hal_irq_save();

    if (cpu->irq_work_head == NULL && exchange_may_sleep())
        sleep_now(cpu);
    exchange_wake();
    hal_irq_restore(flags);
    hal_cpu_relax();
}

/* A moving average of how long there was nothing to do. */
static void learn(struct cpu *cpu, uint64_t idle_ns)
{
    uint64_t limit = poll_ns * ESTIMATE_WEIGHT;

    /* One long sleep must not hide many short ones before it. */
    if (idle_ns > limit)
        idle_ns = limit;
    cpu->idle_estimate_ns +=
        idle_ns / ESTIMATE_WEIGHT - cpu->idle_estimate_ns / ESTIMATE_WEIGHT;
}

void idle_sleep(struct cpu *cpu)
{
    uint64_t start_ns;

    if (poll_ns == 0) {
        sleep(cpu);
        return;
    }
    start_ns = hal_time_ns();
    if (cpu->idle_estimate_ns > poll_ns || !poll(cpu, start_ns))
        sleep(cpu);
    learn(cpu, hal_time_ns() - start_ns);
}
