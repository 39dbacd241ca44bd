#include "kernel/mem.h"
#include "tests/fakes/cmocka_all.h"
#include <stdlib.h>
#include <string.h>

/* The allocator needs no machine: a table of regions is enough. */
static char *arena;
static struct hal_boot_info info;

static void regions(unsigned count, const size_t *offsets, const size_t *sizes)
{
    memset(&info, 0, sizeof(info));
    info.region_count = count;
    for (unsigned i = 0; i < count; i++) {
        info.region[i].base = (uintptr_t)arena + offsets[i];
        info.region[i].size = sizes[i];
    }
}

static int setup(void **state)
{
    (void)state;
    arena = aligned_alloc(HAL_LARGE_PAGE_SIZE, 64 << 20);
    return arena == NULL;
}

static int teardown(void **state)
{
    (void)state;
    free(arena);
    return 0;
}

/* Every free page is in exactly one free block, and the count is right. */
static size_t count_free(struct page_allocator *pages)
{
    size_t total = 0;

    for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++) {
        list_for_each (node, &pages->free[order]) {
            struct page *page = container_of(node, struct page, link);

            assert_int_equal(page->state, PAGE_FREE);
            assert_int_equal(page->order, order);
            total += (size_t)1 << order;
        }
        assert_int_equal(pages->free_orders >> order & 1,
                         !list_empty(&pages->free[order]));
    }
    for (unsigned i = 0; i < pages->range_count; i++)
        total += pages->range[i].page_count - pages->range[i].fresh;
    assert_int_equal(total, pages->free_pages);
    return total;
}

static void test_mem_divides_evenly(void **state)
{
    const size_t offset = 0, size = 64 << 20;
    size_t smallest = SIZE_MAX, largest = 0;

    (void)state;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 4), 0);
    for (unsigned cpu = 0; cpu < 4; cpu++) {
        size_t pages = mem_pages_of(cpu)->total_pages;

        smallest = pages < smallest ? pages : smallest;
        largest = pages > largest ? pages : largest;
    }
    assert_true(largest - smallest <= largest / 8);
    assert_int_equal(mem_owner(arena + (1 << 20)), 0);
    assert_int_equal(mem_owner(arena + (63 << 20)), 3);
    assert_int_equal(mem_owner(arena + (64 << 20)), -1);
    assert_int_equal(mem_owner(arena - 1), -1);
}

static void test_mem_holes_are_never_handed_out(void **state)
{
    const size_t offsets[] = {0, 6 << 20, 20 << 20};
    const size_t sizes[] = {5 << 20, 10 << 20, 1 << 20};

    (void)state;
    regions(3, offsets, sizes);
    assert_int_equal(mem_init(&info, 2), 0);
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        void *ptr;

        while ((ptr = page_alloc(mem_pages_of(cpu), 1, 0)) != NULL) {
            size_t at = (size_t)((char *)ptr - arena);

            assert_true(at < (5 << 20) ||
                        (at >= (6 << 20) && at < (16 << 20)) ||
                        (at >= (20 << 20) && at < (21 << 20)));
            memset(ptr, 0xaa, PAGE_SIZE);
        }
        assert_int_equal(mem_pages_of(cpu)->free_pages, 0);
    }
}

static void test_mem_too_little(void **state)
{
    const size_t offset = 0, size = 2 << 20;

    (void)state;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 3), -ENOMEM);
    assert_int_equal(mem_init(&info, 2), 0);
    regions(0, &offset, &size);
    assert_int_equal(mem_init(&info, 1), -ENOMEM);
}

/* ---- Nodes --------------------------------------------------------------- */

enum { MIB = 1 << 20 };

/* Pages a CPU has of a node, by the regions. */
static size_t pages_of_node(unsigned cpu, unsigned node)
{
    struct page_allocator *pages = mem_pages_of(cpu);
    size_t count = 0;

    for (unsigned i = 0; i < pages->range_count; i++) {
        for (size_t page = 0; page < pages->range[i].page_count; page++) {
            uintptr_t at = pages->range[i].base + page * PAGE_SIZE;

            for (unsigned k = 0; k < info.region_count; k++)
                count += info.region[k].node == node &&
                         at - info.region[k].base < info.region[k].size;
        }
    }
    return count;
}

