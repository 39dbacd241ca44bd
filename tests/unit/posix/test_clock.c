/* Time of the hosted machine: its clock, its calendar, its timers. */
#include "tests/unit/posix/checked_locks.h"
#include "tests/unit/posix/machine_bare.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>

#define MS UINT64_C(1000000)
#define S  (1000 * MS)

enum { STACK_SIZE = 64 * 1024 };

static const struct hal_boot_info *boot;
static unsigned timers;

static atomic_uint signals, yields;

int pthread_cond_signal(pthread_cond_t *cond)
{
    atomic_fetch_add(&signals, 1);
    /* There is an older one of this name. */
    return ((__typeof__(&pthread_cond_signal))dlvsym(
        RTLD_NEXT, "pthread_cond_signal", "GLIBC_2.3.2"))(cond);
}

int sched_yield(void)
{
    atomic_fetch_add(&yields, 1);
    return (int)syscall(SYS_sched_yield);
}

/* The host's clock: as it is, stopped, or as if the host had just started. */
static enum { CLOCK_REAL, CLOCK_STOPPED, CLOCK_YOUNG } host_clock;
static struct timespec clock_start;
static atomic_uint clock_reads;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int status = (int)syscall(SYS_clock_gettime, clock, now);

    atomic_fetch_add(&clock_reads, 1);
    if (clock != CLOCK_MONOTONIC || host_clock == CLOCK_REAL)
        return status;
    if (host_clock == CLOCK_STOPPED) {
        *now = clock_start;
        return status;
    }
    now->tv_sec -= clock_start.tv_sec;
    now->tv_nsec -= clock_start.tv_nsec;
    if (now->tv_nsec < 0) {
        now->tv_sec--;
        now->tv_nsec += (long)S;
    }
    return status;
}

static uint64_t host_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * S + (uint64_t)now.tv_nsec;
}

static int setup(void **state)
{
    (void)state;
    boot = bare_open((struct host_config){.cpus = 2});
    timers = 0;
    assert_int_equal(hal_irq_attach(HAL_IRQ_TIMER, 0, count_irq, &timers), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bare_close();
    return 0;
}

/* ---- The clock ----------------------------------------------------------- */

/* A pair of readings, the machine's between two of the host's. */
static void read_pair(uint64_t *machine, uint64_t *host, uint64_t *apart)
{
    *apart = UINT64_MAX;
    for (unsigned i = 0; i < 100; i++) {
        uint64_t before = host_ns(CLOCK_MONOTONIC);
        uint64_t now = hal_time_ns();
        uint64_t width = host_ns(CLOCK_MONOTONIC) - before;

        if (width >= *apart)
            continue;
        *apart = width;
        *machine = now;
        *host = before + width / 2;
    }
}

static void test_clock_runs_at_the_rate_of_the_host(void **state)
{
    const struct timespec while_ = {.tv_nsec = 200 * 1000 * 1000};
    uint64_t machine[2], host[2], apart[2];
    int64_t wrong;

    (void)state;
    read_pair(&machine[0], &host[0], &apart[0]);
    nanosleep(&while_, NULL);
    read_pair(&machine[1], &host[1], &apart[1]);
    wrong = (int64_t)((machine[1] - machine[0]) - (host[1] - host[0]));
    /* 50 ppm of what passed, and how closely it was read. */
    assert_true(llabs(wrong) <= (int64_t)((host[1] - host[0]) * 50 / 1000000 +
                                          apart[0] + apart[1]));
}

static void test_clock_begins_with_the_machine(void **state)
{
    uint64_t before = host_ns(CLOCK_MONOTONIC);
    uint64_t now;

    (void)state;
    boot = bare_open((struct host_config){0});
    now = hal_time_ns();
    assert_true(now > 0);
    assert_true(now <= host_ns(CLOCK_MONOTONIC) - before + 1);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t next = hal_time_ns();

        assert_true(next >= now);
        now = next;
    }
}

static void test_time_begins_at_one(void **state)
{
    (void)state;
    clock_gettime(CLOCK_MONOTONIC, &clock_start);
    host_clock = CLOCK_STOPPED;
    boot = bare_open((struct host_config){0});
    assert_int_equal(hal_time_ns(), 1);
    host_clock = CLOCK_REAL;
}

