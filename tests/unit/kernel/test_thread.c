#include "kernel/heap.h"
#include "kernel/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <string.h>
#include <torc/machine.h>
#include <torc/time.h>

static int setup(void **state)
{
    (void)state;
    machine_attach(16 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_detach();
    return 0;
}

static char track[64];

static int append(void *arg)
{
    for (int i = 0; i < 3; i++) {
        size_t len = strlen(track);

        track[len] = *(char *)arg;
        track[len + 1] = '\0';
        thread_yield();
    }
    return *(char *)arg;
}

static void test_thread_round_robin_and_join(void **state)
{
    char name_a[] = "a", name_b[] = "b";
    thread_id a, b;
    int value;

    (void)state;
    track[0] = '\0';
    assert_int_equal(thread_create(NULL, append, name_a, &a), 0);
    assert_int_equal(thread_create(NULL, append, name_b, &b), 0);
    assert_int_not_equal(a, b);
    assert_int_equal(thread_join(a, &value), 0);
    assert_int_equal(value, 'a');
    assert_int_equal(thread_join(b, &value), 0);
    assert_int_equal(value, 'b');
    assert_string_equal(track, "ababab");
}

static int give_7(void *arg)
{
    (void)arg;
    thread_exit(7);
}

static void test_thread_join_errors(void **state)
{
    thread_id id;
    int value;

    (void)state;
    assert_int_equal(thread_create(NULL, give_7, NULL, &id), 0);
    assert_int_equal(thread_join(thread_self(), NULL), -ESRCH); /* adopted */
    assert_int_equal(thread_join(id + 1, NULL), -ESRCH);
    assert_int_equal(thread_join(id | UINT64_C(5) << 24, NULL), -ESRCH);
    thread_yield(); /* it ends before the join */
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 7);
    assert_int_equal(thread_join(id, NULL), -ESRCH);
    assert_int_equal(thread_detach(id), -ESRCH);
}

static int join_self(void *arg)
{
    (void)arg;
    return thread_join(thread_self(), NULL);
}

static void test_thread_join_itself(void **state)
{
    thread_id id;
    int value;

    (void)state;
    assert_int_equal(thread_create(NULL, join_self, NULL, &id), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, -EDEADLK);
}

static int join_other(void *arg)
{
    return thread_join(*(thread_id *)arg, NULL);
}

static int sleep_a_little(void *arg)
{
    (void)arg;
    thread_sleep(NS_PER_MS);
    return 0;
}

static void test_thread_second_joiner_is_refused(void **state)
{
    thread_id target, first;
    int value;

    (void)state;
    assert_int_equal(thread_create(NULL, sleep_a_little, NULL, &target), 0);
    assert_int_equal(thread_create(NULL, join_other, &target, &first), 0);
    thread_yield();
    assert_int_equal(thread_join(target, NULL), -EBUSY);
    assert_int_equal(thread_detach(target), -EBUSY);
    assert_int_equal(thread_join(first, &value), 0);
    assert_int_equal(value, 0);
}

static void test_thread_detached_frees_itself(void **state)
{
    struct mem_stats before, after;
    thread_id id;

    (void)state;
    assert_int_equal(thread_create(NULL, give_7, NULL, &id), 0);
    assert_int_equal(thread_join(id, NULL), 0);
    mem_get_stats(&before);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(thread_create(NULL, give_7, NULL, &id), 0);
        assert_int_equal(thread_detach(id), 0);
        thread_yield();
    }
    mem_get_stats(&after);
    assert_int_equal(before.block_count, after.block_count);
    assert_int_equal(before.free_bytes, after.free_bytes);
    assert_int_equal(thread_create(NULL, give_7, NULL, &id), 0);
    thread_yield(); /* ended first, detached then */
    assert_int_equal(thread_detach(id), 0);
    mem_get_stats(&after);
    assert_int_equal(before.block_count, after.block_count);
}

static void test_thread_attributes(void **state)
{
    const struct thread_attr small = {.stack_size = THREAD_STACK_MIN - 1};
    const struct thread_attr large = {.stack_size = THREAD_STACK_MAX + 1};
    const struct thread_attr nowhere = {.place = THREAD_ON_CPU, .cpu = 1};
    thread_id id;

    (void)state;
    assert_int_equal(thread_create(&small, give_7, NULL, &id), -EINVAL);
    assert_int_equal(thread_create(&large, give_7, NULL, &id), -EINVAL);
    assert_int_equal(thread_create(&nowhere, give_7, NULL, &id), -EINVAL);
    assert_int_equal(thread_create(NULL, NULL, NULL, &id), -EINVAL);
}

static int check_name(void *arg)
{
    return strcmp(thread_name(), arg);
}

