/* How a machine ends: with all its lines, and the first status. */
#include "hal/hal.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { CPUS = 4, LINES = 20 };

static char output[16384];

static int run(unsigned cpus, int (*fn)(void *))
{
    return machine_run_output(cpus, 4 << 20, "", fn, NULL, output,
                              sizeof(output));
}

static bool has_lines(unsigned cpu)
{
    char line[40];

    for (int i = 0; i < LINES; i++) {
        snprintf(line, sizeof(line), "cpu %u, line %d\n", cpu, i);
        if (strstr(output, line) == NULL)
            return false;
    }
    return true;
}

static void expect_lines(unsigned cpu)
{
    if (!has_lines(cpu))
        fail_msg("not all lines of cpu %u in: %s", cpu, output);
}

static int say_lines(void *arg)
{
    (void)arg;
    for (int i = 0; i < LINES; i++)
        console_print("cpu %u, line %d\n", cpu_id(), i);
    return 0;
}

static int say_lines_and_exit(void *arg)
{
    say_lines(arg);
    machine_exit(5);
}

/* Wherever it ends, what others have logged before comes out. */
static int all_say_lines(unsigned last)
{
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        if (cpu != last && remote_call(cpu, say_lines, NULL) != 0)
            return 1;
    }
    return remote_call(last, say_lines_and_exit, NULL);
}

static int end_on_cpu_0(void *arg)
{
    (void)arg;
    return all_say_lines(0);
}

static int end_on_cpu_3(void *arg)
{
    (void)arg;
    return all_say_lines(3);
}

static int end_alone(void *arg)
{
    return say_lines_and_exit(arg);
}

static void test_exit_lets_all_lines_out(void **state)
{
    (void)state;
    assert_int_equal(run(CPUS, end_on_cpu_0), 5);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        expect_lines(cpu);
    assert_int_equal(run(CPUS, end_on_cpu_3), 5);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        expect_lines(cpu);
    assert_int_equal(run(1, end_alone), 5);
    expect_lines(0);
}

static atomic_bool may_say;
static atomic_uint have_said;

static int say_lines_when_told(void *arg)
{
    while (!atomic_load(&may_say))
        thread_yield();
    say_lines(arg);
    atomic_fetch_add(&have_said, 1);
    return 0;
}

/* CPU 0 takes no line before the end. */
static int end_with_lines_on_their_way(void *arg)
{
    for (unsigned cpu = 1; cpu < CPUS; cpu++) {
        const struct thread_attr there = {.place = THREAD_ON_CPU, .cpu = cpu};

        if (thread_create(&there, say_lines_when_told, arg, NULL) != 0)
            return 1;
    }
    atomic_store(&may_say, true);
    while (atomic_load(&have_said) != CPUS - 1)
        ;
    machine_exit(5);
}

/* They come out, unless the host lets a CPU wait too long: then another machine
 * may be luckier. */
static void test_exit_waits_for_lines_on_their_way(void **state)
{
    bool all = false;

    (void)state;
    for (int tries = 0; tries < 10 && !all; tries++) {
        assert_int_equal(run(CPUS, end_with_lines_on_their_way), 5);
        all = has_lines(1) && has_lines(2) && has_lines(3);
    }
    assert_true(all);
}

/* A process does not begin again, but ends in order. */
static int reboot_with_lines(void *arg)
{
    say_lines(arg);
    machine_reboot();
}

static void test_reboot(void **state)
{
    (void)state;
    assert_int_equal(run(1, reboot_with_lines), 0);
    expect_lines(0);
}

/* ---- More than one end --------------------------------------------------- */

static int exit_6(void *arg)
{
    (void)arg;
    machine_exit(6);
}

/* The second thread runs while the first waits for the others. */
static int exit_5_before_6(void *arg)
{
    if (thread_create(NULL, exit_6, NULL, NULL) != 0)
        return 1;
    (void)arg;
    machine_exit(5);
}

static int exit_5_before_6_on_1(void *arg)
{
    return remote_call(1, exit_5_before_6, arg);
}

static void test_exit_first_status_counts(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(run(CPUS, exit_5_before_6), 5);
        assert_int_equal(run(CPUS, exit_5_before_6_on_1), 5);
    }
}

static int exit_7(void *arg)
{
    (void)arg;
    machine_exit(7);
}

/* CPU 0 has no memory for the thread that ends the machine. */
static int exit_without_memory(void *arg)
{
    const struct thread_attr there = {.place = THREAD_ON_CPU, .cpu = 1};

    if (thread_create(&there, exit_7, arg, NULL) != 0)
        return 1;
    heap_fail(1);
    thread_sleep(TIME_NEVER);
    return 1;
}

static void test_exit_without_memory(void **state)
{
    (void)state;
    assert_int_equal(run(CPUS, exit_without_memory), 7);
}

/* ---- A CPU that does not yield ------------------------------------------- */

static atomic_bool is_held;

static int hold(void *arg)
{
    (void)arg;
    atomic_store(&is_held, true);
    for (;;)
        hal_cpu_relax();
    return 0;
}

static int end_beside(unsigned held, unsigned ending)
{
    const struct thread_attr there = {.place = THREAD_ON_CPU, .cpu = held};

    if (thread_create(&there, hold, NULL, NULL) != 0)
        return 1;
    while (held != cpu_id() && !atomic_load(&is_held))
        thread_yield();
    return remote_call(ending, say_lines_and_exit, NULL);
}

static int end_beside_held_1(void *arg)
{
    (void)arg;
    return end_beside(1, 0);
}

static int end_beside_held_2(void *arg)
{
    (void)arg;
    return end_beside(2, 1);
}

/* It is waited for, but not for long. */
static void test_exit_does_not_wait_for_ever(void **state)
{
    static int (*const ends[])(void *) = {end_beside_held_1, end_beside_held_2};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        assert_int_equal(run(CPUS, ends[i]), 5);
        expect_lines((unsigned)i);
    }
}

static int tell_name(void *arg)
{
    (void)arg;
    console_print("<%s>\n", machine_name());
    return 0;
}

static void test_machine_name(void **state)
{
    (void)state;
    assert_int_equal(run(1, tell_name), 0);
    assert_non_null(strstr(output, "<posix threads>\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_lets_all_lines_out),
        cmocka_unit_test(test_exit_waits_for_lines_on_their_way),
        cmocka_unit_test(test_reboot),
        cmocka_unit_test(test_exit_first_status_counts),
        cmocka_unit_test(test_exit_without_memory),
        cmocka_unit_test(test_exit_does_not_wait_for_ever),
        cmocka_unit_test(test_machine_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
