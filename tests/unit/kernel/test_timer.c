#include "kernel/heap.h"
#include "kernel/percpu.h"
#include "kernel/timer.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdlib.h>
#include <torc/errno.h>
#include <torc/time.h>

struct shot {
    struct timer timer;
    uint64_t due;
};

static uint64_t fired[4096];
static unsigned fired_count;

static void fire(struct timer *timer)
{
    struct shot *shot = container_of(timer, struct shot, timer);

    fired[fired_count++] = shot->due;
}

static int setup(void **state)
{
    (void)state;
    fired_count = 0;
    machine_attach(16 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_detach();
    return 0;
}

/* Far enough that the machine's own clock does not reach it. */
#define BASE (UINT64_C(1) << 62)

static void shoot(struct shot *shot, uint64_t due)
{
    timer_init(&shot->timer, fire);
    shot->due = due;
    assert_int_equal(timer_set(&shot->timer, BASE + due), 0);
}

static void test_timer_runs_in_order(void **state)
{
    static struct shot shots[1000];

    (void)state;
    srand(3);
    for (unsigned i = 0; i < 1000; i++)
        shoot(&shots[i], 1 + (uint64_t)rand() % 5000);
    timer_run(BASE);
    assert_int_equal(fired_count, 0);
    timer_run(BASE + 2500);
    for (unsigned i = 0; i < fired_count; i++)
        assert_true(fired[i] <= 2500);
    timer_run(BASE + 5000);
    assert_int_equal(fired_count, 1000);
    for (unsigned i = 1; i < fired_count; i++)
        assert_true(fired[i - 1] <= fired[i]);
    assert_true(timer_next() == TIME_NEVER);
}

static void test_timer_moves_and_cancels(void **state)
{
    static struct shot shots[100];

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        shoot(&shots[i], 100 + i);
    for (unsigned i = 0; i < 100; i += 2)
        timer_cancel(&shots[i].timer);
    timer_cancel(&shots[0].timer); /* again: harmless */
    assert_false(timer_is_set(&shots[0].timer));
    shots[99].due = 1;
    assert_int_equal(timer_set(&shots[99].timer, BASE + 1), 0);
    assert_true(timer_next() == BASE + 1);
    shots[1].due = 1000;
    assert_int_equal(timer_set(&shots[1].timer, BASE + 1000), 0);
    timer_run(BASE + 999);
    assert_int_equal(fired_count, 49);
    assert_int_equal(fired[0], 1);
    timer_run(BASE + 1000);
    assert_int_equal(fired[49], 1000);
}

static void again(struct timer *timer)
{
    if (++fired_count < 5)
        assert_int_equal(timer_set(timer, timer->deadline_ns + 1), 0);
}

static void test_timer_may_set_itself(void **state)
{
    struct timer timer;

    (void)state;
    timer_init(&timer, again);
    assert_int_equal(timer_set(&timer, BASE), 0);
    timer_run(BASE + 2);
    assert_int_equal(fired_count, 3);
    timer_run(BASE + 100);
    assert_int_equal(fired_count, 5);
}

static void test_timer_out_of_memory(void **state)
{
    static struct shot shots[200];
    unsigned set = 0;
    int status = 0;

    (void)state;
    for (; set < 200 && status == 0; set++) {
        heap_fail(set < 64 ? 0 : 1);
        timer_init(&shots[set].timer, fire);
        status = timer_set(&shots[set].timer, BASE + set);
    }
    assert_int_equal(status, -ENOMEM);
    assert_int_equal(set, 65);
    assert_false(timer_is_set(&shots[64].timer));
    /* One that is set already can always move. */
    heap_fail(1);
    assert_int_equal(timer_set(&shots[0].timer, BASE + 7), 0);
    heap_fail(0);
    timer_run(BASE + 1000);
    assert_int_equal(fired_count, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_timer_runs_in_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_timer_moves_and_cancels, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_timer_may_set_itself, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_timer_out_of_memory, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
