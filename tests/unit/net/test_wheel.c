/*
 * The timer wheel beside a plain list of what is set: each timeout runs at the
 * first turn from its time on, once, and no turn is asked for too late.
 */
#include "net/wheel.h"
#include "tests/fakes/chance.h"
#include "tests/fakes/cmocka_all.h"
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>

enum { TIMERS = 200 };

#define TICK_NS  (UINT64_C(1) << WHEEL_TICK_SHIFT)
#define REACH_NS ((UINT64_C(63) << 18) * TICK_NS)

static struct wheel wheel;
static struct shot {
    struct wheel_timer timer;
    uint64_t due; /* TIME_NEVER: it must not run */
} shots[TIMERS];
static uint64_t now;
static unsigned runs;

static void on_due(struct wheel *of, struct wheel_timer *timer, uint64_t at)
{
    struct shot *shot = container_of(timer, struct shot, timer);

    assert_ptr_equal(of, &wheel);
    assert_true(timer->at == TIME_NEVER);
    assert_true(shot->due <= now);
    assert_true(shot->due <= at && at <= now);
    shot->due = TIME_NEVER;
    runs++;
}

static void begin(uint64_t at)
{
    now = at;
    runs = 0;
    wheel_init(&wheel, now, on_due);
    for (unsigned i = 0; i < TIMERS; i++) {
        wheel_timer_init(&shots[i].timer);
        shots[i].due = TIME_NEVER;
    }
}

static void set(unsigned i, uint64_t at)
{
    shots[i].due = at;
    wheel_set(&wheel, &shots[i].timer, at);
}

static uint64_t earliest(void)
{
    uint64_t at = TIME_NEVER;

    for (unsigned i = 0; i < TIMERS; i++)
        at = shots[i].due < at ? shots[i].due : at;
    return at;
}

static unsigned count(void)
{
    unsigned set = 0;

    for (unsigned i = 0; i < TIMERS; i++)
        set += shots[i].due != TIME_NEVER;
    return set;
}

/* Turn at `at`: nothing that is due then is left. Returns the next time. */
static uint64_t turn(uint64_t at)
{
    uint64_t next;

    now = at;
    next = wheel_turn(&wheel, now);
    assert_int_equal(wheel_check(&wheel), count());
    assert_true(earliest() > now);
    assert_true(next <= earliest());
    assert_true(next == TIME_NEVER ? count() == 0 : next > now);
    return next;
}

/* As the owner of a wheel does, until nothing is set. Returns how many turns
 * that took. */
static unsigned turn_all(void)
{
    uint64_t next = turn(now);
    unsigned turns = 1;

    for (; next != TIME_NEVER; turns++)
        next = turn(next);
    return turns;
}

static void test_each_runs_at_its_time(void **state)
{
    static const struct {
        const char *name;
        uint64_t after;
    } rows[] = {
        {"the same time", 0},
        {"a nanosecond", 1},
        {"the next tick", TICK_NS},
        {"the last tick of a round", 63 * TICK_NS},
        {"the next round", 64 * TICK_NS},
        {"a level up", 4096 * TICK_NS + 5},
        {"the highest level", 300000 * TICK_NS},
        {"its last slot", REACH_NS},
        {"beyond it", REACH_NS + TICK_NS},
        {"a day", 24 * 3600 * NS_PER_S},
        {"a year", 365 * 24 * 3600 * NS_PER_S},
    };
    static const uint64_t starts[] = {1, 2, 63 * TICK_NS + 7,
                                      UINT64_C(0xffffff) << WHEEL_TICK_SHIFT,
                                      1000000 * NS_PER_S + 12345};

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        for (unsigned j = 0; j < COUNT_OF(starts); j++) {
            begin(starts[j]);
            set(0, now + rows[i].after);
            print_message("row %s, start %u\n", rows[i].name, j);
            /* One for each level on its way down, and what is beyond. */
            assert_in_range(turn_all(), 1,
                            2 + WHEEL_LEVELS + 2 * rows[i].after / REACH_NS);
            assert_int_equal(runs, 1);
            assert_true(now == starts[j] + rows[i].after);
        }
    }
}

/* Turns may be early and late, and timeouts are moved and cancelled. */
static void test_any_order(void **state)
{
    (void)state;
    chance_seed = 1;
    begin(12345 * NS_PER_S);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = chance(TIMERS);
        uint64_t ahead = (uint64_t)chance(1 << 20) << chance(25);

        switch (chance(4)) {
        case 0:
            wheel_cancel(&shots[i].timer);
            shots[i].due = TIME_NEVER;
            break;
        case 1:
            (void)turn(now + ahead / 64);
            break;
        default:
            set(i, now + ahead);
            break;
        }
        assert_int_equal(wheel_check(&wheel), count());
    }
    (void)turn_all();
}

/* What is set to a time that has passed runs at the next turn. */
static void test_past_runs_next(void **state)
{
    (void)state;
    begin(NS_PER_S);
    set(0, now - 500 * NS_PER_MS);
    set(1, 0);
    (void)turn(now);
    assert_int_equal(runs, 2);
}

static unsigned again;

static void on_due_again(struct wheel *of, struct wheel_timer *timer,
                         uint64_t at)
{
    struct shot *shot = container_of(timer, struct shot, timer);

    (void)at;
    runs++;
    if (again == 0)
        return;
    again--;
    wheel_set(of, timer, now); /* has come: at the next turn */
    wheel_set(of, &shot[1].timer, now - 1);
    wheel_cancel(&shot[2].timer); /* was due, too */
}

/* A timeout that runs may set itself and others, and cancel what is due. */
static void test_functions_that_set_and_cancel(void **state)
{
    uint64_t next;

    (void)state;
    begin(NS_PER_S);
    wheel.run = on_due_again;
    again = 1;
    for (unsigned i = 0; i < 3; i++)
        wheel_set(&wheel, &shots[i].timer, now + i);
    now += 2;
    next = wheel_turn(&wheel, now);
    assert_int_equal(runs, 1);
    assert_true(next == now + 1);
    assert_int_equal(wheel_check(&wheel), 2);
    now = next;
    assert_true(wheel_turn(&wheel, now) == TIME_NEVER);
    assert_int_equal(runs, 3);
    assert_int_equal(wheel_check(&wheel), 0);
}

static void test_never_is_not_set(void **state)
{
    (void)state;
    begin(NS_PER_S);
    set(0, now + 1);
    set(0, TIME_NEVER);
    assert_int_equal(wheel_check(&wheel), 0);
    assert_true(turn(now + NS_PER_S) == TIME_NEVER);
    assert_int_equal(runs, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_runs_at_its_time),
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_past_runs_next),
        cmocka_unit_test(test_functions_that_set_and_cancel),
        cmocka_unit_test(test_never_is_not_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
