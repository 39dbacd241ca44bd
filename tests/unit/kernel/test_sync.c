#include "kernel/heap/heap.h"
#include "kernel/thread/sync_check.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/sync.h>
#include <torc/thread.h>
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

static char track[32];

static void yield_some(void)
{
    for (int i = 0; i < 5; i++)
        thread_yield();
}

/* ---- Events -------------------------------------------------------------- */

static int wait_event(void *arg)
{
    int status = event_wait(arg, TIME_NEVER);

    strcat(track, "w");
    return status;
}

static void test_event_wakes_all_and_stays(void **state)
{
    struct event *event;
    thread_id ids[3];
    int value;

    (void)state;
    track[0] = '\0';
    assert_int_equal(event_create(&event), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(thread_create(NULL, wait_event, event, &ids[i]), 0);
    yield_some();
    assert_string_equal(track, "");
    event_check(event);
    assert_int_equal(event_set(event), 0);
    event_check(event);
    assert_int_equal(event_clear(event), 0); /* those waiting go on */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(thread_join(ids[i], &value), 0);
        assert_int_equal(value, 0);
    }
    assert_string_equal(track, "www");
    assert_int_equal(event_wait(event, time_ns() + NS_PER_MS), -ETIMEDOUT);
    assert_int_equal(event_set(event), 0);
    assert_int_equal(event_wait(event, 0), 0);
    event_check(event);
    assert_int_equal(event_destroy(event), 0);
}

/* ---- Semaphores ---------------------------------------------------------- */

static int take_one(void *arg)
{
    int status = semaphore_wait(arg, TIME_NEVER);

    strcat(track, thread_name());
    return status;
}

static void test_semaphore_counts_and_keeps_order(void **state)
{
    const struct thread_attr first = {.name = "1"}, second = {.name = "2"};
    struct semaphore *semaphore;
    thread_id ids[2];

    (void)state;
    track[0] = '\0';
    assert_int_equal(semaphore_create(1, &semaphore), 0);
    assert_int_equal(semaphore_post(semaphore), 0);
    assert_int_equal(semaphore_wait(semaphore, 0), 0);
    assert_int_equal(semaphore_wait(semaphore, 0), 0);
    assert_int_equal(semaphore_wait(semaphore, 0), -ETIMEDOUT);
    assert_int_equal(semaphore_wait(semaphore, time_ns() + NS_PER_MS),
                     -ETIMEDOUT);
    assert_int_equal(thread_create(&first, take_one, semaphore, &ids[0]), 0);
    assert_int_equal(thread_create(&second, take_one, semaphore, &ids[1]), 0);
    yield_some();
    semaphore_check(semaphore);
    assert_int_equal(semaphore_post(semaphore), 0);
    /* Handed over: nobody can come in between. */
    assert_int_equal(semaphore_wait(semaphore, 0), -ETIMEDOUT);
    assert_int_equal(semaphore_post(semaphore), 0);
    assert_int_equal(thread_join(ids[0], NULL), 0);
    assert_int_equal(thread_join(ids[1], NULL), 0);
    assert_string_equal(track, "12");
    semaphore_check(semaphore);
    assert_int_equal(semaphore_destroy(semaphore), 0);
    assert_int_equal(semaphore_create(UINT64_MAX, &semaphore), 0);
    assert_int_equal(semaphore_post(semaphore), -EOVERFLOW);
    assert_int_equal(semaphore_destroy(semaphore), 0);
}

/* ---- Mutexes ------------------------------------------------------------- */

static int lock_and_track(void *arg)
{
    if (mutex_lock(arg, TIME_NEVER) != 0)
        return 1;
    strcat(track, thread_name());
    thread_yield();
    strcat(track, thread_name());
    return mutex_unlock(arg);
}

static int unlock_foreign(void *arg)
{
    return mutex_unlock(arg);
}

/* ---- Deadlocks ----------------------------------------------------------- */

static struct mutex *ring[3];
static int locked[3]; /* what the second lock of each thread has said */

static int lock_two(void *arg)
{
    unsigned i = *(unsigned *)arg;

    assert_int_equal(mutex_lock(ring[i], TIME_NEVER), 0);
    thread_yield();
    locked[i] = mutex_lock(ring[(i + 1) % 3], TIME_NEVER);
    if (locked[i] == 0)
        assert_int_equal(mutex_unlock(ring[(i + 1) % 3]), 0);
    assert_int_equal(mutex_unlock(ring[i]), 0);
    return 0;
}

