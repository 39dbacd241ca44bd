/*
 * The way home step by step. The CPUs of the machine do not run: the test is
 * one of them at a time, and looks into the parcels.
 */
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include <stdlib.h>

enum { CPUS = 3, SMALL = 61, LARGE = 253, BLOCKS = 2000 };

static void *block[BLOCKS];
static unsigned made, freed;

/* From now on the test is that CPU. */
static struct heap *be(unsigned cpu)
{
    hal_cpu_set_local(cpu_of(cpu));
    return heap_self();
}

/* One pass of a CPU, and what it sends lazily leaves too. */
static void pass(unsigned cpu)
{
    (void)be(cpu);
    (void)exchange_pass(cpu_self());
    heap_all_check(heap_self());
}

static void pass_and_sleep(unsigned cpu)
{
    pass(cpu);
    (void)exchange_may_sleep();
    exchange_wake();
}

/* CPU 0 makes blocks, CPU 1 frees them, the oldest first. */
static void make(unsigned count)
{
    (void)be(0);
    for (unsigned i = 0; i < count; i++) {
        assert_true(made < BLOCKS);
        block[made] = mem_alloc(64);
        assert_non_null(block[made++]);
    }
}

static void free_some(unsigned count)
{
    (void)be(1);
    for (unsigned i = 0; i < count; i++)
        mem_free(block[freed++]);
}

/* How many items wait to leave CPU 1 for home. */
static unsigned items(void)
{
    const struct queue_node *node = cpu_of(1)->exchange->links[0].newest;
    unsigned count = 0;

    for (; node != NULL; node = node->next)
        count++;
    return count;
}

static const struct open_parcel *open_parcel(void)
{
    return &heap_of(cpu_of(1))->open[0];
}

static bool is_urgent(unsigned cpu)
{
    return cpu_of(cpu)->exchange->urgent;
}

static int setup(void **state)
{
    (void)state;
    machine_attach_still(CPUS, 4 << 20);
    made = freed = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    /* All lists arrive: nothing is lost. */
    for (int i = 0; i < 3; i++) {
        pass_and_sleep(1);
        pass_and_sleep(0);
    }
    assert_int_equal(stats().came_home, freed);
    assert_int_equal(stats().block_count, made - freed);
    (void)be(1);
    assert_int_equal(stats().sent_home, freed);
    assert_int_equal(stats().block_count, heap_self()->spare != NULL);
    (void)be(0);
    machine_detach();
    return 0;
}

/* ---- Parcels ------------------------------------------------------------- */

/* One alone, a small parcel until it is full, a large one. */
static void test_first_list(void **state)
{
    (void)state;
    make(1 + SMALL + 10);
    free_some(1);
    assert_int_equal(items(), 1);
    assert_null(open_parcel()->parcel);
    free_some(1);
    assert_int_equal(items(), 2);
    assert_non_null(open_parcel()->parcel);
    assert_int_equal(open_parcel()->parcel->room, SMALL);
    assert_int_equal(open_parcel()->parcel->count, 1);
    assert_int_equal(open_parcel()->parcel->from, 1);
    free_some(SMALL - 2);
    assert_int_equal(open_parcel()->parcel->count, SMALL - 1);
    assert_false(open_parcel()->filled);
    assert_false(is_urgent(1)); /* it waits for what else leaves */
    free_some(1);
    assert_null(open_parcel()->parcel);
    assert_true(open_parcel()->filled);
    assert_true(is_urgent(1));
    free_some(1);
    assert_int_equal(items(), 3);
    assert_int_equal(open_parcel()->parcel->room, LARGE);
    free_some(9);
    assert_int_equal(items(), 3);
    assert_int_equal(open_parcel()->parcel->count, 10);
}

/* Behind a list that filled a parcel the next begins with a large one; behind
 * one that did not, with a block alone. */
static void test_next_lists(void **state)
{
    (void)state;
    make(1 + SMALL + 20);
    free_some(1 + SMALL);
    pass(1);
    assert_int_equal(items(), 0);
    pass_and_sleep(0);
    free_some(1);
    assert_int_equal(items(), 1);
    assert_non_null(open_parcel()->parcel);
    assert_int_equal(open_parcel()->parcel->room, LARGE);
    assert_true(open_parcel()->last_filled);
    free_some(5);
    assert_int_equal(open_parcel()->parcel->count, 6);
    pass_and_sleep(1);
    pass_and_sleep(0);
    free_some(1);
    assert_int_equal(items(), 1);
    assert_null(open_parcel()->parcel);
    assert_false(open_parcel()->last_filled);
    free_some(1);
    assert_int_equal(open_parcel()->parcel->room, SMALL);
}

/* What comes home, alone or in a parcel, is the next to be used. */
static void test_home_is_quick(void **state)
{
    (void)state;
    make(3);
    free_some(3);
    pass_and_sleep(1);
    pass_and_sleep(0);
    for (unsigned i = 3; i-- > 0;)
        assert_ptr_equal(mem_alloc(64), block[i]);
    heap_self()->came_home -= 3; /* for the sums at the end */
    heap_of(cpu_of(1))->sent_home -= 3;
    freed = 0;
}

