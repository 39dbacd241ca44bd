/*
 * The radix tree against a flat table: what is found, what comes next, which
 * marks there are; and what is left when there is no memory for a node.
 */
#include "kernel/cache/radix.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include <stdlib.h>
#include <string.h>
#include <torc/compiler.h>

static struct radix tree;
static struct mem_stats before;

static int setup(void **state)
{
    (void)state;
    machine_attach(4 << 20);
    tree = (struct radix){.root = NULL};
    before = stats();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)radix_check(&tree);
    machine_detach();
    return 0;
}

static void *entry(uint64_t number)
{
    static char entries[4096];

    return &entries[number % sizeof(entries)];
}

static const uint64_t edges[] = {0,
                                 1,
                                 63,
                                 64,
                                 65,
                                 4095,
                                 4096,
                                 262143,
                                 262144,
                                 (1U << 24),
                                 UINT32_MAX,
                                 UINT64_C(1) << 32,
                                 UINT64_C(1) << 47,
                                 RADIX_LIMIT - 1};

/* A tree that gets lower by several levels at once keeps one mark. */
static void test_radix_gets_lower_while_dirty(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 2; i++) {
        assert_int_equal(radix_insert(&tree, i, entry(i)), 0);
        radix_set_dirty(&tree, i, true);
    }
    assert_int_equal(radix_insert(&tree, 1 << 20, entry(2)), 0);
    radix_remove(&tree, 1 << 20);
    assert_int_equal(radix_check(&tree), 2);
    assert_ptr_equal(radix_next(&tree, 1, true), entry(1));
    radix_remove(&tree, 1);
    assert_ptr_equal(radix_next(&tree, 0, true), entry(0));
    radix_remove(&tree, 0);
}

static void test_radix_finds_what_was_put_in(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(edges); i++) {
        assert_null(radix_find(&tree, edges[i]));
        assert_int_equal(radix_insert(&tree, edges[i], entry(i)), 0);
        assert_int_equal(radix_check(&tree), i + 1);
        for (size_t j = 0; j < COUNT_OF(edges); j++)
            assert_ptr_equal(radix_find(&tree, edges[j]),
                             j <= i ? entry(j) : NULL);
    }
    for (size_t i = 0; i < COUNT_OF(edges); i++) {
        radix_remove(&tree, edges[i]);
        assert_int_equal(radix_check(&tree), COUNT_OF(edges) - 1 - i);
        assert_null(radix_find(&tree, edges[i]));
    }
    assert_null(tree.root);
    assert_int_equal(tree.height, 0);
    assert_int_equal(stats().block_count, before.block_count);
}

/* A file of one page has no node; one of 64 has one; a lone far page has a
 * node for each level, and they go with it. */
static void test_radix_is_as_high_as_it_must_be(void **state)
{
    static const struct {
        uint64_t index;
        unsigned height;
    } rows[] = {{0, 0},    {1, 1},    {63, 1},      {64, 2},
                {4095, 2}, {4096, 3}, {1 << 18, 4}, {RADIX_LIMIT - 1, 9}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(radix_insert(&tree, rows[i].index, entry(1)), 0);
        assert_int_equal(tree.height, rows[i].height);
        assert_int_equal(stats().block_count,
                         before.block_count + rows[i].height);
        if (i > 0)
            assert_int_equal(radix_insert(&tree, 0, entry(0)), 0);
        if (i > 0)
            radix_remove(&tree, rows[i].index);
        assert_int_equal(tree.height, 0); /* lower again */
        radix_remove(&tree, 0);
        assert_int_equal(stats().block_count, before.block_count);
    }
}

static void test_radix_next(void **state)
{
    (void)state;
    assert_null(radix_next(&tree, 0, false));
    for (size_t i = 0; i < COUNT_OF(edges); i++)
        assert_int_equal(radix_insert(&tree, edges[i], entry(i)), 0);
    for (size_t i = 0; i < COUNT_OF(edges); i++) {
        uint64_t from = i == 0 ? 0 : edges[i - 1] + 1;

        assert_ptr_equal(radix_next(&tree, from, false), entry(i));
        assert_ptr_equal(radix_next(&tree, edges[i], false), entry(i));
        assert_null(radix_next(&tree, 0, true));
    }
    assert_null(radix_next(&tree, RADIX_LIMIT, false));
    for (size_t i = 0; i < COUNT_OF(edges); i += 2)
        radix_set_dirty(&tree, edges[i], true);
    for (size_t i = 0; i < COUNT_OF(edges); i++)
        assert_ptr_equal(radix_next(&tree, edges[i], true),
                         i % 2 == 0
                             ? entry(i)
                             : (i + 1 < COUNT_OF(edges) ? entry(i + 1) : NULL));
    (void)radix_check(&tree);
    for (size_t i = 0; i < COUNT_OF(edges); i += 2)
        radix_set_dirty(&tree, edges[i], false);
    assert_null(radix_next(&tree, 0, true));
}

