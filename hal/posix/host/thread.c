/*
 * CPUs of the hosted machine as pthreads, and their timers: cpu.h and clock.h.
 *
 * Sleep and wake. The sleeper announces `sleeping`, then looks at the flag; the
 * waker has set the flag, then looks at `sleeping`. All four are sequentially
 * consistent, so at least one sees the other. The announcement is made under
 * the lock, which the condition variable gives up, so a signal cannot fall
 * between look and wait. A CPU for which Linux works (ring.h) sleeps in its
 * ring instead, and the waker writes to what the ring polls. It does that under
 * the lock, so that the ring is still there.
 *
 * Timers. A sleeping CPU waits no longer than its own deadline. For the others
 * there is the timer thread, which sleeps until the earliest of theirs. It
 * writes NEVER into timer_next before it looks at the deadlines; who sets a
 * deadline looks at timer_next afterwards: again one sees the other, and the
 * thread is only disturbed when it would wake too late.
 */
#include "hal/posix/host/clock.h"
#include "hal/posix/host/clock_internal.h"
#include "hal/posix/host/config.h"
#include "hal/posix/host/console.h"
#include "hal/posix/host/cpu.h"
#include "hal/posix/host/error.h"
#include "hal/posix/host/exit.h"
#include "hal/posix/host/fault.h"
#include "hal/posix/host/ring.h"
#include "hal/posix/host/signal_stack.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <torc/assert.h>
#include <unistd.h>

#define NEVER UINT64_MAX

enum {
    CLOSE_S = 10,
    STOP_MS = 250, /* for CPUs that stop by themselves; then for the signal */
    RELAX_YIELD = 16, /* every so many, the processor is given away */
};

const struct host_kind host_kind = {
    .name = "posix threads",
    .memory_protect = true,
    .rings = true,
};

enum sleep { AWAKE, ON_COND, IN_RING };

struct host_cpu {
    pthread_t thread;
    bool started;
    unsigned id;
    atomic_bool parked;
    void (*main)(unsigned cpu);
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_int sleeping; /* enum sleep */
    _Atomic uint64_t deadline_ns;
} __attribute__((aligned(64)));

static struct host_cpu cpus[HOST_CPU_MAX];
static unsigned cpu_count;
/* The process. After a fork() the child has no CPUs, and the locks that they
 * held at that moment it must not take. */
static pid_t owner;

static pthread_t timer_thread;
static pthread_mutex_t timer_lock;
static pthread_cond_t timer_wake;
static bool timer_stop; /* under timer_lock */
static _Atomic uint64_t timer_next;

static _Thread_local struct host_cpu *self; /* NULL: not a CPU */

/* The machine ends: a CPU that starts now parks at once. */
static atomic_bool stopping;

bool host_cpus_here(void)
{
    return owner == getpid();
}

bool host_is_cpu(void)
{
    return self != NULL;
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

        if (atomic_load(&cpus[i].sleeping) != AWAKE)
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
        host_cond_wait_until(&timer_wake, &timer_lock, next);
    }
    pthread_mutex_unlock(&timer_lock);
    return NULL;
}

/* Let the timer thread know a deadline it may not have seen. */
static void timer_tell(uint64_t deadline_ns)
{
    if (deadline_ns >= atomic_load(&timer_next))
        return;
    pthread_mutex_lock(&timer_lock); /* from its look on, until it waits */
    pthread_cond_signal(&timer_wake);
    pthread_mutex_unlock(&timer_lock);
}

void host_timer_set(unsigned id, uint64_t deadline_ns)
{
    struct host_cpu *cpu = &cpus[id];

    assert(id < cpu_count);
    atomic_store(&cpu->deadline_ns, deadline_ns);
    if (deadline_ns == NEVER)
        return; /* no need to read the clock */
    if (deadline_ns <= host_time_ns())
        timer_expire(cpu, deadline_ns);
    else
        timer_tell(deadline_ns);
}

/* ---- Sleeping ------------------------------------------------------------ */

/* Returns the deadline that has passed, or NEVER when the flag was set. */
static uint64_t cpu_wait(struct host_cpu *cpu, const atomic_bool *attention)
{
    uint64_t deadline = NEVER;

    pthread_mutex_lock(&cpu->lock);
    atomic_store(&cpu->sleeping, ON_COND);
    while (!atomic_load(attention)) {
        deadline = atomic_load(&cpu->deadline_ns);
        if (deadline <= host_time_ns())
            break;
        host_cond_wait_until(&cpu->wake, &cpu->lock, deadline);
        deadline = NEVER;
    }
    atomic_store(&cpu->sleeping, AWAKE);
    pthread_mutex_unlock(&cpu->lock);
    return deadline;
}

/* The same in the ring; the sleep may end for no reason. */
static uint64_t cpu_wait_ring(struct host_cpu *cpu,
                              const atomic_bool *attention)
{
    uint64_t deadline = atomic_load(&cpu->deadline_ns);
    uint64_t now = deadline != NEVER ? host_time_ns() : 0;

    atomic_store(&cpu->sleeping, IN_RING);
    if (!atomic_load(attention) && deadline > now)
        host_ring_sleep(cpu->id, deadline != NEVER ? deadline - now : NEVER);
    pthread_mutex_lock(&cpu->lock); /* no waker is at the ring any more */
    atomic_store(&cpu->sleeping, AWAKE);
    pthread_mutex_unlock(&cpu->lock);
    return deadline <= host_time_ns() ? deadline : NEVER;
}

