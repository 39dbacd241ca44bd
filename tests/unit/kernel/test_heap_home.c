/* Blocks freed on another CPU: heap_home.c. */
#include "kernel/cpu/exchange.h"
#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/poison.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include <stdatomic.h>
#include <string.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { SMALL = 61, LARGE = 253 }; /* blocks in a parcel */

/* Sleep until `count` have come to this CPU in all; whether they did. */
static bool await_home(uint64_t count)
{
    for (int i = 0; i < 1000 && stats().came_home < count; i++)
        thread_sleep(NS_PER_MS);
    return stats().came_home == count;
}

/* Blocks that CPU 0 fills in and others free. */
enum { BLOCKS = 3000 };

static struct {
    char *block[BLOCKS];
    size_t count;
} all;

static void fill(size_t count, size_t size)
{
    all.count = count;
    for (size_t i = 0; i < count; i++) {
        all.block[i] = mem_alloc(size);
        assert_non_null(all.block[i]);
    }
}

/* In one turn: they leave as one list. */
static int free_all(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < all.count; i++)
        mem_free(all.block[i]);
    return 0;
}

/* The same, without memory for the first parcel that is wanted. */
static int free_all_poor(void *arg)
{
    heap_fail(1);
    return free_all(arg);
}

/* Lists of many lengths. */
static int free_in_turns(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < all.count; i++) {
        mem_free(all.block[i]);
        mem_free(NULL);
        if (i % 700 == 0 || i % SMALL == 0)
            thread_yield();
    }
    return 0;
}

/* ---- Alone, and in parcels ----------------------------------------------- */

static int one_by_one(void *arg)
{
    size_t before = stats().block_count;

    (void)arg;
    fill(300, 40);
    for (int i = 0; i < 300; i++) {
        if (remote_call(1, free_block, all.block[i]) != 0)
            return 1;
    }
    if (!await_home(300) || stats().block_count > before + 1)
        return 2;
    return 0;
}

static void test_home_alone(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 8 << 20, one_by_one, NULL), 0);
}

static uint64_t items_from(unsigned cpu)
{
    struct exchange_counters counters;

    exchange_get_counters(cpu, &counters);
    return counters.received;
}

/* How many items it takes to bring 1000 blocks home, the reply not counted. */
static uint64_t items_for_1000(void)
{
    uint64_t expected = stats().came_home + 1000;
    uint64_t before;

    fill(1000, 64);
    before = items_from(1);
    assert_int_equal(remote_call(1, free_all, NULL), 0);
    assert_true(await_home(expected));
    return items_from(1) - before - 1;
}

static int parcels_grow(void *arg)
{
    size_t before = stats().block_count;

    (void)arg;
    /* One alone, a small parcel, then large ones. */
    if (items_for_1000() != 2 + (1000 - 1 - SMALL + LARGE - 1) / LARGE)
        return 1;
    /* The list before has shown that there are many. */
    if (items_for_1000() != (1000 + LARGE - 1) / LARGE)
        return 2;
    return stats().block_count <= before + 1 ? 0 : 3;
}

static void test_home_parcels_grow(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 8 << 20, parcels_grow, NULL), 0);
}

static int flood(void *arg)
{
    size_t before = stats().block_count;

    (void)arg;
    for (int round = 0; round < 5; round++) {
        uint64_t expected = stats().came_home + BLOCKS;

        fill(BLOCKS, round % 2 == 0 ? 40 : 200);
        if (remote_call(1, free_in_turns, NULL) != 0)
            return 1;
        if (!await_home(expected))
            return 2;
    }
    return stats().block_count <= before + 1 ? 0 : 3;
}

static void test_home_lists_of_all_lengths(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 8 << 20, flood, NULL), 0);
}

static int pages_home(void *arg)
{
    size_t blocks = stats().block_count;
    size_t bytes;

    (void)arg;
    mem_trim();
    bytes = stats().free_bytes;
    fill(10, 20000);
    if (remote_call(1, free_all, NULL) != 0 || !await_home(10))
        return 1;
    mem_trim();
    return stats().block_count <= blocks + 1 && stats().free_bytes >= bytes ? 0
                                                                            : 2;
}

static void test_home_of_whole_pages(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 8 << 20, pages_home, NULL), 0);
}

/* ---- Several owners ------------------------------------------------------ */

static int fill_second_half(void *arg)
{
    (void)arg;
    for (int i = 300; i < 600; i++)
        all.block[i] = mem_alloc(40);
    return 0;
}

