#include "kernel/heap/heap.h"
#include "kernel/thread/sync_check.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <limits.h>
#include <string.h>
#include <torc/errno.h>
#include <torc/machine.h>
#include <torc/message.h>
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

static void test_channel_keeps_order_and_wraps(void **state)
{
    struct channel *channel;
    uint64_t value;

    (void)state;
    assert_int_equal(channel_create(3, &channel), 0);
    for (uint64_t round = 0; round < 10; round++) {
        for (uint64_t i = 0; i < 3; i++)
            assert_int_equal(channel_send(channel, round * 3 + i), 0);
        for (uint64_t i = 0; i < 3; i++) {
            assert_int_equal(channel_receive(channel, TIME_NEVER, &value), 0);
            assert_int_equal(value, round * 3 + i);
        }
    }
    assert_int_equal(channel_destroy(channel), 0);
}

static int receive_one(void *arg)
{
    uint64_t value = 0;

    return channel_receive(arg, TIME_NEVER, &value) == 0 ? (int)value : -1;
}

static void test_channel_with_a_receiver_stays(void **state)
{
    struct channel *channel;
    thread_id id;
    int value;

    (void)state;
    assert_int_equal(channel_create(1, &channel), 0);
    assert_int_equal(thread_create(NULL, receive_one, channel, &id), 0);
    thread_yield();
    assert_int_equal(channel_destroy(channel), -EBUSY);
    assert_int_equal(channel_send(channel, 5), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 5);
    assert_int_equal(channel_destroy(channel), 0);
}