/* A machine may be older than the host was when it began. */
static void test_deadlines_beyond_the_age_of_the_host(void **state)
{
    uint64_t deadline;

    (void)state;
    clock_gettime(CLOCK_MONOTONIC, &clock_start);
    host_clock = CLOCK_YOUNG;
    boot = bare_open((struct host_config){0});
    assert_int_equal(hal_irq_attach(HAL_IRQ_TIMER, 0, count_irq, &timers), 0);
    usleep(20000);
    deadline = hal_time_ns() + 5 * MS;
    hal_timer_set(deadline);
    hal_cpu_idle();
    assert_int_equal(timers, 1);
    assert_true(hal_time_ns() >= deadline);
    host_machine_close();
    host_clock = CLOCK_REAL;
}

/* Within 10 ms; a busy host may stop this process between two readings. */
static void test_calendar_is_that_of_the_host(void **state)
{
    int64_t wrong = INT64_MAX;

    (void)state;
    for (unsigned i = 0; i < 5 && llabs(wrong) >= (int64_t)(10 * MS); i++) {
        boot = bare_open((struct host_config){0});
        wrong = (int64_t)(hal_wall_ns() - host_ns(CLOCK_REALTIME));
    }
    assert_true(llabs(wrong) < (int64_t)(10 * MS));
}

static void test_entropy_fills_and_differs(void **state)
{
    uint8_t first[600], second[600];
    unsigned same = 0;

    (void)state;
    memset(first, 0, sizeof(first));
    assert_int_equal(hal_entropy(first, 0), 0);
    assert_int_equal(first[0], 0);
    assert_int_equal(hal_entropy(first, sizeof(first) - 8), sizeof(first) - 8);
    for (unsigned i = sizeof(first) - 8; i < sizeof(first); i++)
        assert_int_equal(first[i], 0); /* no more than asked for */
    assert_int_equal(hal_entropy(second, sizeof(second)), sizeof(second));
    for (unsigned i = 0; i < sizeof(first); i++)
        same += first[i] == second[i];
    assert_true(same < 50);
}

/* ---- Timers -------------------------------------------------------------- */

/* Wait as a busy CPU does: the timer must come although nobody sleeps. */
static void spin_until(uint64_t end)
{
    while (hal_time_ns() < end)
        hal_cpu_relax();
}

static void test_timer_of_a_busy_cpu(void **state)
{
    uint64_t deadline = hal_time_ns() + 10 * MS;

    (void)state;
    hal_irq_restore(HAL_IRQS_ON);
    hal_timer_set(deadline);
    while (timers == 0 && hal_time_ns() < deadline + 5 * S)
        hal_cpu_relax();
    assert_int_equal(timers, 1);
    assert_true(hal_time_ns() >= deadline);
    spin_until(hal_time_ns() + 5 * MS);
    assert_int_equal(timers, 1); /* once */
}

static void test_timer_of_a_sleeping_cpu(void **state)
{
    uint64_t deadline = hal_time_ns() + 10 * MS;

    (void)state;
    hal_timer_set(deadline);
    hal_cpu_idle();
    assert_int_equal(timers, 1);
    assert_true(hal_time_ns() >= deadline);
    assert_true(hal_time_ns() < deadline + 5 * S);
}

static void test_past_deadlines_fire_at_once(void **state)
{
    (void)state;
    hal_irq_restore(HAL_IRQS_ON);
    hal_timer_set(0);
    hal_cpu_relax();
    assert_int_equal(timers, 1);
    hal_timer_set(hal_time_ns());
    hal_cpu_relax();
    assert_int_equal(timers, 2);
    hal_timer_set(1);
    hal_irq_save();
    hal_cpu_idle();
    assert_int_equal(timers, 3);
}

static void test_a_new_deadline_replaces_the_old(void **state)
{
    uint64_t now = hal_time_ns();

    (void)state;
    hal_irq_restore(HAL_IRQS_ON);
    hal_timer_set(now + 20 * MS);
    hal_timer_set(now + 100 * S);
    if (hal_time_ns() < now + 20 * MS) { /* else the host was too busy */
        spin_until(now + 30 * MS);
        assert_int_equal(timers, 0);
    }
    /* An earlier one than the timer thread waits for. */
    timers = 0;
    now = hal_time_ns();
    hal_timer_set(now + 5 * MS);
    while (timers == 0 && hal_time_ns() < now + 5 * S)
        hal_cpu_relax();
    assert_int_equal(timers, 1);
}