/* Of two CPUs in turn, and some of its own. */
static int free_turn_about(void *arg)
{
    char *mine[300];

    (void)arg;
    for (int i = 0; i < 300; i++)
        mine[i] = mem_alloc(40);
    for (int i = 0; i < 300; i++) {
        mem_free(all.block[i]);
        mem_free(all.block[300 + i]);
        mem_free(mine[i]);
    }
    return 0;
}

static int await_300(void *arg)
{
    (void)arg;
    return await_home(300) ? 0 : 1;
}

static int two_homes(void *arg)
{
    (void)arg;
    fill(300, 40);
    if (remote_call(1, fill_second_half, NULL) != 0 ||
        remote_call(2, free_turn_about, NULL) != 0)
        return 1;
    return await_300(NULL) + remote_call(1, await_300, NULL);
}

static void test_home_is_each_ones_own(void **state)
{
    (void)state;
    assert_int_equal(machine_run(3, 8 << 20, two_homes, NULL), 0);
}

/* ---- Nobody sleeps ------------------------------------------------------- */

static atomic_int freed;
static atomic_int spare_came;

/* Free enough for five parcels, then wait, awake, for one to come back. */
static int free_and_stay_awake(void *arg)
{
    uint64_t end = time_ns() + 10 * NS_PER_S;

    free_all(arg);
    atomic_store(&freed, 1);
    while (heap_self()->spare == NULL && time_ns() < end)
        thread_yield();
    atomic_store(&spare_came, heap_self()->spare != NULL ? 1 : 2);
    return 0;
}

static int stay_awake(void *arg)
{
    const struct thread_attr there = {.place = THREAD_ON_CPU, .cpu = 1};
    thread_id id;

    (void)arg;
    fill(1 + SMALL + 3 * LARGE, 64);
    if (thread_create(&there, free_and_stay_awake, NULL, &id) != 0)
        return 1;
    while (atomic_load(&spare_came) == 0)
        thread_yield();
    if (stats().came_home < all.count)
        return 2;
    return atomic_load(&spare_came) == 1 ? thread_join(id, NULL) : 3;
}

/* Full parcels leave, and four empty ones come back, though no CPU idles. */
static void test_home_without_sleep(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 8 << 20, stay_awake, NULL), 0);
}

/* ---- Without memory ------------------------------------------------------ */

static int poor(void *arg)
{
    (void)arg;
    for (int round = 0; round < 3; round++) {
        uint64_t expected = stats().came_home + 200;

        fill(200, 40);
        if (remote_call(1, free_all_poor, NULL) != 0)
            return 1;
        if (!await_home(expected))
            return 2;
        /* So that there is a small parcel, and the next list wants another. */
        fill(1 + SMALL, 40);
        expected += all.count;
        if (remote_call(1, free_all, NULL) != 0 || !await_home(expected))
            return 3;
    }
    return 0;
}

static void test_home_without_memory_for_parcels(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 8 << 20, poor, NULL), 0);
}

/* ---- memcheck=1 ---------------------------------------------------------- */

static char output[8192];

static int checked(void *arg)
{
    (void)arg;
    fill(200, 100);
    if (remote_call(1, free_all, NULL) != 0)
        return 1;
    return await_home(200) ? 0 : 2;
}

/* One in the middle of a parcel is freed again, later in the same list. */
static int free_again(void *arg)
{
    free_all(arg);
    mem_free(all.block[5]);
    return 0;
}

static int checked_twice(void *arg)
{
    (void)arg;
    fill(20, 100);
    return remote_call(1, free_again, NULL);
}

static void test_home_with_checks(void **state)
{
    (void)state;
    assert_int_equal(machine_run_output(2, 8 << 20, "memcheck=1", checked, NULL,
                                        output, sizeof(output)),
                     0);
    assert_int_equal(machine_run_output(2, 8 << 20, "memcheck=1", checked_twice,
                                        NULL, output, sizeof(output)),
                     134);
    assert_non_null(strstr(output, "is freed a second time"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_home_alone),
        cmocka_unit_test(test_home_parcels_grow),
        cmocka_unit_test(test_home_lists_of_all_lengths),
        cmocka_unit_test(test_home_of_whole_pages),
        cmocka_unit_test(test_home_is_each_ones_own),
        cmocka_unit_test(test_home_without_sleep),
        cmocka_unit_test(test_home_without_memory_for_parcels),
        cmocka_unit_test(test_home_with_checks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