static void test_channel_full_drops_the_newest(void **state)
{
    struct channel *channel;
    uint64_t value;

    (void)state;
    assert_int_equal(channel_create(2, &channel), 0);
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(channel_send(channel, i), 0);
    channel_check(channel);
    assert_int_equal(channel_destroy(channel), -EBUSY);
    assert_int_equal(channel_receive(channel, TIME_NEVER, &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(channel_receive(channel, TIME_NEVER, &value), 0);
    assert_int_equal(value, 1);
    assert_int_equal(channel_receive(channel, time_ns(), &value), -ETIMEDOUT);
    assert_int_equal(channel_destroy(channel), 0);
}

static void test_channel_arguments(void **state)
{
    struct channel *channel;

    (void)state;
    assert_int_equal(channel_create(0, &channel), -EINVAL);
    assert_int_equal(channel_create(UINT_MAX, &channel), -ENOMEM);
    assert_int_equal(channel_create(UINT_MAX / 8 + 1, &channel), -ENOMEM);
    heap_fail(1);
    assert_int_equal(channel_create(1, &channel), -ENOMEM);
}

static int send_later(void *arg)
{
    thread_sleep(NS_PER_MS);
    return channel_send(arg, 99);
}

static void test_channel_receive_waits(void **state)
{
    struct channel *channel;
    uint64_t value;
    thread_id id;

    (void)state;
    assert_int_equal(channel_create(1, &channel), 0);
    assert_int_equal(thread_create(NULL, send_later, channel, &id), 0);
    assert_int_equal(
        channel_receive(channel, time_ns() + 10 * NS_PER_S, &value), 0);
    assert_int_equal(value, 99);
    assert_int_equal(thread_join(id, NULL), 0);
    assert_int_equal(channel_destroy(channel), 0);
}

static int receive_before(void *arg)
{
    uint64_t value;
    int status = channel_receive(arg, time_ns() + NS_PER_MS, &value);

    return status != 0 ? status : (int)value;
}

/* Its time was over, but a value came before its turn. */
static void test_channel_receive_in_the_last_moment(void **state)
{
    struct channel *channel;
    uint64_t end;
    thread_id id;
    int value;

    (void)state;
    assert_int_equal(channel_create(1, &channel), 0);
    assert_int_equal(thread_create(NULL, receive_before, channel, &id), 0);
    thread_yield();
    for (end = time_ns() + 2 * NS_PER_MS; time_ns() < end;)
        ;
    timer_run(time_ns()); /* it is woken */
    assert_int_equal(channel_send(channel, 7), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 7);
    assert_int_equal(channel_destroy(channel), 0);
}

/* ---- Between CPUs -------------------------------------------------------- */

static int send_thousand(void *arg)
{
    for (uint64_t i = 0; i < 1000; i++) {
        if (channel_send(arg, (uint64_t)cpu_id() << 32 | i) != 0)
            return 1;
    }
    return 0;
}

static int receive_foreign(void *arg)
{
    uint64_t value;

    return channel_receive(arg, TIME_NEVER, &value) == -EXDEV &&
                   channel_destroy(arg) == -EXDEV
               ? 0
               : 1;
}

static int many_senders(void *arg)
{
    uint64_t next[4] = {0};
    struct channel *channel;
    struct mem_stats stats;

    (void)arg;
    if (channel_create(4000, &channel) != 0)
        return 1;
    if (remote_call(1, receive_foreign, channel) != 0)
        return 2;
    for (unsigned cpu = 1; cpu < 4; cpu++) {
        const struct thread_attr attr = {.place = THREAD_ON_CPU, .cpu = cpu};

        if (thread_create(&attr, send_thousand, channel, NULL) != 0)
            return 3;
    }
    for (int i = 0; i < 3000; i++) {
        uint64_t value;

        if (channel_receive(channel, time_ns() + 20 * NS_PER_S, &value) != 0)
            return 4;
        if ((value & 0xffffffff) != next[value >> 32]++)
            return 5;
    }
    mem_get_stats(&stats);
    return channel_destroy(channel) == 0 ? 0 : 6;
}

static void test_channel_many_senders_each_in_order(void **state)
{
    (void)state;
    assert_int_equal(machine_run(4, 8 << 20, many_senders, NULL), 0);
}

static int stay(void *arg)
{
    (void)arg;
    thread_sleep(TIME_NEVER);
    return 0;
}

/* As many threads as CPU 1 may have. */
static int fill(void *arg)
{
    int status;

    (void)arg;
    do {
        status = thread_create(NULL, stay, NULL, NULL);
    } while (status == 0);
    return status;
}

static int nothing(void *arg)
{
    (void)arg;
    return 42;
}

/* The far CPU has no room for the thread: the caller hears of it. */
static int call_without_room(void *arg)
{
    (void)arg;
    if (remote_call(1, fill, NULL) != -EAGAIN)
        return 1;
    if (remote_call(1, nothing, NULL) != 42) /* the place of fill() */
        return 2;
    if (remote_call(1, fill, NULL) != -EAGAIN)
        return 3;
    return 0;
}

static int call_without_any_room(void *arg)
{
    const struct thread_attr attr = {.place = THREAD_ON_CPU, .cpu = 1};
    thread_id id = 77;

    if (call_without_room(arg) != 0)
        return 1;
    if (thread_create(&attr, stay, NULL, NULL) != 0)
        return 2;
    if (thread_create(&attr, stay, NULL, &id) != -EAGAIN || id != 77)
        return 3;
    return remote_call(1, nothing, NULL) == -EAGAIN ? 0 : 4;
}

static void test_remote_call_reports_no_room(void **state)
{
    char output[1024];

    (void)state;
    assert_int_equal(machine_run_output(2, 8 << 20, "threads=5",
                                        call_without_any_room, NULL, output,
                                        sizeof(output)),
                     0);
}

/* ---- Remote calls that do not return ------------------------------------- */

static int exit_early(void *arg)
{
    (void)arg;
    thread_exit(9);
}

static int kill_itself(void *arg)
{
    (void)arg;
    (void)!thread_kill(thread_self());
    return 9;
}

static int exit_elsewhere(void *arg)
{
    if (thread_migrate(0) != 0)
        return 1;
    return exit_early(arg);
}

/* The thread that runs `fn` ends without a value: the caller is told. */
static int call_what_ends(void *arg)
{
    (void)arg;
    if (remote_call(1, exit_early, NULL) != -ECANCELED)
        return 1;
    if (remote_call(1, kill_itself, NULL) != -ECANCELED)
        return 2;
    if (remote_call(1, exit_elsewhere, NULL) != -ECANCELED)
        return 3;
    return remote_call(1, nothing, NULL) == 42 ? 0 : 4;
}

/* Kill the thread of a remote call on this CPU, whichever of the first ids it
 * has (thread_table.c); whether there was one. */
static bool kill_remote(void)
{
    for (thread_id slot = 0; slot < 8; slot++) {
        for (thread_id generation = 1; generation < 4; generation++) {
            thread_id id = generation << 32 | (thread_id)cpu_id() << 24 | slot;
            struct thread_info info;

            if (thread_get_info(id, &info) == 0 &&
                strcmp(info.name, "remote") == 0)
                return thread_kill(id) == 0;
        }
    }
    return false;
}

static bool was_killed; /* CPU 1 only */

static int kill_when_it_comes(void *arg)
{
    (void)arg;
    while (!was_killed) {
        was_killed = kill_remote();
        thread_yield();
    }
    return 0;
}

/* Two threads take turns, so that one of them runs between the creation of the
 * call's thread and its first turn. */
static int call_what_is_killed_first(void *arg)
{
    const struct thread_attr attr = {.place = THREAD_ON_CPU, .cpu = 1};
    thread_id killer[2];

    (void)arg;
    for (int i = 0; i < 2; i++) {
        if (thread_create(&attr, kill_when_it_comes, NULL, &killer[i]) != 0)
            return 1;
    }
    if (remote_call(1, nothing, NULL) != -ECANCELED)
        return 2;
    for (int i = 0; i < 2; i++) {
        if (thread_join(killer[i], NULL) != 0)
            return 3;
    }
    return 0;
}

static void test_remote_call_ends_with_its_thread(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 8 << 20, call_what_ends, NULL), 0);
    assert_int_equal(machine_run(2, 8 << 20, call_what_is_killed_first, NULL),
                     0);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_channel_keeps_order_and_wraps),
        ATTACHED(test_channel_with_a_receiver_stays),
        ATTACHED(test_channel_full_drops_the_newest),
        ATTACHED(test_channel_arguments),
        ATTACHED(test_channel_receive_waits),
        ATTACHED(test_channel_receive_in_the_last_moment),
        cmocka_unit_test(test_channel_many_senders_each_in_order),
        cmocka_unit_test(test_remote_call_reports_no_room),
        cmocka_unit_test(test_remote_call_ends_with_its_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