static void test_a_deadline_is_taken_back(void **state)
{
    uint64_t now = hal_time_ns();

    (void)state;
    hal_irq_restore(HAL_IRQS_ON);
    hal_timer_set(now + 20 * MS);
    hal_timer_set(UINT64_MAX);
    if (hal_time_ns() < now + 20 * MS) { /* else the host was too busy */
        spin_until(now + 30 * MS);
        assert_int_equal(timers, 0);
    }
}

static void test_a_deadline_beyond_the_clock_never_comes(void **state)
{
    uint64_t now = hal_time_ns();

    (void)state;
    hal_irq_restore(HAL_IRQS_ON);
    hal_timer_set(UINT64_MAX - 1);
    spin_until(now + 5 * MS);
    assert_int_equal(timers, 0);
    hal_timer_set(INT64_MAX);
    spin_until(now + 10 * MS);
    assert_int_equal(timers, 0);
}

/* ---- Two CPUs ------------------------------------------------------------ */

static struct {
    atomic_uint arrived;
    atomic_uint timers;
    atomic_uint doorbells;
    _Atomic uint64_t fired_ns;
    atomic_bool busy;
} other;

static void other_timer(void *arg)
{
    (void)arg;
    atomic_store(&other.fired_ns, hal_time_ns());
    atomic_fetch_add(&other.timers, 1);
}

static void other_doorbell(void *arg)
{
    (void)arg;
    atomic_fetch_add(&other.doorbells, 1);
    hal_timer_set(hal_time_ns() + 10 * MS);
}

/* CPU 1: sleeps, or spins, and sets its timer when the doorbell rings. */
static void other_run(void *arg)
{
    (void)arg;
    if (hal_irq_attach(HAL_IRQ_TIMER, 1, other_timer, NULL) != 0 ||
        hal_irq_attach(HAL_IRQ_DOORBELL, 1, other_doorbell, NULL) != 0)
        return;
    atomic_fetch_add(&other.arrived, 1);
    for (;;) {
        if (atomic_load(&other.busy)) {
            hal_irq_restore(HAL_IRQS_ON);
            hal_cpu_relax();
            hal_irq_save();
        } else {
            hal_cpu_idle();
        }
    }
}

static void other_round(bool busy)
{
    uint64_t end = hal_time_ns() + 5 * S;
    uint64_t rung;
    unsigned before = atomic_load(&other.timers);

    atomic_store(&other.busy, busy);
    rung = hal_time_ns();
    hal_ipi_send(1);
    while (atomic_load(&other.timers) == before && hal_time_ns() < end)
        hal_cpu_relax();
    assert_int_equal(atomic_load(&other.timers), before + 1);
    assert_true(atomic_load(&other.fired_ns) >= rung + 10 * MS);
}

static void test_timers_of_another_cpu(void **state)
{
    (void)state;
    memset(&other, 0, sizeof(other));
    assert_int_equal(
        hal_cpu_start(1, other_run, NULL, bare_page(boot, 32), STACK_SIZE), 0);
    while (atomic_load(&other.arrived) == 0)
        hal_cpu_relax();
    for (unsigned i = 0; i < 10; i++)
        other_round(i % 2 != 0);
    assert_int_equal(atomic_load(&other.doorbells), 10);
    assert_int_equal(timers, 0); /* each CPU has its own */
}

/* ---- What it costs ------------------------------------------------------- */

static void *raise_soon(void *arg)
{
    (void)arg;
    usleep(2000);
    irq_raise(5);
    return NULL;
}

/* A timer set before a sleep that something else ends comes all the same. */
static void test_a_timer_outlives_a_sleep(void **state)
{
    uint64_t deadline;
    unsigned raised = 0;
    pthread_t thread;

    (void)state;
    assert_int_equal(hal_irq_attach(5, 0, count_irq, &raised), 0);
    assert_int_equal(pthread_create(&thread, NULL, raise_soon, NULL), 0);
    deadline = hal_time_ns() + 20 * MS;
    hal_timer_set(deadline);
    hal_cpu_idle();
    pthread_join(thread, NULL);
    hal_irq_restore(HAL_IRQS_ON);
    while (timers == 0 && hal_time_ns() < deadline + 5 * S)
        hal_cpu_relax();
    assert_int_equal(raised, 1);
    assert_int_equal(timers, 1);
}

