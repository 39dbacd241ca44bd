/*
 * The local APIC's timer of each CPU: for the kernel's deadline, for samples,
 * and on CPU 0 for the clock's own readings. It counts to the nearest of them.
 */
#include "hal/baremetal/base/insn.h"
#include "hal/baremetal/irq/lapic.h"
#include "hal/baremetal/time/clock.h"
#include <torc/time.h>

#define LOOK_NS NS_PER_S /* how often a CPU that sleeps looks at others */

static uint64_t nearest(const struct cpu_block *block)
{
    uint64_t next = block->deadline_ns;

    if (block->sample_ns < next)
        next = block->sample_ns;
    if (block->clock_ns < next)
        next = block->clock_ns;
    if (block->look_ns < next)
        next = block->look_ns;
    return next;
}

void timer_program(struct cpu_block *block)
{
    hal_irqflags flags = hal_irq_save();
    uint64_t ticks = 0;
    uint64_t next, now;

    if (block->id == 0) {
        uint32_t left = lapic_timer_left();

        if (left != 0) /* it runs; where it does not, its end is unknown */
            clock_apic_measure(block->timer_ticks - left, block->timer_tsc);
        block->clock_ns = clock_wake_ns();
    }
    next = nearest(block);
    now = clock_now();
    if (next != UINT64_MAX)
        ticks = clock_apic_ticks(next > now ? next - now : 0);
    block->timer_ticks = ticks;
    block->timer_tsc = tsc_read();
    lapic_timer_start((uint32_t)ticks);
    hal_irq_restore(flags);
}

void hal_timer_set(uint64_t deadline_ns)
{
    struct cpu_block *block = cpu_block_self();

    block->deadline_ns = deadline_ns;
    timer_program(block);
}

int hal_sample_start(uint64_t period_ns)
{
    struct cpu_block *block = cpu_block_self();
    hal_irqflags flags = hal_irq_save();

    if (period_ns != 0 && period_ns < HAL_SAMPLE_MIN_NS)
        period_ns = HAL_SAMPLE_MIN_NS;
    block->sample_period = period_ns;
    block->look_ns = UINT64_MAX;
    hang_sample_due(block,
                    period_ns == 0 ? UINT64_MAX : clock_now() + period_ns);
    timer_program(block);
    hal_irq_restore(flags);
    return 0;
}

void clock_sleep_begin(struct cpu_block *block)
{
    bool is_next = block->sample_ns < block->deadline_ns;

    if (block->sample_period == 0)
        return;
    hang_sample_due(block, UINT64_MAX);
    /* Short sleeps put it off no further: it stays set while it is awake. */
    if (hang_watches(block) && block->look_ns == UINT64_MAX)
        block->look_ns = clock_now() + LOOK_NS;
    if (is_next)
        timer_program(block);
}

void clock_sleep_end(void)
{
    struct cpu_block *block = cpu_block_self();

    if (block->sample_period == 0 || block->sample_ns != UINT64_MAX)
        return;
    hang_sample_due(block, clock_now() + block->sample_period);
    if (block->sample_ns < block->deadline_ns)
        timer_program(block);
}

/*
 * What is due now. When nothing is, the interrupt has come early, and is for
 * the nearest: a deadline may be early (hal.h), the others are waited for.
 */
unsigned clock_timer_fired(void)
{
    struct cpu_block *block = cpu_block_self();
    unsigned fired = 0;
    bool is_clock;
    uint64_t now;

    if (block->sample_ns == UINT64_MAX && block->clock_ns == UINT64_MAX &&
        block->look_ns == UINT64_MAX) {
        /* It may have been under way for what is not set any more. */
        fired = block->deadline_ns != UINT64_MAX ? TIMER_DEADLINE : 0;
        block->deadline_ns = UINT64_MAX;
        return fired;
    }
    now = clock_now();
    is_clock = block->clock_ns <= now;
    if (is_clock) {
        clock_measure();
        now = clock_now();
    }
    if (block->look_ns <= now) {
        hang_look(block, now);
        block->look_ns = now + LOOK_NS;
    }
    if (block->sample_ns <= now || (block->sample_ns < block->deadline_ns &&
                                    block->sample_ns < block->clock_ns)) {
        fired |= TIMER_SAMPLE;
        hang_sample_due(block, now + block->sample_period);
        hang_look(block, now);
    }
    if (block->deadline_ns <= now ||
        (fired == 0 && !is_clock && block->deadline_ns != UINT64_MAX &&
         block->deadline_ns == nearest(block))) {
        fired |= TIMER_DEADLINE;
        block->deadline_ns = UINT64_MAX;
    }
    timer_program(block);
    return fired;
}
