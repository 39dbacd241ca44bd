/* The wall time, and its correction: docs/time.md. */
#include "hal/hal.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/machine.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <torc/errno.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/time.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#define HOUR ((int64_t)(3600 * NS_PER_S))

/* How far the wall time is from the HAL's, in whole seconds: the host's clock
 * goes on between two looks. */
static long ahead_s(void)
{
    int64_t ahead = (int64_t)(time_wall_ns() - hal_wall_ns());

    return (long)((ahead + (int64_t)NS_PER_S / 2) / (int64_t)NS_PER_S);
}

static void test_corrections_add_up(void **state)
{
    (void)state;
    machine_attach(16 << 20);
    assert_int_equal(ahead_s(), 0);
    assert_int_equal(time_wall_adjust(2 * HOUR), 0);
    assert_int_equal(ahead_s(), 7200);
    assert_int_equal(time_wall_adjust(-3 * HOUR), 0);
    assert_int_equal(llabs(ahead_s() + 3600) <= 1, 1);
    assert_int_equal(time_wall_adjust(0), 0);
    assert_int_equal(llabs(ahead_s() + 3600) <= 1, 1);
    assert_int_equal(time_wall_adjust(HOUR), 0);
    assert_int_equal(ahead_s(), 0);
    machine_detach();
}

static void test_times_that_cannot_be(void **state)
{
    (void)state;
    machine_attach(16 << 20);
    assert_int_equal(time_wall_adjust(INT64_MIN), -EINVAL);
    assert_int_equal(time_wall_adjust(INT64_MAX), -EINVAL);
    assert_int_equal(time_wall_adjust(-(int64_t)time_wall_ns() - HOUR),
                     -EINVAL);
    assert_int_equal(ahead_s(), 0);
    machine_detach();
}

/* A machine without a calendar counts from its boot. */
static void test_a_machine_that_has_no_idea(void **state)
{
    const int64_t today = 1767225600 * (int64_t)NS_PER_S;

    (void)state;
    machine_attach(16 << 20);
    entropy_set(1, 0); /* the HAL's wall time is 0 */
    clock_set(5 * NS_PER_S);
    assert_int_equal(time_wall_ns(), 0);
    assert_int_equal(time_wall_adjust(today), 0);
    assert_true(time_wall_ns() == (uint64_t)today);
    clock_set(8 * NS_PER_S);
    assert_true(time_wall_ns() == (uint64_t)today + 3 * NS_PER_S);
    assert_int_equal(time_wall_adjust(-(int64_t)NS_PER_S), 0);
    assert_true(time_wall_ns() == (uint64_t)today + 2 * NS_PER_S);
    assert_int_equal(time_wall_adjust(6 * (int64_t)NS_PER_S - today), 0);
    entropy_set(-1, 0);
    clock_set(0);
    machine_detach();
}

static int adjust_here(void *arg)
{
    (void)arg;
    return time_wall_adjust(HOUR);
}

static int look(void *arg)
{
    (void)arg;
    return ahead_s() == 3600 ? 0 : 1;
}

/* Another CPU corrects, all see it. */
static int on_two_cpus(void *arg)
{
    (void)arg;
    if (remote_call(1, adjust_here, NULL) != 0)
        return 1;
    return remote_call(0, look, NULL) + remote_call(1, look, NULL);
}

static void test_all_cpus_see_it(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 16 << 20, on_two_cpus, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corrections_add_up),
        cmocka_unit_test(test_times_that_cannot_be),
        cmocka_unit_test(test_a_machine_that_has_no_idea),
        cmocka_unit_test(test_all_cpus_see_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