static void test_thread_name_is_cut(void **state)
{
    const struct thread_attr attr = {.name = "a name that is too long"};
    char expected[] = "a name that is ";
    thread_id id;
    int value;

    (void)state;
    assert_int_equal(thread_create(&attr, check_name, expected, &id), 0);
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, 0);
}

static int stay(void *arg)
{
    while (!*(bool *)arg)
        thread_yield();
    return 0;
}

/* Threads until the memory is gone: an error, and everything comes back. */
static void test_thread_exhaustion(void **state)
{
    static thread_id ids[4096];
    struct mem_stats before, after;
    bool stop = false;
    int count = 0;
    int status;

    (void)state;
    mem_get_stats(&before);
    while ((status = thread_create(NULL, stay, &stop, &ids[count])) == 0)
        count++;
    assert_int_equal(status, -ENOMEM);
    assert_in_range(count, 500, 1000); /* 16 MiB by 20 KiB each */
    stop = true;
    for (int i = 0; i < count; i++)
        assert_int_equal(thread_join(ids[i], NULL), 0);
    mem_trim(); /* threads are kept for the next */
    mem_get_stats(&after);
    /* Kept: the table of threads. */
    assert_true(after.block_count <= before.block_count + 1);
    assert_true(after.free_bytes + 1100 * 1024 > before.free_bytes);
}

static void test_thread_create_survives_each_failed_allocation(void **state)
{
    thread_id first; /* makes the table, which stays */

    (void)state;
    assert_int_equal(thread_create(NULL, give_7, NULL, &first), 0);
    assert_int_equal(thread_join(first, NULL), 0);
    for (uint64_t n = 1; n < 10; n++) {
        struct mem_stats before, after;
        thread_id id;
        int status;

        mem_get_stats(&before);
        heap_fail(n);
        status = thread_create(NULL, give_7, NULL, &id);
        if (!heap_failed()) {
            heap_fail(0);
            assert_int_equal(status, 0);
            assert_int_equal(thread_join(id, NULL), 0);
            return;
        }
        assert_int_equal(status, -ENOMEM);
        mem_get_stats(&after);
        assert_int_equal(before.block_count, after.block_count);
    }
    fail_msg("thread_create allocates without end");
}

static void test_thread_sleep_is_not_early(void **state)
{
    uint64_t start = time_ns();

    (void)state;
    thread_sleep(2 * NS_PER_MS);
    assert_true(time_ns() - start >= 2 * NS_PER_MS);
    thread_sleep_until(start); /* past: returns */
}

/* ---- Several CPUs -------------------------------------------------------- */

static int where(void *arg)
{
    (void)arg;
    return (int)cpu_id();
}

static int on_every_cpu(void *arg)
{
    (void)arg;
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        const struct thread_attr attr = {.place = THREAD_ON_CPU, .cpu = cpu};
        thread_id id;
        int value;

        if (thread_create(&attr, where, NULL, &id) != 0)
            return 1;
        if (thread_join(id, &value) != 0 || value != (int)cpu)
            return 2;
        if (thread_detach(id) != -ESRCH)
            return 3;
    }
    return 0;
}

static void test_thread_on_every_cpu(void **state)
{
    (void)state;
    assert_int_equal(machine_run(8, 8 << 20, on_every_cpu, NULL), 0);
}

static int overflow(void *arg)
{
    volatile char page[512];

    page[0] = (char)(uintptr_t)arg;
    if ((uintptr_t)arg == 1 << 30) /* for the compiler */
        return 0;
    return page[0] + overflow((void *)((uintptr_t)arg + 1)) + page[1];
}

static int overflowing(void *arg)
{
    const struct thread_attr attr = {.name = "deep"};
    thread_id id;

    (void)arg;
    if (thread_create(&attr, overflow, NULL, &id) != 0)
        return 1;
    return thread_join(id, NULL);
}

static void test_thread_overflow_is_named(void **state)
{
    char output[8192];
    int status = machine_run_output(1, 8 << 20, "", overflowing, NULL, output,
                                    sizeof(output));

    (void)state;
    assert_int_not_equal(status, 0);
    if (strstr(output, "panic: stack overflow") == NULL ||
        strstr(output, "thread deep") == NULL)
        fail_msg("no stack overflow in: %s", output);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_thread_round_robin_and_join),
        ATTACHED(test_thread_join_errors),
        ATTACHED(test_thread_join_itself),
        ATTACHED(test_thread_second_joiner_is_refused),
        ATTACHED(test_thread_detached_frees_itself),
        ATTACHED(test_thread_attributes),
        ATTACHED(test_thread_name_is_cut),
        ATTACHED(test_thread_exhaustion),
        ATTACHED(test_thread_create_survives_each_failed_allocation),
        ATTACHED(test_thread_sleep_is_not_early),
        cmocka_unit_test(test_thread_on_every_cpu),
        cmocka_unit_test(test_thread_overflow_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