/* Of three that wait in a circle the last is told, and then the others go on;
 * who waits with a deadline closes no circle. */
static void test_mutex_deadlock_is_told(void **state)
{
    static unsigned number[3] = {0, 1, 2};
    thread_id ids[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(mutex_create(&ring[i]), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(thread_create(NULL, lock_two, &number[i], &ids[i]), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(thread_join(ids[i], NULL), 0);
    assert_int_equal(locked[0], 0);
    assert_int_equal(locked[1], 0);
    assert_int_equal(locked[2], -EDEADLK);

    assert_int_equal(mutex_lock(ring[1], TIME_NEVER), 0);
    assert_int_equal(thread_create(NULL, lock_two, &number[0], &ids[0]), 0);
    thread_yield();
    thread_yield(); /* it waits for ring[1] */
    assert_int_equal(mutex_lock(ring[0], TIME_NEVER), -EDEADLK);
    assert_int_equal(mutex_lock(ring[0], time_ns()), -ETIMEDOUT);
    assert_int_equal(mutex_unlock(ring[1]), 0);
    assert_int_equal(thread_join(ids[0], NULL), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(mutex_destroy(ring[i]), 0);
}

/* It is the waiter's from the unlock on, before the waiter runs. */
static void test_mutex_is_locked_again_behind_a_waiter(void **state)
{
    struct mutex *mutex;
    thread_id id;
    int value;

    (void)state;
    track[0] = '\0';
    assert_int_equal(mutex_create(&mutex), 0);
    assert_int_equal(mutex_lock(mutex, TIME_NEVER), 0);
    assert_int_equal(thread_create(NULL, lock_and_track, mutex, &id), 0);
    yield_some();
    assert_int_equal(mutex_unlock(mutex), 0);
    assert_int_equal(mutex_lock(mutex, TIME_NEVER), 0);
    assert_string_equal(track, "threadthread");
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(mutex_unlock(mutex), 0);
    assert_int_equal(mutex_destroy(mutex), 0);
}

/* ---- A holder that has gone ---------------------------------------------- */

static int lock_and_end(void *arg)
{
    return mutex_lock(arg, 0);
}

/* In the memory of the thread that has ended with the mutex. */
static int use_locked(void *arg)
{
    return mutex_unlock(arg) == -EPERM && mutex_lock(arg, 0) == -ETIMEDOUT &&
                   mutex_lock(arg, time_ns() + NS_PER_MS) == -ETIMEDOUT
               ? 0
               : 1;
}

static int lock_for_ever(void *arg)
{
    return mutex_lock(arg, TIME_NEVER);
}

static void test_mutex_of_an_ended_thread(void **state)
{
    int (*const fns[])(void *) = {lock_and_end, use_locked};
    struct mutex *mutex;
    thread_id id;
    int value;

    (void)state;
    assert_int_equal(mutex_create(&mutex), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(thread_create(NULL, fns[i], mutex, &id), 0);
        assert_int_equal(thread_join(id, &value), 0);
        assert_int_equal(value, 0);
    }
    /* It waits, and nobody else is harmed. */
    assert_int_equal(thread_create(NULL, lock_for_ever, mutex, &id), 0);
    yield_some();
    mutex_check(mutex);
    assert_int_equal(mutex_destroy(mutex), -EBUSY);
}

static struct mutex *near, *far; /* of CPU 0, of CPU 1 */

static int lock_near_and_far(void *arg)
{
    (void)arg;
    return mutex_lock(near, TIME_NEVER) == 0 && thread_migrate(1) == 0 &&
                   mutex_lock(far, TIME_NEVER) == 0 && mutex_unlock(far) == 0 &&
                   thread_migrate(0) == 0 && mutex_unlock(near) == 0
               ? 0
               : 1;
}

static int lock_near_later(void *arg)
{
    (void)arg;
    return mutex_lock(near, TIME_NEVER) == 0 ? mutex_unlock(near) : 1;
}

/* The holder of what is waited for here waits on another CPU. */
static int holder_elsewhere(void *arg)
{
    thread_id ids[2];
    struct thread_info info;
    int value[2];

    (void)arg;
    if (mutex_create(&near) != 0 || thread_migrate(1) != 0 ||
        mutex_create(&far) != 0 || mutex_lock(far, 0) != 0 ||
        thread_migrate(0) != 0 ||
        thread_create(NULL, lock_near_and_far, NULL, &ids[0]) != 0)
        return 1;
    do {
        thread_yield();
        if (thread_get_info(ids[0], &info) != 0)
            return 2;
    } while (info.cpu != 1 || info.state != THREAD_WAITING);
    if (thread_create(NULL, lock_near_later, NULL, &ids[1]) != 0)
        return 3;
    yield_some();
    mutex_check(near);
    if (thread_migrate(1) != 0 || mutex_unlock(far) != 0 ||
        thread_migrate(0) != 0)
        return 4;
    for (int i = 0; i < 2; i++) {
        if (thread_join(ids[i], &value[i]) != 0 || value[i] != 0)
            return 5;
    }
    return mutex_destroy(near);
}

static int lock_as_a_guest(void *arg)
{
    (void)arg;
    return thread_migrate(0) == 0 && mutex_lock(near, TIME_NEVER) == 0 &&
                   mutex_lock(far, TIME_NEVER) == 0 && mutex_unlock(far) == 0 &&
                   mutex_unlock(near) == 0
               ? 0
               : 1;
}

/* Both mutexes are of CPU 0 here. */
static int guest_is_in_a_circle(void *arg)
{
    const struct thread_attr there = {.place = THREAD_ON_CPU, .cpu = 1};
    thread_id id;
    int value;

    (void)arg;
    if (mutex_create(&near) != 0 || mutex_create(&far) != 0 ||
        mutex_lock(far, 0) != 0 ||
        thread_create(&there, lock_as_a_guest, NULL, &id) != 0)
        return 1;
    while (mutex_lock(near, 0) == 0) {
        if (mutex_unlock(near) != 0)
            return 2;
        thread_yield();
    }
    thread_yield();
    if (mutex_lock(near, TIME_NEVER) != -EDEADLK || mutex_unlock(far) != 0)
        return 3;
    return thread_join(id, &value) == 0 && value == 0 ? 0 : 4;
}

static void test_mutex_holders_that_move(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 8 << 20, holder_elsewhere, NULL), 0);
    assert_int_equal(machine_run(2, 8 << 20, guest_is_in_a_circle, NULL), 0);
}

static void test_mutex_excludes_in_order(void **state)
{
    const struct thread_attr first = {.name = "1"}, second = {.name = "2"};
    struct mutex *mutex;
    thread_id ids[2], id;
    int value;

    (void)state;
    track[0] = '\0';
    assert_int_equal(mutex_create(&mutex), 0);
    assert_int_equal(mutex_lock(mutex, TIME_NEVER), 0);
    assert_int_equal(mutex_lock(mutex, TIME_NEVER), -EDEADLK);
    assert_int_equal(thread_create(NULL, unlock_foreign, mutex, &id), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, -EPERM);
    assert_int_equal(mutex_destroy(mutex), -EBUSY);
    assert_int_equal(thread_create(&first, lock_and_track, mutex, &ids[0]), 0);
    assert_int_equal(thread_create(&second, lock_and_track, mutex, &ids[1]), 0);
    yield_some();
    mutex_check(mutex);
    assert_int_equal(mutex_unlock(mutex), 0);
    mutex_check(mutex);
    /* The first in line has it already. */
    assert_int_equal(mutex_lock(mutex, 0), -ETIMEDOUT);
    assert_int_equal(mutex_lock(mutex, time_ns() + 5 * NS_PER_MS), 0);
    assert_string_equal(track, "1122");
    assert_int_equal(mutex_unlock(mutex), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(thread_join(ids[i], &value), 0);
        assert_int_equal(value, 0);
    }
    mutex_check(mutex);
    assert_int_equal(mutex_destroy(mutex), 0);
}

static int lock_until(void *arg)
{
    return mutex_lock(arg, time_ns() + NS_PER_MS);
}

static void test_mutex_times_out(void **state)
{
    struct mutex *mutex;
    thread_id id;
    int value;

    (void)state;
    assert_int_equal(mutex_create(&mutex), 0);
    assert_int_equal(mutex_lock(mutex, 0), 0);
    assert_int_equal(thread_create(NULL, lock_until, mutex, &id), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, -ETIMEDOUT);
    assert_int_equal(mutex_unlock(mutex), 0);
    assert_int_equal(mutex_destroy(mutex), 0);
}

/* ---- Without waiting ----------------------------------------------------- */

static int had_a_turn(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

static int lock_and_hold(void *arg)
{
    int status = mutex_lock(arg, 0);

    thread_yield();
    thread_yield();
    return status != 0 ? status : mutex_unlock(arg);
}

/* A deadline of 0 lets nobody else run. */
static void test_sync_deadline_0_does_not_wait(void **state)
{
    struct semaphore *semaphore;
    struct mutex *mutex;
    bool turn = false;
    thread_id ids[2];

    (void)state;
    assert_int_equal(semaphore_create(0, &semaphore), 0);
    assert_int_equal(mutex_create(&mutex), 0);
    assert_int_equal(thread_create(NULL, lock_and_hold, mutex, &ids[0]), 0);
    thread_yield();
    assert_int_equal(thread_create(NULL, had_a_turn, &turn, &ids[1]), 0);
    assert_int_equal(semaphore_wait(semaphore, 0), -ETIMEDOUT);
    assert_false(turn);
    assert_int_equal(mutex_lock(mutex, 0), -ETIMEDOUT);
    assert_false(turn);
    assert_int_equal(semaphore_wait(semaphore, 1), -ETIMEDOUT);
    assert_true(turn);
    for (int i = 0; i < 2; i++)
        assert_int_equal(thread_join(ids[i], NULL), 0);
    assert_int_equal(semaphore_destroy(semaphore), 0);
    assert_int_equal(mutex_destroy(mutex), 0);
}

/* ---- Failures ------------------------------------------------------------ */

static void test_sync_without_memory(void **state)
{
    struct semaphore *semaphore;
    struct event *event;
    struct mutex *mutex;

    (void)state;
    heap_fail(1);
    assert_int_equal(event_create(&event), -ENOMEM);
    heap_fail(1);
    assert_int_equal(semaphore_create(1, &semaphore), -ENOMEM);
    heap_fail(1);
    assert_int_equal(mutex_create(&mutex), -ENOMEM);
}

struct objects {
    struct event *event;
    struct semaphore *semaphore;
    struct mutex *mutex;
    struct channel *channel;
};

static int use_foreign(void *arg)
{
    struct objects *objects = arg;
    uint64_t value;

    return event_set(objects->event) == -EXDEV &&
                   event_clear(objects->event) == -EXDEV &&
                   event_wait(objects->event, 0) == -EXDEV &&
                   event_destroy(objects->event) == -EXDEV &&
                   semaphore_post(objects->semaphore) == -EXDEV &&
                   semaphore_wait(objects->semaphore, 0) == -EXDEV &&
                   semaphore_destroy(objects->semaphore) == -EXDEV &&
                   mutex_lock(objects->mutex, 0) == -EXDEV &&
                   mutex_unlock(objects->mutex) == -EXDEV &&
                   mutex_destroy(objects->mutex) == -EXDEV &&
                   channel_receive(objects->channel, 0, &value) == -EXDEV &&
                   channel_destroy(objects->channel) == -EXDEV
               ? 0
               : 1;
}

static int foreign(void *arg)
{
    struct objects objects;

    (void)arg;
    if (event_create(&objects.event) != 0 ||
        semaphore_create(1, &objects.semaphore) != 0 ||
        mutex_create(&objects.mutex) != 0 ||
        channel_create(1, &objects.channel) != 0)
        return 1;
    return remote_call(1, use_foreign, &objects);
}

static void test_objects_of_another_cpu_are_refused(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 8 << 20, foreign, NULL), 0);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_event_wakes_all_and_stays),
        ATTACHED(test_semaphore_counts_and_keeps_order),
        ATTACHED(test_mutex_deadlock_is_told),
        ATTACHED(test_mutex_is_locked_again_behind_a_waiter),
        ATTACHED(test_mutex_of_an_ended_thread),
        cmocka_unit_test(test_mutex_holders_that_move),
        ATTACHED(test_mutex_excludes_in_order),
        ATTACHED(test_mutex_times_out),
        ATTACHED(test_sync_deadline_0_does_not_wait),
        ATTACHED(test_sync_without_memory),
        cmocka_unit_test(test_objects_of_another_cpu_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
