/* The mix of tests/stress on machines of several sizes. */
#include "hal/posix/kernel/idle.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include "tests/stress/stress.h"
#include <torc/machine.h>

static int rounds(void *arg)
{
    struct stress stress = {.workers = 24, .ops = 60};

    for (stress.seed = 1; stress.seed <= *(unsigned *)arg; stress.seed++) {
        int line = stress_run(&stress);

        if (line != 0)
            return line % 100 + 1;
    }
    return 0;
}

static void test_stress_without_flags(void **state)
{
    unsigned count = 10;

    (void)state;
    assert_int_equal(machine_run(3, 8 << 20, rounds, &count), 0);
}

/* More CPUs than words a pass looks at. */
static void test_stress_with_flags(void **state)
{
    unsigned count = 5;

    (void)state;
    assert_int_equal(machine_run(9, 8 << 20, rounds, &count), 0);
}

static void test_stress_with_guarded_blocks_and_polling(void **state)
{
    unsigned count = 5;
    char output[4096];

    (void)state;
    assert_int_equal(machine_run_output(3, 8 << 20,
                                        "memcheck=1 poll=50 cputime=1", rounds,
                                        &count, output, sizeof(output)),
                     0);
}

/* Where memory can be watched, a store to a slot ends a sleep. */
static void test_stress_with_watched_sleep(void **state)
{
    unsigned count = 3;

    (void)state;
    machine_watches = true;
    assert_int_equal(machine_run(2, 8 << 20, rounds, &count), 0);
    assert_int_equal(machine_run(6, 8 << 20, rounds, &count), 0);
    machine_watches = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stress_without_flags),
        cmocka_unit_test(test_stress_with_flags),
        cmocka_unit_test(test_stress_with_guarded_blocks_and_polling),
        cmocka_unit_test(test_stress_with_watched_sleep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
