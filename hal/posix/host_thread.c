/*
 * CPUs of the hosted machine as pthreads, in real time: the "CPUs and time" of
 * host.h.
 *
 * Sleep and wake. The sleeper announces `sleeping`, then looks at the flag; the
 * waker has set the flag, then looks at `sleeping`. All four are sequentially
 * consistent, so at least one sees the other. The announcement is made under
 * the lock, which the condition variable gives up, so a signal cannot fall
 * between look and wait.
 *
 * Timers. A sleeping CPU waits no longer than its own deadline. For the others
 * there is the timer thread, which sleeps until the earliest of theirs. It
 * writes NEVER into timer_next before it looks at the deadlines; who sets a
 * deadline looks at timer_next afterwards: again one sees the other, and the
 * thread is only disturbed when it would wake too late.
 */
#include "hal/posix/host.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NEVER    UINT64_MAX
#define NS_PER_S UINT64_C(1000000000)
#define CLOSE_S  10

enum { RELAX_YIELD = 16 /* every so many, the processor is given away */ };

struct host_cpu {
    pthread_t thread;
    bool started;
    unsigned id;
    void (*main)(unsigned cpu);
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_bool sleeping;
    _Atomic uint64_t deadline_ns;
} __attribute__((aligned(64)));

static struct host_cpu cpus[HOST_CPU_MAX];
static unsigned cpu_count;
static uint64_t boot_ns;
static pid_t owner; /* the process: a fork() has no CPUs but its own */

static pthread_t timer_thread;
static pthread_mutex_t timer_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t timer_wake;
static bool timer_stop; /* under timer_lock */
static _Atomic uint64_t timer_next;

static _Thread_local bool self_is_cpu;

bool host_is_cpu(void)
{
    return self_is_cpu;
}

/* ---- Time ---------------------------------------------------------------- */

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t host_time_ns(void)
{
    return clock_ns() - boot_ns;
}

static void cond_open(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

/* Wait for a signal, not longer than until the deadline. */
static void cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock,
                            uint64_t deadline_ns)
{
    struct timespec until;
    uint64_t at;

    if (deadline_ns >= NEVER - boot_ns) {
        pthread_cond_wait(cond, lock);
        return;
    }
    at = deadline_ns + boot_ns;
    until.tv_sec = (time_t)(at / NS_PER_S);
    until.tv_nsec = (long)(at % NS_PER_S);
    pthread_cond_timedwait(cond, lock, &until);
}

/* ---- Timers -------------------------------------------------------------- */

/* Expire the CPU's timer if its deadline is still `deadline_ns`. */
static void timer_expire(struct host_cpu *cpu, uint64_t deadline_ns)
{
    if (atomic_compare_exchange_strong(&cpu->deadline_ns, &deadline_ns, NEVER))
        machine_timer_expired(cpu->id);
}

/* Expire what is due on CPUs that are awake; returns the next deadline. */
static uint64_t timer_scan(void)
{
    uint64_t now = host_time_ns();
    uint64_t next = NEVER;

    for (unsigned i = 0; i < cpu_count; i++) {
        uint64_t deadline = atomic_load(&cpus[i].deadline_ns);

        if (deadline == NEVER || atomic_load(&cpus[i].sleeping))
            continue;
        if (deadline <= now)
            timer_expire(&cpus[i], deadline);
        else if (deadline < next)
            next = deadline;
    }
    return next;
}

static void *timer_main(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&timer_lock);
    while (!timer_stop) {
        uint64_t next;

        atomic_store(&timer_next, NEVER);
        next = timer_scan();
        atomic_store(&timer_next, next);
        if (next > host_time_ns())
            cond_wait_until(&timer_wake, &timer_lock, next);
    }
    pthread_mutex_unlock(&timer_lock);
    return NULL;
}

/* Let the timer thread know a deadline it may not have seen. */
static void timer_tell(uint64_t deadline_ns)
{
    if (deadline_ns >= atomic_load(&timer_next))
        return;
    pthread_mutex_lock(&timer_lock);
    if (deadline_ns < atomic_load(&timer_next))
        pthread_cond_signal(&timer_wake);
    pthread_mutex_unlock(&timer_lock);
}

