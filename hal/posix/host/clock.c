/*
 * The clock of the machine that runs in real time: CLOCK_MONOTONIC of Linux,
 * counted from the start of the machine.
 */
#include "hal/posix/host/clock.h"
#include "hal/posix/host/clock_internal.h"
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

static uint64_t boot_ns;

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void host_clock_start(void)
{
    boot_ns = clock_ns(CLOCK_MONOTONIC) - 1;
}

uint64_t host_time_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC) - boot_ns;
}

uint64_t host_wall_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

void host_cond_open(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

void host_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock,
                          uint64_t deadline_ns)
{
    struct timespec until;
    uint64_t at;

    if (deadline_ns >= UINT64_MAX - boot_ns) {
        pthread_cond_wait(cond, lock);
        return;
    }
    at = deadline_ns + boot_ns;
    until.tv_sec = (time_t)(at / NS_PER_S);
    until.tv_nsec = (long)(at % NS_PER_S);
    pthread_cond_timedwait(cond, lock, &until);
}
