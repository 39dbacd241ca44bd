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
#include "tests/fakes/cmocka_all.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
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

/* Builds that measure coverage keep what a child process ran. */
void __gcov_dump(void) __attribute__((weak));

static inline _Noreturn void child_exit(int status)
{
    if (__gcov_dump != NULL)
        __gcov_dump();
    _exit(status);
}
#define _exit(status) child_exit(status)

/*
 * Run fn() in a child process. Returns its exit status, or 128 and the signal
 * that ended it; `text` gets what it wrote to stdout and stderr.
 */
static inline int bare_child(void (*fn)(void), char *text, size_t size)
{
    size_t len = 0;
    ssize_t got;
    int ends[2];
    int status;
    pid_t pid;

    fflush(NULL);
    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        fn();
        _exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], text + len, size - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
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
