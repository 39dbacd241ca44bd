/* A machine without a kernel, for tests of the HAL itself. */
#ifndef TORC_TESTS_UNIT_POSIX_MACHINE_BARE_H
#define TORC_TESTS_UNIT_POSIX_MACHINE_BARE_H

#include "hal/hal.h"
#include "hal/posix/host.h"
#include "tests/fakes/cmocka_all.h"

#define PATIENCE_NS (UINT64_C(5) * 1000 * 1000 * 1000)

static inline const struct hal_boot_info *bare_open(struct host_config config)
{
    const struct hal_boot_info *boot;

    config.quiet = true;
    if (config.mem_bytes == 0)
        config.mem_bytes = 4 << 20;
    boot = host_machine_prepare(&config);
    assert_non_null(boot);
    return boot;
}

static inline void *bare_page(const struct hal_boot_info *boot, unsigned index)
{
    return (void *)(boot->region[0].base + (uintptr_t)index * HAL_PAGE_SIZE);
}

/* A handler that counts. */
static inline void count_irq(void *arg)
{
    ++*(unsigned *)arg;
}

/* Sleep until the counter has moved from `before`; fails when it does not. */
static inline void bare_wait(const unsigned *counter, unsigned before)
{
    uint64_t end = hal_time_ns() + PATIENCE_NS;
    hal_irqflags flags = hal_irq_save();

    hal_timer_set(end);
    while (*counter == before && hal_time_ns() < end)
        hal_cpu_idle();
    hal_timer_set(UINT64_MAX);
    hal_irq_restore(flags);
    assert_int_not_equal(*counter, before);
}

#endif