/* Blocks of two CPUs in turn, each in the parcel of its own. */
static void test_two_owners(void **state)
{
    void *other[20];

    (void)state;
    make(20);
    (void)be(2);
    for (unsigned i = 0; i < COUNT_OF(other); i++)
        other[i] = mem_alloc(64);
    for (unsigned i = 0; i < COUNT_OF(other); i++) {
        free_some(1);
        mem_free(other[i]);
    }
    assert_int_equal(open_parcel()->parcel->count, 19);
    assert_int_equal(heap_of(cpu_of(1))->open[2].parcel->count, 19);
    pass_and_sleep(1);
    pass_and_sleep(2);
    assert_int_equal(stats().came_home, 20);
    assert_int_equal(stats().block_count, 0);
    pass_and_sleep(0);
    pass(1);
    assert_int_equal(stats().sent_home, 40);
    heap_self()->sent_home -= 20; /* for the sums at the end */
}

/* ---- Empty parcels ------------------------------------------------------- */

/* One that came back is used again where its size is wanted. */
static void test_spare_of_the_right_size(void **state)
{
    struct parcel *spare;

    (void)state;
    make(2 + 2 + 2);
    free_some(2);
    spare = open_parcel()->parcel;
    pass_and_sleep(1);
    pass_and_sleep(0);
    pass(1);
    assert_ptr_equal(heap_self()->spare, spare);
    free_some(2);
    assert_ptr_equal(open_parcel()->parcel, spare);
    assert_null(heap_self()->spare);
    assert_int_equal(spare->count, 1);
    pass_and_sleep(1);
    pass_and_sleep(0);
    pass(1);
    assert_ptr_equal(heap_self()->spare, spare);
    /* Short of memory for another thing it is given up. */
    mem_trim();
    assert_null(heap_self()->spare);
    assert_int_equal(stats().block_count, 0);
}

/* Make a small parcel come back to CPU 1 whose next list wants a large one. */
static struct parcel *small_spare(void)
{
    make(1 + SMALL + 3);
    free_some(1 + SMALL);
    pass(1);
    pass_and_sleep(0);
    pass(1);
    assert_non_null(heap_self()->spare);
    assert_int_equal(heap_self()->spare->room, SMALL);
    return heap_self()->spare;
}

/* Of the wrong size it makes way. */
static void test_spare_of_the_wrong_size(void **state)
{
    struct parcel *spare;

    (void)state;
    spare = small_spare();
    assert_int_equal(stats().block_count, 1);
    free_some(1);
    assert_ptr_not_equal(open_parcel()->parcel, spare);
    assert_int_equal(open_parcel()->parcel->room, LARGE);
    assert_null(heap_self()->spare);
    assert_int_equal(stats().block_count, 1);
}

/* But without memory it is better than none. */
static void test_spare_of_the_wrong_size_without_memory(void **state)
{
    struct parcel *spare;

    (void)state;
    spare = small_spare();
    heap_fail(1);
    free_some(1);
    assert_true(heap_failed());
    assert_ptr_equal(open_parcel()->parcel, spare);
    assert_int_equal(spare->room, SMALL);
    assert_int_equal(spare->count, 1);
    free_some(1);
    assert_int_equal(spare->count, 2);
}

/* Without any, each block goes alone; it is tried once a list. */
static void test_no_memory_for_a_parcel(void **state)
{
    (void)state;
    make(10);
    (void)be(1);
    heap_fail(1);
    free_some(4);
    assert_true(heap_failed());
    assert_int_equal(stats().failed, 1);
    assert_int_equal(items(), 4);
    assert_null(open_parcel()->parcel);
    assert_true(open_parcel()->no_memory);
    pass_and_sleep(1);
    free_some(1);
    assert_false(open_parcel()->no_memory);
    free_some(2);
    assert_int_equal(items(), 2);
    assert_int_equal(open_parcel()->parcel->count, 2);
}

/* Every fourth of a list does not wait for what else leaves. */
static void test_empty_parcels_do_not_pile_up(void **state)
{
    static const struct {
        const char *name;
        unsigned blocks;
        bool at_once;
    } rows[] = {
        {"three parcels", 1 + SMALL + 2 * LARGE, false},
        {"three more of the next list", 3 * LARGE, false},
        {"four", 4 * LARGE, true},
        {"one", 1, false},
    };
    uint64_t batch;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        made = freed = 0;
        make(rows[i].blocks);
        free_some(rows[i].blocks);
        pass_and_sleep(1);
        (void)be(0);
        batch = exchange_batch(1);
        pass(0);
        ROW(rows[i].name, (exchange_batch(1) != batch) == rows[i].at_once);
        pass_and_sleep(0);
        assert_int_equal(exchange_batch(1), batch + 1);
        pass(1);
        assert_int_equal(stats().block_count, 1); /* the spare one */
    }
    heap_of(cpu_of(0))->came_home = heap_of(cpu_of(1))->sent_home = freed;
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_first_list),
        ATTACHED(test_next_lists),
        ATTACHED(test_home_is_quick),
        ATTACHED(test_two_owners),
        ATTACHED(test_spare_of_the_right_size),
        ATTACHED(test_spare_of_the_wrong_size),
        ATTACHED(test_spare_of_the_wrong_size_without_memory),
        ATTACHED(test_no_memory_for_a_parcel),
        ATTACHED(test_empty_parcels_do_not_pile_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
