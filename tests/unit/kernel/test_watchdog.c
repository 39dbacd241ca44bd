/* Threads that keep their CPU, told of; and those that do not. */
#include "hal/hal.h"
#include "kernel/boot/watchdog.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>

static char output[16384];

static int run(unsigned cpus, const char *cmdline, int (*fn)(void *))
{
    return machine_run_output(cpus, 4 << 20, cmdline, fn, NULL, output,
                              sizeof(output));
}

static unsigned times_told(void)
{
    unsigned count = 0;

    for (const char *at = output; (at = strstr(at, "has not yielded")) != NULL;
         at++)
        count++;
    return count;
}

/* How long the first thread told of had not yielded; the rest of the line. */
static unsigned first_told_ms(void)
{
    const char *at = strstr(output, "has not yielded for ");
    unsigned ms = 0;

    assert_non_null(at);
    assert_int_equal(sscanf(at, "has not yielded for %u ms\n", &ms), 1);
    return ms;
}

static uint64_t cpu_time_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* So much of the host's processor, however many share it. */
static void spin(uint64_t ns)
{
    uint64_t end = cpu_time_ns() + ns;

    while (cpu_time_ns() < end)
        ;
}

static int spin_twice(void *arg)
{
    (void)arg;
    spin(200 * NS_PER_MS);
    thread_sleep(NS_PER_MS);
    spin(200 * NS_PER_MS);
    return 0;
}

static void test_watchdog_tells_once_a_stall(void **state)
{
    (void)state;
    assert_int_equal(run(1, "watchdog=50", spin_twice), 0);
    assert_int_equal(times_told(), 2);
    assert_non_null(strstr(output, "cpu 0: thread main has not yielded for "));
    assert_in_range(first_told_ms(), 50, 60000);
    assert_non_null(strstr(output, "\n  in ")); /* and where it was */
    assert_int_equal(run(1, "watchdog=50 stuck=tell", spin_twice), 0);
    assert_int_equal(run(1, "watchdog=50 stuck=end", spin_twice), 134);
    assert_int_equal(run(1, "watchdog=60000", spin_twice), 0);
    assert_int_equal(times_told(), 0);
    assert_int_equal(run(1, "", spin_twice), 0);
    assert_int_equal(times_told(), 0);
}

static int sleep_long(void *arg)
{
    (void)arg;
    thread_sleep(300 * NS_PER_MS);
    return 0;
}

static int spin_on_1(void *arg)
{
    return remote_call(1, spin_twice, arg);
}

static void test_watchdog_watches_all_cpus(void **state)
{
    (void)state;
    assert_int_equal(run(2, "watchdog=50", spin_on_1), 0);
    assert_int_equal(times_told(), 2);
    assert_non_null(
        strstr(output, "cpu 1: thread remote has not yielded for "));
}

static void test_watchdog_lets_sleep(void **state)
{
    (void)state;
    assert_int_equal(run(2, "watchdog=10", sleep_long), 0);
    assert_int_equal(times_told(), 0);
}

static void test_watchdog_bad_options(void **state)
{
    static const char *const bad[] = {"watchdog=9", "watchdog=60001",
                                      "watchdog=", "watchdog=1s",
                                      "watchdog=-50"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ROW(bad[i], run(1, bad[i], sleep_long) == 2);
        ROW(bad[i], strstr(output, ": give a number from 10 to 60000\n"));
    }
}

static int give_0(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- Interrupts off ------------------------------------------------------ */

static bool has_off(const char *text)
{
    return strstr(output, text) != NULL;
}

static int spin_off_twice(void *arg)
{
    hal_irqflags flags = hal_irq_save();

    (void)arg;
    spin(200 * NS_PER_MS);
    hal_irq_restore(flags);
    thread_sleep(NS_PER_MS);
    (void)hal_irq_save();
    spin(200 * NS_PER_MS);
    hal_irq_restore(flags);
    return 0;
}

static void test_watchdog_tells_of_interrupts_off(void **state)
{
    const char *at;
    unsigned count = 0;

    (void)state;
    assert_int_equal(run(1, "watchdog=50", spin_off_twice), 0);
    for (at = output; (at = strstr(at, "had interrupts off")) != NULL; at++)
        count++;
    assert_int_equal(count, 2);
    assert_int_equal(times_told(), 0);
    assert_true(has_off("cpu 0: thread main has had interrupts off for "));
    assert_true(has_off("\n  in "));
    assert_int_equal(run(1, "watchdog=50 stuck=end", spin_off_twice), 134);
    assert_true(has_off("panic: a CPU hangs with interrupts off"));
    assert_int_equal(run(1, "watchdog=60000", spin_off_twice), 0);
    assert_false(has_off("interrupts off"));
}

/* Less than the limit is nothing to tell. */
static int sample_off(void *arg)
{
    const struct hal_fault where = {.what = "test", .off_ns = *(uint64_t *)arg};

    kernel_sample(&where);
    return 0;
}

static void test_watchdog_waits_for_the_limit(void **state)
{
    uint64_t off_ns = 60000 * NS_PER_MS - 1;

    (void)state;
    assert_int_equal(machine_run_output(1, 4 << 20, "watchdog=60000",
                                        sample_off, &off_ns, output,
                                        sizeof(output)),
                     0);
    assert_false(has_off("interrupts off"));
    off_ns++;
    assert_int_equal(machine_run_output(1, 4 << 20, "watchdog=60000",
                                        sample_off, &off_ns, output,
                                        sizeof(output)),
                     0);
    assert_true(has_off("had interrupts off for 60000 ms"));
}

/* The host has no timer left to sample with. */
static void test_watchdog_that_cannot_watch(void **state)
{
    struct rlimit before;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_SIGPENDING, &before), 0);
    if (setrlimit(RLIMIT_SIGPENDING, &(struct rlimit){0, before.rlim_max}) != 0)
        skip();
    assert_int_equal(run(1, "watchdog=100", give_0), 0);
    assert_int_equal(setrlimit(RLIMIT_SIGPENDING, &before), 0);
    assert_non_null(strstr(output, "cpu 0 cannot be watched"));
}

/* A sample before the CPU has its block is nobody's. */
static void test_sample_before_boot(void **state)
{
    const struct hal_fault where = {.what = "test"};

    (void)state;
    machine_detach();
    hal_cpu_set_local(NULL);
    kernel_sample(&where);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watchdog_that_cannot_watch),
        cmocka_unit_test(test_sample_before_boot),
        cmocka_unit_test(test_watchdog_tells_once_a_stall),
        cmocka_unit_test(test_watchdog_watches_all_cpus),
        cmocka_unit_test(test_watchdog_tells_of_interrupts_off),
        cmocka_unit_test(test_watchdog_waits_for_the_limit),
        cmocka_unit_test(test_watchdog_lets_sleep),
        cmocka_unit_test(test_watchdog_bad_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
