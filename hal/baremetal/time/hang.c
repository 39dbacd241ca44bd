/*
 * CPUs that hang with interrupts off. Such a CPU takes no samples, and cannot
 * tell by itself: CPU 0 watches all others, and CPU 1 watches CPU 0. While they
 * are awake they look when they take a sample; when they have slept, once a
 * second as well.
 * A CPU that has missed its samples gets a non-maskable interrupt, and samples
 * itself in that. One that sleeps has none to miss.
 *
 * The one that asks writes when into the other's block, which tells the
 * interrupt from those that others send. It does not ask again before it has an
 * answer: one answer may be for two questions, and then the second interrupt
 * looks like one that nobody has sent. A debugger may have taken an interrupt
 * for its own: after LOST_NS no answer comes any more.
 */
#include "hal/baremetal/base/cpu_block.h"
#include "hal/baremetal/irq/lapic.h"
#include "hal/baremetal/time/clock.h"
#include <stdatomic.h>
#include <torc/time.h>

#define LOST_NS (10 * NS_PER_S)

static uint64_t missed_ns(const struct cpu_block *block)
{
    return block->sample_period * HAL_SAMPLES_MISSED;
}

void hang_sample_due(struct cpu_block *block, uint64_t ns)
{
    uint64_t late = ns == UINT64_MAX ? ns : ns + missed_ns(block);

    block->sample_ns = ns;
    atomic_store_explicit(&block->late_ns, late, memory_order_relaxed);
}

bool hang_watches(const struct cpu_block *block)
{
    return block->id <= 1 && cpu_block_count > 1;
}

static bool waits_for_answer(const struct cpu_block *other, uint64_t now_ns)
{
    uint64_t asked =
        atomic_load_explicit(&other->asked_ns, memory_order_relaxed);
    uint64_t answered =
        atomic_load_explicit(&other->answered_ns, memory_order_acquire);

    return asked != answered && now_ns < asked + LOST_NS;
}

static void look_at(struct cpu_block *other, uint64_t now_ns)
{
    if (now_ns <= atomic_load_explicit(&other->late_ns, memory_order_relaxed) ||
        waits_for_answer(other, now_ns))
        return;
    atomic_store_explicit(&other->asked_ns, now_ns, memory_order_release);
    lapic_ipi(other->apic_id, IPI_NMI);
}

void hang_look(const struct cpu_block *block, uint64_t now_ns)
{
    if (block->id == 1)
        look_at(cpu_blocks[0], now_ns);
    for (unsigned i = 1; block->id == 0 && i < cpu_block_count; i++)
        look_at(cpu_blocks[i], now_ns);
}

/* Without the clock: this may be in the middle of writing its line. */
bool hang_asked(uint64_t *off_ns)
{
    struct cpu_block *self = cpu_block_self();
    uint64_t asked =
        atomic_load_explicit(&self->asked_ns, memory_order_acquire);
    uint64_t late = atomic_load_explicit(&self->late_ns, memory_order_relaxed);

    if (asked == atomic_load_explicit(&self->answered_ns, memory_order_relaxed))
        return false;
    atomic_store_explicit(&self->answered_ns, asked, memory_order_release);
    *off_ns = 0;
    if (asked > late) {
        *off_ns = asked - late + missed_ns(self);
        hang_sample_due(self, asked + self->sample_period);
    }
    return true;
}
