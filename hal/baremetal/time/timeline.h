/*
 * The line from TSC ticks to nanoseconds, shared by all CPUs: a sequence lock
 * with plain loads and stores.
 *
 * One CPU writes it, all CPUs read it. The writer makes the sequence number
 * odd, changes the words, and makes the number even again. A reader waits while
 * the number is odd, and reads again when it has changed meanwhile.
 */
#ifndef TORC_HAL_BAREMETAL_TIMELINE_H
#define TORC_HAL_BAREMETAL_TIMELINE_H

#include "hal/hal.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Time at `tsc` = base_ns + (tsc - base_tsc) * factor, and on top of that the
 * correction: `slew` more for each of the first `slew_ticks` ticks. Both rates
 * are nanoseconds << 32 for one tick. -slew is less than factor, so that time
 * never goes backwards.
 */
struct line {
    uint64_t base_tsc;
    uint64_t base_ns;
    uint64_t factor;
    int64_t slew;
    uint64_t slew_ticks;
};

struct timeline {
    _Atomic uint32_t sequence; /* odd while the words change */
    _Atomic uint64_t base_tsc;
    _Atomic uint64_t base_ns;
    _Atomic uint64_t factor;
    _Atomic int64_t slew;
    _Atomic uint64_t slew_ticks;
};

/* Pure. The TSC of another CPU may be a moment behind the base. */
static inline uint64_t line_ns(const struct line *line, uint64_t tsc)
{
    uint64_t ticks = tsc > line->base_tsc ? tsc - line->base_tsc : 0;
    uint64_t slewed = ticks < line->slew_ticks ? ticks : line->slew_ticks;

    /* One sum, shifted once: two shifts would each round, and time could step
     * back by a nanosecond. */
    return line->base_ns +
           (uint64_t)(((unsigned __int128)ticks * line->factor +
                       (unsigned __int128)((__int128)slewed * line->slew)) >>
                      32);
}

/* By the one CPU that writes. */
static inline void timeline_write(struct timeline *shared,
                                  const struct line *line)
{
    uint32_t sequence =
        atomic_load_explicit(&shared->sequence, memory_order_relaxed);

    atomic_store_explicit(&shared->sequence, sequence + 1,
                          memory_order_relaxed);
    /* Whoever sees a new word below also sees the odd number: pairs with the
     * acquire fence in timeline_read(). */
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&shared->base_tsc, line->base_tsc,
                          memory_order_relaxed);
    atomic_store_explicit(&shared->base_ns, line->base_ns,
                          memory_order_relaxed);
    atomic_store_explicit(&shared->factor, line->factor, memory_order_relaxed);
    atomic_store_explicit(&shared->slew, line->slew, memory_order_relaxed);
    atomic_store_explicit(&shared->slew_ticks, line->slew_ticks,
                          memory_order_relaxed);
    /* Pairs with the acquire load in timeline_read(). */
    atomic_store_explicit(&shared->sequence, sequence + 2,
                          memory_order_release);
}

/*
 * Copy the line and read the counter in between, so that both belong together.
 * Waits while the writer, on another CPU, is in the middle of a change. Inline:
 * a third of the instructions.
 */
static inline __attribute__((always_inline)) void
timeline_read(const struct timeline *shared, struct line *line,
              uint64_t *counter, uint64_t (*counter_read)(void))
{
    uint32_t before, after;

    do {
        while (((before = atomic_load_explicit(&shared->sequence,
                                               memory_order_acquire)) &
                1) != 0)
            hal_cpu_relax();
        line->base_tsc =
            atomic_load_explicit(&shared->base_tsc, memory_order_relaxed);
        line->base_ns =
            atomic_load_explicit(&shared->base_ns, memory_order_relaxed);
        line->factor =
            atomic_load_explicit(&shared->factor, memory_order_relaxed);
        line->slew = atomic_load_explicit(&shared->slew, memory_order_relaxed);
        line->slew_ticks =
            atomic_load_explicit(&shared->slew_ticks, memory_order_relaxed);
        *counter = counter_read();
        atomic_thread_fence(memory_order_acquire);
        after = atomic_load_explicit(&shared->sequence, memory_order_relaxed);
    } while (before != after);
}

#endif
