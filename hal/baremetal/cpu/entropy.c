/*
 * Random bytes, from a pool for each CPU. The pool is filled when it is first
 * asked: by RDRAND where the processor has it and it works; else by the times
 * that reads of a device register take, as far as those cannot be predicted.
 */
#include "hal/baremetal/base/insn.h"
#include "hal/baremetal/cpu/entropy_pool.h"
#include "hal/hal.h"

enum {
    CPUID_RDRAND = 1 << 30,
    RDRAND_TRIES = 10, /* Intel SDM volume 1, 7.3.17.1 */
    RDRAND_WORDS = 4,
    TIMES = 64, /* of one run */
    RUNS_MAX = 512,
    SLOW_PORT = 0x61, /* a read leaves the processor: its time varies */
};

/* Each CPU its own. */
static struct entropy_pool pools[HAL_CPU_MAX];

static bool rdrand(uint64_t *out)
{
    uint8_t ok = 0;

    for (unsigned i = 0; !ok && i < RDRAND_TRIES; i++)
        __asm__ volatile("rdrand %0\n\tsetc %1" : "=r"(*out), "=q"(ok));
    return ok;
}

/* Words that are all the same come from a generator that is broken. */
static void add_rdrand(struct entropy_pool *pool)
{
    uint64_t word[RDRAND_WORDS];
    bool varies = false;

    if ((cpuid(1, 0).ecx & CPUID_RDRAND) == 0)
        return;
    for (unsigned i = 0; i < RDRAND_WORDS; i++) {
        if (!rdrand(&word[i]))
            return;
        varies |= word[i] != word[0];
    }
    entropy_add(pool, word, sizeof(word), varies ? ENTROPY_ENOUGH : 0);
}

/* Both runs are one loop, so that they are the same code. */
static noinline void times_measure(uint32_t *times, unsigned count)
{
    uint64_t last = tsc_read();

    for (unsigned i = 0; i < count; i++) {
        uint64_t now;

        (void)inb(SLOW_PORT);
        now = tsc_read();
        times[i] = (uint32_t)(now - last);
        last = now;
    }
}

static void add_times(struct entropy_pool *pool)
{
    uint32_t times[2][TIMES];

    times_measure(times[0], TIMES);
    times_measure(times[1], TIMES);
    entropy_add(pool, times, sizeof(times),
                entropy_of_times(times[0], times[1], TIMES));
}

size_t hal_entropy(void *buf, size_t len)
{
    hal_irqflags flags = hal_irq_save();
    struct entropy_pool *pool = &pools[hal_cpu_id()];
    uint64_t now[] = {tsc_read(), hal_cpu_id()};
    bool is_random;

    entropy_add(pool, now, sizeof(now), 0);
    if (pool->bits < ENTROPY_ENOUGH)
        add_rdrand(pool);
    for (unsigned i = 0; pool->bits < ENTROPY_ENOUGH && i < RUNS_MAX; i++)
        add_times(pool);
    is_random = entropy_take(pool, buf, len);
    hal_irq_restore(flags);
    return is_random ? len : 0;
}
