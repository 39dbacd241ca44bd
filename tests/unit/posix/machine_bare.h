/* A machine without a kernel, for tests of the HAL itself. */
#ifndef TORC_TESTS_UNIT_POSIX_MACHINE_BARE_H
#define TORC_TESTS_UNIT_POSIX_MACHINE_BARE_H

#include "hal/hal.h"
#include "hal/posix/host/machine.h"
#include "hal/posix/kernel/boot.h"
#include "hal/posix/kernel/dma.h"
#include "hal/posix/kernel/irq.h"
#include "hal/posix/kernel/leaf.h"
#include "hal/posix/kernel/simbus.h"
#include "tests/fakes/child.h"
#include "tests/fakes/cmocka_all.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_NS (UINT64_C(5) * 1000 * 1000 * 1000)

static inline const struct hal_boot_info *bare_open(struct host_config config)
{
    const struct hal_boot_info *boot;

    config.quiet = true;
    config.fill = true;
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

/* How many files the process has open. */
static inline unsigned fds_open(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 200; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static inline int bare_call(void *fn)
{
    (*(void (**)(void))fn)();
    return 0;
}

/* child_run() of fn(). */
static inline int bare_child(void (*fn)(void), char *text, size_t size)
{
    return child_run(bare_call, &fn, text, size);
}

/* What must be true of a machine whose devices are quiet; then it closes. */
static inline void bare_close(void)
{
    if (machine_boot.cpu_count > 0) { /* else the test has closed it */
        irq_check();
        dma_check();
        sim_check();
        leaf_disks_check();
    }
    host_machine_close();
}

/* fn() breaks a rule of hal.h on CPU 0: its process ends and says which. */
static inline void bare_dies(const char *name, void (*fn)(void),
                             const char *why)
{
    char text[1024], want[256];

    snprintf(want, sizeof(want), "torc: broken rule of hal.h on CPU 0: %s\n",
             why);
    ROW(name, bare_child(fn, text, sizeof(text)) == 134);
    ROW(name, strcmp(text, want) == 0);
}

#endif
