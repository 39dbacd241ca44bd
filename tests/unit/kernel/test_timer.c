#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/timer.h"
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

static void shoot_again(struct shot *shot, uint64_t due)
{
    shot->due = due;
    assert_int_equal(timer_set(&shot->timer, BASE + due), 0);
}

static void shoot(struct shot *shot, uint64_t due)
{
    timer_init(&shot->timer, fire);
    shoot_again(shot, due);
}

static void test_timer_runs_in_order(void **state)
{
    static struct shot shots[1000];

    (void)state;
    srand(3);
    for (unsigned i = 0; i < 1000; i++)
        shoot(&shots[i], 1 + (uint64_t)rand() % 5000);
    assert_int_equal(cpu_self()->timer_capacity, 1024); /* doubled from 64 */
    timer_check(cpu_self());
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

/* The heap stays one, whichever timer moves or is cancelled. */
static void test_timer_random(void **state)
{
    enum { TIMERS = 50 };
    static struct shot shots[TIMERS];
    uint64_t earliest = TIME_NEVER;
    unsigned set = 0;

    (void)state;
    srand(5);
    for (unsigned i = 0; i < TIMERS; i++)
        shoot(&shots[i], (uint64_t)rand() % 1000);
    for (unsigned step = 0; step < 5000; step++) {
        struct shot *shot = &shots[rand() % TIMERS];

        if (rand() % 3 == 0)
            timer_cancel(&shot->timer);
        else
            shoot_again(shot, (uint64_t)rand() % 1000);
        timer_check(cpu_self());
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        set += timer_is_set(&shots[i].timer);
        if (timer_is_set(&shots[i].timer) && shots[i].due < earliest)
            earliest = shots[i].due;
    }
    assert_int_equal(cpu_self()->timer_count, set);
    assert_true(timer_next() == BASE + earliest);
    timer_run(BASE + 1000);
    assert_int_equal(fired_count, set);
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
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(fired_count, i < 5 ? i : 5);
        timer_run(BASE + i);
    }
    assert_int_equal(fired_count, 5);
}

static uint64_t rearm_at;

static void rearm(struct timer *timer)
{
    fired_count++;
    assert_int_equal(timer_set(timer, rearm_at), 0);
}

/* Set for now or for long ago, it waits for the next pass: others get on. */
static void test_timer_set_for_the_past_ends_its_pass(void **state)
{
    static const uint64_t past[] = {0, 1, BASE - 1, BASE, BASE + 9, BASE + 10};
    struct timer timer[2];

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(past); i++) {
        fired_count = 0;
        rearm_at = past[i];
        for (unsigned j = 0; j < 2; j++) {
            timer_init(&timer[j], rearm);
            assert_int_equal(timer_set(&timer[j], BASE + j), 0);
        }
        timer_run(BASE + 10);
        assert_int_equal(fired_count, 2);
        assert_true(timer_next() == BASE + 11); /* at once, but later */
        timer_run(BASE + 20);
        assert_int_equal(fired_count, 4);
        assert_true(timer_next() == BASE + 21);
        for (unsigned j = 0; j < 2; j++)
            timer_cancel(&timer[j]);
    }
    /* Outside a pass the past stays what it is. */
    assert_int_equal(timer_set(&timer[0], 3), 0);
    assert_true(timer_next() == 3);
    timer_cancel(&timer[0]);
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
        cmocka_unit_test_setup_teardown(test_timer_random, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_may_set_itself, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_timer_set_for_the_past_ends_its_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_out_of_memory, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