static void nodes(unsigned count, const unsigned *of_regions,
                  const uint8_t *of_cpus)
{
    for (unsigned i = 0; i < info.region_count; i++)
        info.region[i].node = of_regions[i];
    memcpy(info.cpu_node, of_cpus, count);
    assert_int_equal(mem_init(&info, count), 0);
}

/* `part` in percent of the MiB given, the struct pages left out. */
static void assert_share(size_t pages, size_t mib, unsigned percent)
{
    size_t want = mib * 256 * percent / 100;

    assert_in_range(pages, want - want / 8 - 16, want + want / 8 + 16);
}

static void test_mem_goes_to_its_node(void **state)
{
    /* CPUs of a node are not neighbours, nor are its regions. */
    const size_t offsets[] = {0, 16 * MIB, 40 * MIB, 48 * MIB};
    const size_t sizes[] = {16 * MIB, 24 * MIB, 8 * MIB, 16 * MIB};
    const unsigned of_regions[] = {0, 1, 0, 200};
    const uint8_t of_cpus[] = {1, 0, 200, 1, 0};

    (void)state;
    regions(4, offsets, sizes);
    nodes(5, of_regions, of_cpus);
    for (unsigned cpu = 0; cpu < 5; cpu++)
        assert_int_equal(mem_pages_of(cpu)->total_pages,
                         pages_of_node(cpu, of_cpus[cpu]));
    assert_share(mem_pages_of(0)->total_pages, 24, 50);
    assert_share(mem_pages_of(3)->total_pages, 24, 50);
    assert_share(mem_pages_of(1)->total_pages, 24, 50);
    assert_share(mem_pages_of(4)->total_pages, 24, 50);
    assert_share(mem_pages_of(2)->total_pages, 16, 100);
}

static void test_mem_of_nodes_without_cpus_is_dealt_to_all(void **state)
{
    const size_t offsets[] = {0, 16 * MIB, 32 * MIB, 48 * MIB};
    const size_t sizes[] = {8 * MIB, 16 * MIB, 16 * MIB, 16 * MIB};
    const unsigned of_regions[] = {7, 0, 9, 1};
    const uint8_t of_cpus[] = {0, 0, 1, 1};

    (void)state;
    regions(4, offsets, sizes);
    nodes(4, of_regions, of_cpus);
    for (unsigned cpu = 0; cpu < 4; cpu++) {
        struct page_allocator *pages = mem_pages_of(cpu);

        assert_share(pages_of_node(cpu, of_cpus[cpu]), 16, 50);
        assert_share(pages->total_pages, 14, 100);
        /* Its own first, though others lie lower. */
        assert_true(pages->range[0].base >=
                    info.region[of_cpus[cpu] == 0 ? 1 : 3].base);
    }
}

static void test_mem_ranges_in_a_row_are_one(void **state)
{
    size_t offsets[60], sizes[60];
    unsigned of_regions[60];
    const uint8_t of_cpus[] = {0, 1, 2};

    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        offsets[i] = i * MIB;
        sizes[i] = MIB;
        of_regions[i] = i;
    }
    regions(60, offsets, sizes);
    nodes(3, of_regions, of_cpus);
    for (unsigned cpu = 0; cpu < 3; cpu++) {
        assert_true(mem_pages_of(cpu)->range_count <= 2);
        assert_share(mem_pages_of(cpu)->total_pages, 20, 100);
    }
}

static void test_mem_without_use_of_nodes(void **state)
{
    const size_t offsets[] = {0, 32 * MIB, 60 * MIB};
    const size_t sizes[] = {32 * MIB, 28 * MIB, 1 * MIB / 4};
    const unsigned of_regions[] = {0, 0, 1};
    const uint8_t nothing[] = {0, 5, 0};
    const uint8_t too_little[] = {0, 1, 0};

    (void)state;
    regions(3, offsets, sizes);
    nodes(3, of_regions, nothing);
    for (unsigned cpu = 0; cpu < 3; cpu++)
        assert_share(mem_pages_of(cpu)->total_pages, 20, 100);
    nodes(3, of_regions, too_little);
    for (unsigned cpu = 0; cpu < 3; cpu++)
        assert_share(mem_pages_of(cpu)->total_pages, 20, 100);
}