void host_timer_set(unsigned id, uint64_t deadline_ns)
{
    struct host_cpu *cpu = &cpus[id];

    atomic_store(&cpu->deadline_ns, deadline_ns);
    if (deadline_ns == NEVER)
        return;
    if (deadline_ns <= host_time_ns())
        timer_expire(cpu, deadline_ns);
    else
        timer_tell(deadline_ns);
}

/* ---- Sleeping ------------------------------------------------------------ */

/* Returns the deadline that has passed, or NEVER when the flag was set. */
static uint64_t cpu_wait(struct host_cpu *cpu, const atomic_bool *attention)
{
    while (!atomic_load(attention)) {
        uint64_t deadline = atomic_load(&cpu->deadline_ns);

        if (deadline != NEVER && deadline <= host_time_ns())
            return deadline;
        cond_wait_until(&cpu->wake, &cpu->lock, deadline);
    }
    return NEVER;
}

void host_cpu_sleep(unsigned id, const atomic_bool *attention)
{
    struct host_cpu *cpu = &cpus[id];
    uint64_t deadline;

    if (atomic_load(attention))
        return;
    pthread_mutex_lock(&cpu->lock);
    atomic_store(&cpu->sleeping, true);
    deadline = cpu_wait(cpu, attention);
    atomic_store(&cpu->sleeping, false);
    pthread_mutex_unlock(&cpu->lock);

    if (deadline != NEVER)
        timer_expire(cpu, deadline);
    deadline = atomic_load(&cpu->deadline_ns);
    if (deadline != NEVER)
        timer_tell(deadline);
}

void host_cpu_wake(unsigned id)
{
    struct host_cpu *cpu = &cpus[id];

    if (!atomic_load(&cpu->sleeping))
        return;
    pthread_mutex_lock(&cpu->lock);
    pthread_cond_signal(&cpu->wake);
    pthread_mutex_unlock(&cpu->lock);
}

void host_cpu_relax(void)
{
    static _Thread_local unsigned count;

    if (++count % RELAX_YIELD == 0)
        sched_yield();
    else
        __builtin_ia32_pause();
}

/* ---- Start and end ------------------------------------------------------- */

int host_cpus_open(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct host_cpu *cpu = &cpus[i];

        cpu->id = i;
        cpu->started = false;
        pthread_mutex_init(&cpu->lock, NULL);
        cond_open(&cpu->wake);
        atomic_store(&cpu->sleeping, false);
        atomic_store(&cpu->deadline_ns, NEVER);
    }
    boot_ns = clock_ns() - 1;
    self_is_cpu = true;
    cond_open(&timer_wake);
    timer_stop = false;
    cpu_count = count;
    owner = getpid();
    return host_error(pthread_create(&timer_thread, NULL, timer_main, NULL));
}

static void *cpu_thread(void *arg)
{
    struct host_cpu *cpu = arg;
    struct host_signal_stack stack;

    self_is_cpu = true;
    host_signal_stack_open(&stack);
    cpu->main(cpu->id);
    host_signal_stack_close(&stack);
    return NULL;
}

int host_cpu_start(unsigned id, void (*main)(unsigned cpu))
{
    struct host_cpu *cpu = &cpus[id];
    int err;

    cpu->main = main;
    err = pthread_create(&cpu->thread, NULL, cpu_thread, cpu);
    cpu->started = err == 0;
    return host_error(err);
}

static void cpu_join(struct host_cpu *cpu)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_S;
    if (pthread_timedjoin_np(cpu->thread, NULL, &until) != 0) {
        host_complain("CPU %u does not stop: it waits for nothing and never "
                      "calls hal_cpu_relax()",
                      cpu->id);
        host_abort();
    }
}

void host_cpus_close(void)
{
    if (owner != getpid()) {
        cpu_count = 0;
        return;
    }
    for (unsigned i = 0; i < cpu_count; i++)
        if (cpus[i].started)
            cpu_join(&cpus[i]);

    pthread_mutex_lock(&timer_lock);
    timer_stop = true;
    pthread_cond_signal(&timer_wake);
    pthread_mutex_unlock(&timer_lock);
    pthread_join(timer_thread, NULL);

    pthread_cond_destroy(&timer_wake);
    for (unsigned i = 0; i < cpu_count; i++) {
        pthread_cond_destroy(&cpus[i].wake);
        pthread_mutex_destroy(&cpus[i].lock);
    }
    cpu_count = 0;
}