/* Sleeping CPUs and the thread of the timers wait in Linux. */
static void test_an_idle_machine_uses_no_processor(void **state)
{
    uint64_t used;

    (void)state;
    memset(&other, 0, sizeof(other));
    assert_int_equal(
        hal_cpu_start(1, other_run, NULL, bare_page(boot, 32), STACK_SIZE), 0);
    while (atomic_load(&other.arrived) == 0)
        hal_cpu_relax();
    hal_timer_set(hal_time_ns() + 1000 * S); /* told to the thread */
    hal_timer_set(hal_time_ns() + 100 * MS);
    used = host_ns(CLOCK_PROCESS_CPUTIME_ID);
    hal_cpu_idle();
    assert_int_equal(timers, 1);
    used = host_ns(CLOCK_PROCESS_CPUTIME_ID) - used;
    assert_true(used < 30 * MS);
    hal_timer_set(hal_time_ns() + 1000 * S);
    used = host_ns(CLOCK_PROCESS_CPUTIME_ID);
    usleep(100000);
    used = host_ns(CLOCK_PROCESS_CPUTIME_ID) - used;
    assert_true(used < 30 * MS);
}

/*
 * What a CPU does about its timer costs no more than it must: it reads no clock
 * to take a deadline back, wakes nobody who is awake already or would wake in
 * time, and takes no lock for a sleep that is over before it begins. Returns
 * whether that was seen; the thread of the timers may be about its own work.
 */
static bool timers_are_cheap(void)
{
    uint64_t now = hal_time_ns();
    unsigned woken = atomic_load(&signals);
    unsigned reads, locks;

    hal_timer_set(now + 2000 * S);
    reads = atomic_load(&clock_reads);
    hal_timer_set(UINT64_MAX);
    reads = atomic_load(&clock_reads) - reads;
    hal_timer_set(1);
    hal_ipi_send(0);
    locks = atomic_load(&locks_taken);
    hal_cpu_idle();
    locks = atomic_load(&locks_taken) - locks;
    return atomic_load(&signals) == woken && reads == 0 && locks == 0;
}

static void test_timers_cost_no_more_than_they_must(void **state)
{
    bool cheap = false;
    unsigned woken;

    (void)state;
    for (unsigned i = 0; i < 50 && !cheap; i++) {
        hal_timer_set(hal_time_ns() + 1000 * S);
        usleep(20000); /* the thread waits for it now */
        cheap = timers_are_cheap();
    }
    assert_true(cheap);
    woken = atomic_load(&signals); /* earlier than the thread waits for */
    hal_timer_set(hal_time_ns() + 500 * S);
    assert_int_equal(atomic_load(&signals), woken + 1);
}

/* A CPU that spins lets other threads run at times. */
static void test_relax_gives_the_processor_away(void **state)
{
    unsigned before = atomic_load(&yields);

    (void)state;
    for (unsigned i = 0; i < 1600; i++)
        hal_cpu_relax();
    assert_int_equal(atomic_load(&yields), before + 100);
}

#define ON_MACHINE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MACHINE(test_clock_runs_at_the_rate_of_the_host),
        ON_MACHINE(test_clock_begins_with_the_machine),
        ON_MACHINE(test_time_begins_at_one),
        ON_MACHINE(test_deadlines_beyond_the_age_of_the_host),
        ON_MACHINE(test_calendar_is_that_of_the_host),
        ON_MACHINE(test_entropy_fills_and_differs),
        ON_MACHINE(test_timer_of_a_busy_cpu),
        ON_MACHINE(test_timer_of_a_sleeping_cpu),
        ON_MACHINE(test_past_deadlines_fire_at_once),
        ON_MACHINE(test_a_new_deadline_replaces_the_old),
        ON_MACHINE(test_a_deadline_is_taken_back),
        ON_MACHINE(test_a_deadline_beyond_the_clock_never_comes),
        ON_MACHINE(test_timers_of_another_cpu),
        ON_MACHINE(test_a_timer_outlives_a_sleep),
        ON_MACHINE(test_an_idle_machine_uses_no_processor),
        ON_MACHINE(test_timers_cost_no_more_than_they_must),
        ON_MACHINE(test_relax_gives_the_processor_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