void host_cpu_sleep(unsigned id, const atomic_bool *attention)
{
    struct host_cpu *cpu = &cpus[id];
    uint64_t deadline;

    assert(cpu == self);
    assert(atomic_load(&cpu->sleeping) == AWAKE);
    if (atomic_load(attention))
        return;
    if (host_ring_busy(id))
        deadline = cpu_wait_ring(cpu, attention);
    else
        deadline = cpu_wait(cpu, attention);
    if (deadline != NEVER)
        timer_expire(cpu, deadline);
    timer_tell(atomic_load(&cpu->deadline_ns));
}

void host_cpu_wake(unsigned id)
{
    struct host_cpu *cpu = &cpus[id];

    if (atomic_load(&cpu->sleeping) == AWAKE)
        return;
    pthread_mutex_lock(&cpu->lock);
    if (atomic_load(&cpu->sleeping) == IN_RING)
        host_ring_wake(id);
    else
        pthread_cond_signal(&cpu->wake);
    pthread_mutex_unlock(&cpu->lock);
}

void host_cpu_relax(void)
{
    static _Thread_local unsigned count;

    /* Another CPU may have what is waited for, and no processor. To a machine
     * of one CPU only the host's kernel can bring it, which needs nobody's
     * leave. */
    if (cpu_count > 1 && ++count % RELAX_YIELD == 0)
        sched_yield();
    else
        __builtin_ia32_pause();
}

void host_cpu_look_on(unsigned cpu)
{
    (void)cpu;
    host_cpu_relax();
}

/* ---- Start and end ------------------------------------------------------- */

static void cpus_forget(void)
{
    pthread_cond_destroy(&timer_wake);
    pthread_mutex_destroy(&timer_lock);
    for (unsigned i = 0; i < cpu_count; i++) {
        pthread_cond_destroy(&cpus[i].wake);
        pthread_mutex_destroy(&cpus[i].lock);
    }
    cpu_count = 0;
}

int host_cpus_open(unsigned count)
{
    int err;

    assert(count > 0 && count <= HOST_CPU_MAX);
    assert(cpu_count == 0);
    for (unsigned i = 0; i < count; i++) {
        struct host_cpu *cpu = &cpus[i];

        cpu->id = i;
        cpu->started = false;
        atomic_store(&cpu->parked, false);
        pthread_mutex_init(&cpu->lock, NULL);
        host_cond_open(&cpu->wake);
        atomic_store(&cpu->sleeping, AWAKE);
        atomic_store(&cpu->deadline_ns, NEVER);
    }
    host_clock_start();
    self = &cpus[0];
    cpus[0].thread = pthread_self();
    pthread_mutex_init(&timer_lock, NULL);
    host_cond_open(&timer_wake);
    timer_stop = false;
    cpu_count = count;
    owner = getpid();
    err = pthread_create(&timer_thread, NULL, timer_main, NULL);
    if (err != 0)
        cpus_forget();
    return host_error(err);
}

static void *cpu_thread(void *arg)
{
    struct host_cpu *cpu = arg;
    struct host_signal_stack stack;
    char name[16]; /* for top -H and debuggers */

    self = cpu;
    snprintf(name, sizeof(name), "cpu%u", cpu->id);
    pthread_setname_np(pthread_self(), name);
    host_signal_stack_open(&stack);
    if (atomic_load(&stopping))
        host_cpu_park();
    cpu->main(cpu->id);
    host_ring_close(cpu->id);
    host_signal_stack_close(&stack);
    return NULL;
}

int host_cpu_start(unsigned id, void (*main)(unsigned cpu))
{
    struct host_cpu *cpu = &cpus[id];
    int err;

    assert(id != 0 && id < cpu_count);
    assert(!cpu->started);
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
    if (!host_cpus_here()) {
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

    cpus_forget();
}

/* ---- The end of the machine ---------------------------------------------- */

void host_cpu_park(void)
{
    atomic_store(&self->parked, true);
    for (;;)
        pause();
}

static void stop_handle(int signal, siginfo_t *info, void *context)
{
    uint64_t registers[HOST_REGISTERS];

    (void)signal;
    (void)info;
    host_registers(context, registers);
    machine_stopped(registers);
    host_cpu_park();
}

/* Whether a CPU other than the caller may still run. */
static bool cpu_runs(const struct host_cpu *cpu)
{
    return (cpu->id == 0 || cpu->started) && cpu != self &&
           !atomic_load(&cpu->parked);
}

/* Wait until no other CPU runs, for STOP_MS at most. */
static void stopped_wait(void)
{
    static const struct timespec pause_time = {.tv_nsec = 50 * 1000};
    uint64_t end = host_time_ns() + STOP_MS * UINT64_C(1000000);
    bool any = true;

    while (any && host_time_ns() < end) {
        any = false;
        for (unsigned i = 0; i < cpu_count; i++)
            any |= cpu_runs(&cpus[i]);
        if (any)
            nanosleep(&pause_time, NULL);
    }
}

void host_cpus_stop(int status)
{
    struct sigaction action = {.sa_sigaction = stop_handle,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};

    if (!host_cpus_here())
        return;
    atomic_store(&stopping, true);
    if (status != HOST_ABORTED)
        stopped_wait();
    sigemptyset(&action.sa_mask);
    sigaction(SIGRTMIN, &action, NULL);
    for (unsigned i = 0; i < cpu_count; i++)
        if (cpu_runs(&cpus[i]))
            pthread_kill(cpus[i].thread, SIGRTMIN);
    stopped_wait();
}
