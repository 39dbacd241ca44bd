/*
 * Samples: a timer for each CPU that counts the processor time of its pthread,
 * so that a CPU that sleeps has none, and sends SIGPROF to it.
 */
#include "hal/posix/host/sample.h"
#include "hal/posix/host/config.h"
#include "hal/posix/host/cpu.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <torc/assert.h>
#include <unistd.h>

#define NS_PER_S 1000000000

/* glibc before 2.37 has no public name for it. */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* Each CPU its own; all by host_samples_close(), when only one is left. */
static struct {
    bool made;
    timer_t timer;
} samplers[HOST_CPU_MAX];

static void sample_handle(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *at = context;
    const greg_t *reg = at->uc_mcontext.gregs;
    const struct host_fault where = {
        .what = "sample",
        .ip = (uintptr_t)reg[REG_RIP],
        .sp = (uintptr_t)reg[REG_RSP],
        .fp = (uintptr_t)reg[REG_RBP],
        .detail = "",
    };
    int kept = errno;

    (void)signal;
    (void)info;
    if (host_is_cpu())
        machine_sample(&where);
    errno = kept;
}

static int sampler_make(unsigned cpu)
{
    struct sigaction action = {
        .sa_sigaction = sample_handle,
        .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART,
    };
    struct sigevent event = {
        .sigev_notify = SIGEV_THREAD_ID,
        .sigev_signo = SIGPROF,
    };

    sigemptyset(&action.sa_mask);
    event.sigev_notify_thread_id = gettid();
    sigaction(SIGPROF, &action, NULL);
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &samplers[cpu].timer) !=
        0)
        return -ENOTSUP;
    samplers[cpu].made = true;
    return 0;
}

int host_sample_start(unsigned cpu, uint64_t period_ns)
{
    struct itimerspec spec;

    assert(cpu < HOST_CPU_MAX);
    assert(host_is_cpu()); /* each CPU its own */
    spec.it_interval.tv_sec = (time_t)(period_ns / NS_PER_S);
    spec.it_interval.tv_nsec = (long)(period_ns % NS_PER_S);
    spec.it_value = spec.it_interval;
    if (!samplers[cpu].made) {
        if (period_ns == 0)
            return 0;
        if (sampler_make(cpu) != 0)
            return -ENOTSUP;
    }
    return timer_settime(samplers[cpu].timer, 0, &spec, NULL) == 0 ? 0
                                                                   : -ENOTSUP;
}

void host_samples_close(void)
{
    for (unsigned i = 0; i < HOST_CPU_MAX; i++) {
        if (samplers[i].made)
            timer_delete(samplers[i].timer);
        samplers[i].made = false;
    }
}