/* All memory is somebody's, once, however it lies. */
static void test_mem_random_nodes(void **state)
{
    (void)state;
    srand(7);
    for (unsigned round = 0; round < 2000; round++) {
        unsigned cpus = 1 + (unsigned)rand() % 8;
        size_t total = 0, dealt = 0;

        memset(&info, 0, sizeof(info));
        info.region_count = 1 + (unsigned)rand() % 6;
        for (unsigned i = 0; i < info.region_count; i++) {
            info.region[i].base = (uintptr_t)arena + i * 10 * MIB +
                                  (uintptr_t)(rand() % 512) * PAGE_SIZE;
            info.region[i].size = (size_t)(1 + rand() % 2000) * PAGE_SIZE;
            info.region[i].node = (unsigned)rand() % 4;
            total += info.region[i].size;
        }
        for (unsigned cpu = 0; cpu < cpus; cpu++)
            info.cpu_node[cpu] = (uint8_t)(rand() % 4);
        if (mem_init(&info, cpus) != 0) {
            assert_true(total / cpus < 2 * MEM_SHARE_MIN);
            continue;
        }
        for (unsigned cpu = 0; cpu < cpus; cpu++) {
            struct page_allocator *pages = mem_pages_of(cpu);

            for (unsigned i = 0; i < pages->range_count; i++) {
                const struct page_range *range = &pages->range[i];
                char *first = (char *)range->base;
                char *last = first + (range->page_count - 1) * PAGE_SIZE;

                dealt += range->page_count * PAGE_SIZE;
                assert_int_equal(mem_owner(first), cpu);
                assert_int_equal(mem_owner(last), cpu);
                assert_int_not_equal(
                    pages_of_node(cpu, 0) + pages_of_node(cpu, 1) +
                        pages_of_node(cpu, 2) + pages_of_node(cpu, 3),
                    0);
            }
        }
        /* Struct pages, and pieces of a page. */
        assert_in_range(dealt, total - total / 100 - 64 * PAGE_SIZE, total);
    }
}

static void test_page_alloc_aligns_and_trims(void **state)
{
    const size_t offset = 0, size = 16 << 20;
    struct page_allocator *pages;
    size_t before;

    (void)state;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 1), 0);
    pages = mem_pages_of(0);
    before = pages->free_pages;
    for (unsigned order = 0; order <= 9; order++) {
        for (size_t count = 1; count < 40; count += 3) {
            void *ptr = page_alloc(pages, count, order);

            assert_non_null(ptr);
            assert_int_equal((uintptr_t)ptr % ((uintptr_t)PAGE_SIZE << order),
                             0);
            assert_int_equal(page_count_of(pages, ptr), count);
            assert_int_equal(pages->free_pages, before - count);
            page_free(pages, ptr);
            assert_int_equal(count_free(pages), before);
        }
    }
}

static void test_page_alloc_exhausts_and_coalesces(void **state)
{
    const size_t offset = 0, size = 8 << 20;
    static void *taken[4096];
    struct page_allocator *pages;
    size_t total, count = 0;

    (void)state;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 1), 0);
    pages = mem_pages_of(0);
    total = pages->free_pages;
    while ((taken[count] = page_alloc(pages, 1, 0)) != NULL)
        count++;
    assert_int_equal(count, total);
    assert_null(page_alloc(pages, 1, 0));
    for (size_t i = 0; i < count; i += 2)
        page_free(pages, taken[i]);
    assert_null(page_alloc(pages, 2, 0)); /* only every other page is free */
    for (size_t i = 1; i < count; i += 2)
        page_free(pages, taken[i]);
    assert_int_equal(count_free(pages), total);
    assert_non_null(page_alloc(pages, 1024, 0)); /* 4 MiB in one piece */
}

