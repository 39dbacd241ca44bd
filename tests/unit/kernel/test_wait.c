#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/sched.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/timer.h"
#include "kernel/thread/wait.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <torc/time.h>

static int setup(void **state)
{
    (void)state;
    machine_attach(8 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_detach();
    return 0;
}

static struct wait_queue queue;
static int woken[8];
static int woken_count;

static int waiter(void *arg)
{
    wait_on(&queue);
    woken[woken_count++] = *(int *)arg;
    return 0;
}

static void start(thread_id ids[3], int numbers[3])
{
    wait_queue_init(&queue);
    woken_count = 0;
    for (int i = 0; i < 3; i++) {
        numbers[i] = i;
        assert_int_equal(thread_create(NULL, waiter, &numbers[i], &ids[i]), 0);
    }
    thread_yield();
    assert_false(wait_queue_empty(&queue));
}

static void test_wait_wakes_oldest_first(void **state)
{
    thread_id ids[3];
    int numbers[3];

    (void)state;
    start(ids, numbers);
    for (int i = 0; i < 3; i++) {
        wait_wake_one(&queue);
        thread_yield();
        assert_int_equal(woken_count, i + 1);
        assert_int_equal(woken[i], i);
    }
    wait_wake_one(&queue); /* nobody: harmless */
    for (int i = 0; i < 3; i++)
        assert_int_equal(thread_join(ids[i], NULL), 0);
}

static void test_wait_wakes_all(void **state)
{
    thread_id ids[3];
    int numbers[3];

    (void)state;
    start(ids, numbers);
    wait_wake_all(&queue);
    assert_true(wait_queue_empty(&queue));
    for (int i = 0; i < 3; i++)
        assert_int_equal(thread_join(ids[i], NULL), 0);
    assert_int_equal(woken_count, 3);
}

static void test_wait_times_out(void **state)
{
    uint64_t deadline = time_ns() + NS_PER_MS;

    (void)state;
    wait_queue_init(&queue);
    assert_int_equal(wait_on_until(&queue, deadline), -ETIMEDOUT);
    assert_true(time_ns() >= deadline);
    assert_true(wait_queue_empty(&queue));
    assert_int_equal(wait_on_until(&queue, 0), -ETIMEDOUT);
}

static int waker(void *arg)
{
    (void)arg;
    wait_wake_one(&queue);
    return 0;
}

static void test_wait_woken_before_deadline(void **state)
{
    thread_id id;

    (void)state;
    wait_queue_init(&queue);
    assert_int_equal(thread_create(NULL, waker, NULL, &id), 0);
    assert_int_equal(wait_on_until(&queue, time_ns() + 60 * NS_PER_S), 0);
    assert_int_equal(thread_join(id, NULL), 0);
    assert_int_equal(thread_create(NULL, waker, NULL, &id), 0);
    assert_int_equal(wait_on_until(&queue, TIME_NEVER), 0);
    assert_int_equal(thread_join(id, NULL), 0);
}

static int wait_a_little(void *arg)
{
    (void)arg;
    return wait_on_until(&queue, time_ns() + NS_PER_MS);
}

/* Woken in time; that the time is over before its turn changes nothing. */
static void test_wait_woken_before_its_turn(void **state)
{
    uint64_t now = time_ns();
    thread_id id;
    int value;

    (void)state;
    wait_queue_init(&queue);
    clock_set(now);
    assert_int_equal(thread_create(NULL, wait_a_little, NULL, &id), 0);
    thread_yield();
    clock_set(now + 2 * NS_PER_MS);
    wait_wake_one(&queue);
    timer_run(time_ns());
    sched_check(cpu_self());
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 0);
    clock_set(0);
}

/* A sleep is not early, though its wait is. It is long, since a busy host may
 * give the processor to others before it begins. */
static void test_sleep_without_memory_for_the_timer(void **state)
{
    uint64_t end = time_ns() + 300 * NS_PER_MS;

    (void)state;
    heap_fail(1);
    thread_sleep_until(end);
    assert_true(heap_failed());
    assert_true(time_ns() >= end);
}

static void test_wait_without_memory_for_the_timer(void **state)
{
    (void)state;
    wait_queue_init(&queue);
    heap_fail(1);
    assert_int_equal(wait_on_until(&queue, time_ns() + 60 * NS_PER_S),
                     -ETIMEDOUT);
    assert_true(heap_failed());
    assert_true(wait_queue_empty(&queue));
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_wait_wakes_oldest_first),
        ATTACHED(test_wait_wakes_all),
        ATTACHED(test_wait_times_out),
        ATTACHED(test_wait_woken_before_deadline),
        ATTACHED(test_wait_woken_before_its_turn),
        ATTACHED(test_sleep_without_memory_for_the_timer),
        ATTACHED(test_wait_without_memory_for_the_timer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