/* A mark stays right when the tree gets higher and lower over it. */
static void test_radix_mark_of_a_lone_entry(void **state)
{
    (void)state;
    assert_int_equal(radix_insert(&tree, 0, entry(0)), 0);
    assert_null(radix_next(&tree, 0, true));
    radix_set_dirty(&tree, 0, true);
    assert_ptr_equal(radix_next(&tree, 0, true), entry(0));
    assert_null(radix_next(&tree, 1, true));
    assert_int_equal(radix_insert(&tree, 100000, entry(1)), 0);
    assert_ptr_equal(radix_next(&tree, 0, true), entry(0));
    assert_null(radix_next(&tree, 1, true));
    radix_remove(&tree, 100000);
    assert_int_equal(tree.height, 0);
    assert_ptr_equal(radix_next(&tree, 0, true), entry(0));
    radix_remove(&tree, 0);
    assert_int_equal(radix_insert(&tree, 0, entry(0)), 0);
    assert_null(radix_next(&tree, 0, true));
}

/* Whichever node there is no memory for, the tree is as before. */
/* The tree's own mark is that of an entry without a node. */
static void test_radix_gets_lower_by_one_level(void **state)
{
    (void)state;
    assert_int_equal(radix_insert(&tree, 0, entry(0)), 0);
    assert_int_equal(radix_insert(&tree, 1, entry(1)), 0);
    assert_int_equal(radix_insert(&tree, 64, entry(2)), 0);
    radix_set_dirty(&tree, 1, true);
    radix_remove(&tree, 64);
    assert_int_equal(tree.height, 1);
    assert_int_equal(radix_check(&tree), 2);
    assert_ptr_equal(radix_next(&tree, 0, true), entry(1));
    radix_remove(&tree, 0);
    radix_remove(&tree, 1);
}

static void test_radix_out_of_memory(void **state)
{
    static const uint64_t first[] = {RADIX_LIMIT, 0, 5, 5000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(first); i++) {
        uint64_t blocks;

        if (first[i] != RADIX_LIMIT)
            assert_int_equal(radix_insert(&tree, first[i], entry(0)), 0);
        blocks = stats().block_count;
        for (uint64_t n = 1;; n++) {
            int status;

            heap_fail(n);
            status = radix_insert(&tree, RADIX_LIMIT / 2 + 7, entry(1));
            if (!heap_failed()) {
                assert_int_equal(status, 0);
                assert_in_range(n, RADIX_HEIGHT_MAX, 2 * RADIX_HEIGHT_MAX);
                break;
            }
            assert_int_equal(status, -ENOMEM);
            assert_int_equal(radix_check(&tree), first[i] != RADIX_LIMIT);
            assert_int_equal(stats().block_count, blocks);
        }
        heap_fail(0);
        radix_remove(&tree, RADIX_LIMIT / 2 + 7);
        if (first[i] != RADIX_LIMIT)
            radix_remove(&tree, first[i]);
        assert_int_equal(stats().block_count, before.block_count);
    }
}

/* ---- Against a table ----------------------------------------------------- */

enum { TABLE = 3000, STEPS = 10000, SPREAD = 7001 };

static bool is_there[TABLE];
static bool is_marked[TABLE];

/* Small and large indexes, in order. */
static uint64_t index_of(unsigned number)
{
    return number < TABLE / 2 ? number : (uint64_t)number * number * SPREAD;
}

static void next_check(unsigned from)
{
    for (unsigned dirty = 0; dirty < 2; dirty++) {
        unsigned at = from;

        while (at < TABLE && !(dirty ? is_marked[at] : is_there[at]))
            at++;
        assert_ptr_equal(radix_next(&tree, index_of(from), dirty != 0),
                         at < TABLE ? entry(at) : NULL);
    }
}

static void test_radix_random(void **state)
{
    unsigned count = 0;

    (void)state;
    srand(20260101);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned at = (unsigned)rand() % TABLE;
        /* It fills up, becomes empty, and so on. */
        bool fills = step / 1250 % 2 == 0;
        unsigned what = (unsigned)rand() % 8;

        if (!is_there[at] && (fills || what == 0)) {
            assert_int_equal(radix_insert(&tree, index_of(at), entry(at)), 0);
            is_there[at] = true;
            count++;
        } else if (is_there[at] && (!fills || what == 0)) {
            radix_remove(&tree, index_of(at));
            is_there[at] = is_marked[at] = false;
            count--;
        } else if (is_there[at]) {
            is_marked[at] = what % 2 == 0;
            radix_set_dirty(&tree, index_of(at), is_marked[at]);
        }
        assert_ptr_equal(radix_find(&tree, index_of(at)),
                         is_there[at] ? entry(at) : NULL);
        next_check((unsigned)rand() % TABLE);
        if (step % 32 == 0)
            assert_int_equal(radix_check(&tree), count);
    }
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_radix_gets_lower_while_dirty),
        ATTACHED(test_radix_finds_what_was_put_in),
        ATTACHED(test_radix_is_as_high_as_it_must_be),
        ATTACHED(test_radix_next),
        ATTACHED(test_radix_mark_of_a_lone_entry),
        ATTACHED(test_radix_gets_lower_by_one_level),
        ATTACHED(test_radix_out_of_memory),
        ATTACHED(test_radix_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