static void test_page_alloc_random(void **state)
{
    const size_t offset = 0, size = 32 << 20;
    static struct {
        char *ptr;
        size_t count;
    } live[128];
    struct page_allocator *pages;
    size_t total;

    (void)state;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 1), 0);
    pages = mem_pages_of(0);
    total = pages->free_pages;
    srand(42);
    memset(live, 0, sizeof(live));
    for (int i = 0; i < 20000; i++) {
        unsigned at = (unsigned)rand() % 128;

        if (live[at].ptr != NULL) {
            for (size_t k = 0; k < live[at].count; k++)
                assert_int_equal(live[at].ptr[k * PAGE_SIZE], (char)at);
            page_free(pages, live[at].ptr);
            live[at].ptr = NULL;
        } else {
            live[at].count = 1 + (size_t)rand() % 100;
            live[at].ptr = page_alloc(pages, live[at].count, 0);
            for (size_t k = 0; live[at].ptr != NULL && k < live[at].count; k++)
                live[at].ptr[k * PAGE_SIZE] = (char)at;
        }
        if (i % 500 == 0)
            count_free(pages);
    }
    for (unsigned at = 0; at < 128; at++) {
        if (live[at].ptr != NULL)
            page_free(pages, live[at].ptr);
    }
    assert_int_equal(count_free(pages), total);
}

static void test_page_array_is_made_lazily(void **state)
{
    const size_t offset = 0, size = 64 << 20;
    struct page_allocator *pages;

    (void)state;
    regions(1, &offset, &size);
    memset(arena, 0x5a, 64 << 20);
    assert_int_equal(mem_init(&info, 1), 0);
    pages = mem_pages_of(0);
    assert_non_null(page_alloc(pages, 1, 0));
    assert_true(pages->range[0].fresh <= 512);
    assert_int_equal(
        pages->range[0].pages[pages->range[0].page_count - 1].state, 0x5a);
}

static void test_page_shrink_gives_back_the_rest(void **state)
{
    const size_t offset = 0, size = 16 << 20;
    struct page_allocator *pages;
    size_t before;
    char *ptr;

    (void)state;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 1), 0);
    pages = mem_pages_of(0);
    ptr = page_alloc(pages, 9, 0);
    assert_non_null(ptr);
    before = count_free(pages);
    page_shrink(pages, ptr, 2);
    assert_int_equal(page_count_of(pages, ptr), 2);
    assert_int_equal(count_free(pages), before + 7);
    page_shrink(pages, ptr, 2); /* nothing to give */
    assert_int_equal(count_free(pages), before + 7);
    assert_true(page_is_mine(pages, ptr));
    assert_false(page_is_mine(pages, arena + size));
    page_free(pages, ptr);
}

/* More memory than a block can have: regions need not be there to divide. */
static void test_page_alloc_of_more_than_the_largest_block(void **state)
{
    const size_t offset = 0, size = (size_t)40 << 30;

    (void)state;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 2), 0);
    assert_null(page_alloc(mem_pages_of(0), (size_t)2 << PAGE_ORDER_MAX, 0));
    assert_int_equal(mem_pages_of(0)->range[0].base % HAL_PAGE_SIZE, 0);
    /* Shares of gigabytes meet on a gigabyte. */
    assert_int_equal(
        (uintptr_t)mem_pages_of(1)->range[0].pages % ((uintptr_t)1 << 30), 0);
}

/* Enough in all, but in too many pieces to use. */
static void test_mem_in_crumbs(void **state)
{
    size_t offsets[HAL_REGION_MAX], sizes[HAL_REGION_MAX];

    (void)state;
    for (unsigned i = 0; i < HAL_REGION_MAX; i++) {
        offsets[i] = i * (size_t)64 * 1024;
        sizes[i] = 32 * 1024;
    }
    regions(HAL_REGION_MAX, offsets, sizes);
    assert_int_equal(mem_init(&info, 1), -ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mem_divides_evenly),
        cmocka_unit_test(test_mem_holes_are_never_handed_out),
        cmocka_unit_test(test_mem_too_little),
        cmocka_unit_test(test_mem_goes_to_its_node),
        cmocka_unit_test(test_mem_of_nodes_without_cpus_is_dealt_to_all),
        cmocka_unit_test(test_mem_ranges_in_a_row_are_one),
        cmocka_unit_test(test_mem_without_use_of_nodes),
        cmocka_unit_test(test_mem_random_nodes),
        cmocka_unit_test(test_page_alloc_aligns_and_trims),
        cmocka_unit_test(test_page_alloc_exhausts_and_coalesces),
        cmocka_unit_test(test_page_alloc_random),
        cmocka_unit_test(test_page_array_is_made_lazily),
        cmocka_unit_test(test_page_shrink_gives_back_the_rest),
        cmocka_unit_test(test_page_alloc_of_more_than_the_largest_block),
        cmocka_unit_test(test_mem_in_crumbs),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
