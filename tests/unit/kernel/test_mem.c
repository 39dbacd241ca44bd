#include "kernel/memory/mem.h"
#include "kernel/memory/page_report.h"
#include "tests/fakes/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

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
            struct page_info *page = container_of(node, struct page_info, link);

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
    pages_check(pages);
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

/* Nodes are used unless a CPU would get less than a sixteenth of an even share,
 * or of small shares half the least. */
static void test_mem_of_uneven_nodes(void **state)
{
    static const struct {
        const char *name;
        size_t pages;  /* of all memory: two CPUs, a node each */
        size_t second; /* of the second node */
        bool used;
    } rows[] = {
        {"a sixteenth of 30 MiB, and its struct pages", 15360, 484, true},
        {"a page less", 15360, 483, false},
        {"512 KiB and their struct pages", 2048, 130, true},
        {"a page less", 2048, 129, false},
        {"of shares of 16 MiB", 8192, 130, true},
        {"of shares of 16 MiB, a page less", 8192, 129, false},
        {"even nodes", 8192, 4096, true},
    };
    const unsigned of_regions[] = {0, 1};
    const uint8_t of_cpus[] = {0, 1};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t first = rows[i].pages - rows[i].second;
        const size_t offsets[] = {0, (first + 1) * PAGE_SIZE};
        const size_t sizes[] = {first * PAGE_SIZE, rows[i].second * PAGE_SIZE};

        regions(2, offsets, sizes);
        nodes(2, of_regions, of_cpus);
        ROW(rows[i].name, (pages_of_node(1, 0) == 0) == rows[i].used);
    }
}

/* The memory of a CPU's range, its struct pages included. */
static void assert_range(unsigned cpu, unsigned index, size_t from, size_t to)
{
    const struct page_range *range = &mem_pages_of(cpu)->range[index];

    assert_true(index < mem_pages_of(cpu)->range_count);
    assert_ptr_equal(range->pages, arena + from);
    assert_ptr_equal((char *)range->base + range->page_count * PAGE_SIZE,
                     arena + to);
}

/* Shares of two large pages or more meet on a large page. */
static void test_mem_borders(void **state)
{
    const size_t offset = PAGE_SIZE;
    size_t size = 8 * MIB;

    (void)state;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 2), 0);
    assert_range(0, 0, PAGE_SIZE, 4 * MIB);
    assert_range(1, 0, 4 * MIB, 8 * MIB + PAGE_SIZE);
    size -= 2 * PAGE_SIZE;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 2), 0);
    assert_range(0, 0, PAGE_SIZE, 4 * MIB);
    assert_range(1, 0, 4 * MIB, 8 * MIB - PAGE_SIZE);
    /* What rounding takes from one share the next gets. */
    size = 24 * MIB;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 3), 0);
    assert_range(0, 0, PAGE_SIZE, 8 * MIB);
    assert_range(1, 0, 8 * MIB, 16 * MIB);
    assert_range(2, 0, 16 * MIB, 24 * MIB + PAGE_SIZE);
}

/* Smaller shares meet on any page: here an odd one. */
static void test_mem_borders_of_small_shares(void **state)
{
    const size_t offset = 3 * PAGE_SIZE, size = 8 * MIB - 2 * PAGE_SIZE;

    (void)state;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 2), 0);
    assert_range(0, 0, 3 * PAGE_SIZE, 4 * MIB + 2 * PAGE_SIZE);
    assert_range(1, 0, 4 * MIB + 2 * PAGE_SIZE, 8 * MIB + PAGE_SIZE);
}

/* Shares of 4 GiB or more meet on a GiB; this memory is not there. */
static void test_mem_borders_of_gigabytes(void **state)
{
    const uintptr_t base = (UINT64_C(1) << 40) + 3 * PAGE_SIZE;
    const size_t gib = (size_t)1 << 30;

    (void)state;
    memset(&info, 0, sizeof(info));
    info.region_count = 1;
    info.region[0].base = base;
    info.region[0].size = 8 * gib;
    assert_int_equal(mem_init(&info, 2), 0);
    assert_int_equal((uintptr_t)mem_pages_of(1)->range[0].pages,
                     base - 3 * PAGE_SIZE + 4 * gib);
    info.region[0].base = base + 4 * MIB;
    info.region[0].size = 8 * gib - 2 * PAGE_SIZE;
    assert_int_equal(mem_init(&info, 2), 0);
    assert_int_equal((uintptr_t)mem_pages_of(1)->range[0].pages,
                     base - 3 * PAGE_SIZE + 4 * gib + 4 * MIB);
}

/* What lies side by side is one range, whichever regions it is of. */
static void test_mem_neighbours_are_one(void **state)
{
    const size_t offsets[] = {0, 2 * MIB, 8 * MIB};
    const size_t sizes[] = {2 * MIB, 3 * MIB, MIB};

    (void)state;
    regions(3, offsets, sizes);
    assert_int_equal(mem_init(&info, 1), 0);
    assert_int_equal(mem_pages_of(0)->range_count, 2);
    assert_range(0, 0, 0, 5 * MIB);
    assert_range(0, 1, 8 * MIB, 9 * MIB);
}

/* A share goes on in the next region as far as a border's worth is missing. */
static void test_mem_shares_of_several_regions(void **state)
{
    size_t offsets[] = {0, 16 * MIB};
    size_t sizes[] = {3 * MIB, 5 * MIB};

    (void)state;
    regions(2, offsets, sizes);
    assert_int_equal(mem_init(&info, 2), 0);
    assert_range(0, 0, 0, 3 * MIB);
    assert_int_equal(mem_pages_of(0)->range_count, 1);
    assert_range(1, 0, 16 * MIB, 21 * MIB);
    sizes[0] = 2 * MIB;
    sizes[1] = 6 * MIB;
    regions(2, offsets, sizes);
    assert_int_equal(mem_init(&info, 2), 0);
    assert_range(0, 0, 0, 2 * MIB);
    assert_range(0, 1, 16 * MIB, 18 * MIB);
    assert_range(1, 0, 18 * MIB, 22 * MIB);
    /* A region of just a share is not cut, wherever it ends. */
    offsets[0] = PAGE_SIZE;
    sizes[0] = sizes[1] = 4 * MIB;
    regions(2, offsets, sizes);
    assert_int_equal(mem_init(&info, 2), 0);
    assert_range(0, 0, PAGE_SIZE, 4 * MIB + PAGE_SIZE);
    assert_int_equal(mem_pages_of(0)->range_count, 1);
    assert_range(1, 0, 16 * MIB, 20 * MIB);
    assert_int_equal(mem_pages_of(1)->range_count, 1);
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
                assert_int_equal(mem_owner(last + PAGE_SIZE - 1), cpu);
                /* On both sides are struct pages, or nothing. */
                assert_int_equal(mem_owner(first - 1), -1);
                assert_int_equal(mem_owner(last + PAGE_SIZE), -1);
                assert_true(range->classes + range->page_count <=
                            (uint8_t *)range->base);
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
    assert_int_equal(pages->range[0].pages[pages->range[0].fresh].state, 0x5a);
    assert_int_equal(pages->range[0].classes[pages->range[0].fresh], 0x5a);
    assert_int_equal(pages->range[0].classes[pages->range[0].fresh - 1],
                     MEM_NO_CLASS);
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

/* More memory than there is: regions need not be there to divide. */
static void test_mem_shares_of_gigabytes(void **state)
{
    const size_t offset = 0, size = (size_t)40 << 30;

    (void)state;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 2), 0);
    assert_int_equal(mem_pages_of(0)->range[0].base % HAL_PAGE_SIZE, 0);
    /* Shares of gigabytes meet on a gigabyte. */
    assert_int_equal(
        (uintptr_t)mem_pages_of(1)->range[0].pages % ((uintptr_t)1 << 30), 0);
}

/* A map with as many holes as there can be loses nothing. */
static void test_mem_in_many_pieces(void **state)
{
    static const unsigned cpu_counts[] = {1, 2, 7};
    size_t offsets[HAL_REGION_MAX], sizes[HAL_REGION_MAX];

    (void)state;
    for (unsigned i = 0; i < HAL_REGION_MAX; i++) {
        offsets[i] = i * (size_t)(256 << 10);
        sizes[i] = 128 << 10;
    }
    sizes[HAL_REGION_MAX - 1] = 16 << 20; /* the large one behind them all */
    for (size_t k = 0; k < COUNT_OF(cpu_counts); k++) {
        size_t total = 0;

        regions(HAL_REGION_MAX, offsets, sizes);
        assert_int_equal(mem_init(&info, cpu_counts[k]), 0);
        for (unsigned cpu = 0; cpu < cpu_counts[k]; cpu++) {
            total += mem_pages_of(cpu)->total_pages;
            count_free(mem_pages_of(cpu));
        }
        /* One page of 32 is for the struct pages, in each piece. */
        assert_in_range(total, 31 * 63 + 4000, 31 * 63 + 4096);
        for (unsigned i = 0; i < HAL_REGION_MAX; i++)
            assert_true(mem_owner(arena + offsets[i] + sizes[i] - 1) >= 0);
        assert_int_equal(mem_owner(arena + (128 << 10)), -1);
    }
}

/* What is large against the share is looked for in all its pieces. */
static void test_page_alloc_large_in_a_later_piece(void **state)
{
    const size_t offsets[3] = {0, 8 << 20, 16 << 20};
    const size_t sizes[3] = {2 << 20, 3 << 20, 16 << 20};
    const size_t count = (10 << 20) / PAGE_SIZE;
    char *pages;

    (void)state;
    regions(3, offsets, sizes);
    assert_int_equal(mem_init(&info, 1), 0);
    assert_int_equal(mem_pages_of(0)->range_count, 3);
    pages = page_alloc(mem_pages_of(0), count, 0);
    assert_in_range(pages, arena + offsets[2],
                    arena + offsets[2] + sizes[2] - count * PAGE_SIZE);
}

/* Of pieces of one page nothing is left. */
static void test_mem_in_crumbs(void **state)
{
    size_t offsets[3] = {0, 8192, 32768}, sizes[3] = {4096, 8192, 4 << 20};

    (void)state;
    regions(3, offsets, sizes);
    assert_int_equal(mem_init(&info, 1), 0);
    assert_int_equal(mem_pages_of(0)->range_count, 2);
    assert_int_equal(mem_owner(arena), -1);
    assert_int_equal(mem_owner(arena + 8192 + 4096), 0);
}

/* A request may take nearly all of a share, whatever blocks it is made of. */
static void test_page_alloc_large(void **state)
{
    const size_t offset = 4096, size = (41 << 20) - 4096;
    struct page_allocator *pages;
    char *all, *low, *high;
    void *middle;
    size_t count;

    (void)state;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 1), 0);
    pages = mem_pages_of(0);
    count = pages->free_pages;
    all = page_alloc(pages, count, 0);
    assert_non_null(all);
    assert_int_equal(page_count_of(pages, all), count);
    memset(all, 0xaa, count * PAGE_SIZE);
    assert_int_equal(count_free(pages), 0);
    page_shrink(pages, all, count - 5);
    assert_int_equal(count_free(pages), 5);
    page_free(pages, all);
    assert_int_equal(count_free(pages), count);
    assert_null(page_alloc(pages, count + 1, 0));
    assert_null(page_alloc(pages, SIZE_MAX, 9));
    /* One page in use in the middle: all that is on both sides of it. */
    all = page_alloc(pages, count, 0);
    page_shrink(pages, all, count / 2);
    middle = page_alloc(pages, count - count / 2, 0);
    assert_ptr_equal(middle, all + count / 2 * PAGE_SIZE);
    page_shrink(pages, middle, 1);
    page_free(pages, all);
    assert_int_equal(count_free(pages), count - 1);
    assert_null(page_alloc(pages, count / 2 + 1, 0));
    low = page_alloc(pages, count / 2, 0);
    high = page_alloc(pages, count - count / 2 - 1, 0);
    assert_ptr_equal(low, all);
    assert_ptr_equal(high, (char *)middle + PAGE_SIZE);
    assert_int_equal(count_free(pages), 0);
    page_free(pages, middle);
    page_free(pages, low);
    page_free(pages, high);
    assert_int_equal(count_free(pages), count);
    /* Aligned, in a share that is not. */
    all = page_alloc(pages, count - 1024, 9);
    assert_non_null(all);
    assert_int_equal((uintptr_t)all % HAL_LARGE_PAGE_SIZE, 0);
    page_free(pages, all);
    assert_int_equal(count_free(pages), count);
}

/* Only what is an eighth of the share is looked for among neighbours. */
static void test_page_alloc_over_several_blocks(void **state)
{
    const size_t offset = 0, size = 1 << 20;
    struct page_allocator *pages;
    size_t total, least, first = 10;
    char *head, *hole;

    (void)state;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 1), 0);
    pages = mem_pages_of(0);
    total = pages->total_pages;
    least = total / 8;
    assert_in_range(least, 17, 32); /* so a block would have 32 pages */
    head = page_alloc(pages, total, 0);
    /* Leave 40 pages free which have no aligned 32 among them. */
    while (((uintptr_t)head / PAGE_SIZE + first) % 32 != 10)
        first++;
    page_shrink(pages, head, first);
    hole = page_alloc(pages, total - first, 0);
    assert_ptr_equal(hole, head + first * PAGE_SIZE);
    page_shrink(pages, hole, 40);
    assert_non_null(page_alloc(pages, total - first - 40, 0));
    page_free(pages, hole);
    assert_int_equal(count_free(pages), 40);
    assert_null(page_alloc(pages, least - 1, 0));
    /* The page before it, a slab's, does not hide it. */
    page_shrink(pages, head, first - 1);
    assert_ptr_equal(page_alloc(pages, 1, 0), hole - PAGE_SIZE);
    page_at(pages, hole - PAGE_SIZE)->state = PAGE_SLAB;
    page_at(pages, hole - PAGE_SIZE)->used = 20; /* objects, not pages */
    assert_ptr_equal(page_alloc(pages, least, 0), hole);
    assert_int_equal(count_free(pages), 40 - least);
}

/* The last page of a share is used, though it is alone in its large page. */
static void test_page_alloc_last_page(void **state)
{
    const size_t offset = 0, size = (1 << 22) + PAGE_SIZE;
    struct page_allocator *pages;
    size_t count = 0;

    (void)state;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 1), 0);
    pages = mem_pages_of(0);
    while (page_alloc(pages, 1, 0) != NULL)
        count++;
    assert_int_equal(count, pages->total_pages);
    assert_int_equal(count_free(pages), 0);
}

/* CPU 0 alone, with a share of so many bytes that nobody touches: the memory to
 * unmap. */
static void *share_of(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert_true(memory != MAP_FAILED);
    memset(&info, 0, sizeof(info));
    info.region_count = 1;
    info.region[0].base = (uintptr_t)memory;
    info.region[0].size = bytes;
    assert_int_equal(mem_init(&info, 1), 0);
    return memory;
}

/* Of a share so large a block's worth and a bit is a small part. */
static void test_page_alloc_around_the_largest_block(void **state)
{
    const size_t bytes = (size_t)9 << 30, block = (size_t)1 << PAGE_ORDER_MAX;
    struct page_allocator *pages;
    void *memory = share_of(bytes);

    (void)state;
    pages = mem_pages_of(0);
    assert_true(block + 1 < pages->total_pages / 8);
    assert_non_null(page_alloc(pages, block / 2 + 1, 0));
    assert_non_null(page_alloc(pages, block, 0));
    assert_non_null(page_alloc(pages, block + 1, 0));
    pages_check(pages);
    munmap(memory, bytes);
}

/* More than the largest block there can be, of pages never used: only as many
 * become ready as are needed. */
static void test_page_alloc_more_than_a_block(void **state)
{
    const size_t bytes = (size_t)3 << 30, count = (size_t)3 << 17;
    struct page_allocator *pages;
    size_t before;
    char *ptr;
    void *memory = share_of(bytes);

    (void)state;
    pages = mem_pages_of(0);
    before = pages->free_pages;
    assert_true(count > (size_t)1 << PAGE_ORDER_MAX);
    ptr = page_alloc(pages, count, 0);
    assert_non_null(ptr);
    assert_true(pages->range[0].fresh >= count);
    assert_true(pages->range[0].fresh <= count + 1024);
    assert_int_equal(pages->free_pages, before - count);
    ptr[0] = ptr[count * PAGE_SIZE - 1] = 1;
    page_free(pages, ptr);
    assert_int_equal(count_free(pages), before);
    munmap(memory, bytes);
}

/* Large runs and small ones at random: nothing is lost, nothing given twice. */
static void test_page_alloc_large_random(void **state)
{
    enum { HELD = 24 };
    const size_t offset = 0, size = 24 << 20;
    struct {
        unsigned char *ptr;
        size_t count;
    } held[HELD] = {{0}};
    unsigned large = 0;

    (void)state;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 1), 0);
    srand(7);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = (unsigned)rand() % HELD;
        unsigned align = rand() % 4 == 0 ? (unsigned)rand() % 10 : 0;

        if (held[i].ptr != NULL) {
            assert_int_equal(held[i].ptr[0], i + 1);
            assert_int_equal(held[i].ptr[held[i].count * PAGE_SIZE - 1], i + 1);
            page_free(mem_pages_of(0), held[i].ptr);
            held[i].ptr = NULL;
            continue;
        }
        held[i].count = 1 + (size_t)rand() % (rand() % 3 == 0 ? 4000 : 40);
        held[i].ptr = page_alloc(mem_pages_of(0), held[i].count, align);
        if (held[i].ptr == NULL)
            continue;
        large += held[i].count > 2048;
        assert_int_equal((uintptr_t)held[i].ptr % (PAGE_SIZE << align), 0);
        held[i].ptr[0] = (unsigned char)(i + 1);
        held[i].ptr[held[i].count * PAGE_SIZE - 1] = (unsigned char)(i + 1);
        if (step % 64 == 0)
            count_free(mem_pages_of(0));
    }
    assert_true(large > 100); /* more than the largest block there is */
}

/*
 * What lies where pages were never used is whatever was there before the boot:
 * here, what looks like a free buddy of the block below.
 */
static void test_pages_never_used_are_not_joined(void **state)
{
    const size_t offset = 0, size = 64 << 20;
    struct page_allocator *pages;
    struct page_range *range;
    void *ptr[2];

    (void)state;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 1), 0);
    pages = mem_pages_of(0);
    range = &pages->range[0];
    for (unsigned order = 0; order < 12; order++) {
        ptr[0] = page_alloc(pages, 1, 0);
        assert_true(range->fresh < range->page_count);
        for (size_t i = range->fresh; i < range->page_count; i++)
            range->pages[i] = (struct page_info){
                .state = PAGE_FREE,
                .order = (uint8_t)order,
                .link = {&range->pages[i].link, &range->pages[i].link}};
        ptr[1] = page_alloc(pages, 600, 0); /* another chunk is made ready */
        pages_check(pages);
        page_free(pages, ptr[0]);
        pages_check(pages);
        page_free(pages, ptr[1]);
        pages_check(pages);
    }
}

/* A check that finds nothing wrong is one that would find what is. */
static void broken_list(struct page_allocator *pages)
{
    pages->free_orders ^= UINT32_C(1) << PAGE_ORDER_MAX;
}

static void lost_page(struct page_allocator *pages)
{
    pages->free_pages--;
}

static void page_twice(struct page_allocator *pages)
{
    pages->free_pages++;
}

static void wrong_state(struct page_allocator *pages)
{
    pages->range[0].pages[0].state = PAGE_FREE;
    pages->range[0].pages[0].order = 0;
    list_push_front(&pages->free[0], &pages->range[0].pages[0].link);
    pages->free_orders |= 1;
    pages->free_pages++;
    pages->range[0].pages[0].state = PAGE_INNER;
}

static void wrong_total(struct page_allocator *pages)
{
    pages->total_pages++;
}

static void expect_abort(void (*spoil)(struct page_allocator *pages))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct page_allocator *pages = mem_pages_of(0);

        fclose(stdout);
        fclose(stderr);
        spoil(pages);
        pages_check(pages);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_pages_check_sees_what_is_wrong(void **state)
{
    const size_t offset = 0, size = 64 << 20;

    (void)state;
    regions(1, &offset, &size);
    assert_int_equal(mem_init(&info, 1), 0);
    assert_non_null(page_alloc(mem_pages_of(0), 1, 0));
    pages_check(mem_pages_of(0));
    expect_abort(broken_list);
    expect_abort(lost_page);
    expect_abort(page_twice);
    expect_abort(wrong_state);
    expect_abort(wrong_total);
}

/* ---- What the host is told of -------------------------------------------- */

static unsigned stirs;

static void stirred(struct page_report *report)
{
    (void)report;
    stirs++;
}

/* Take all that is not known; how many pages. */
static size_t report_all(struct page_report *report, size_t *low)
{
    size_t sum = 0, count;
    char *ptr;

    *low = 0;
    while ((ptr = page_report_take(report, 256, &count)) != NULL) {
        assert_in_range(count, 16, 256);
        *low += ptr < arena + 8 * MIB ? count : 0;
        sum += count;
        page_report_put(report, ptr, true);
    }
    return sum;
}

/* In each of several ranges only what was used is not known. */
static void test_report_of_several_ranges(void **state)
{
    const size_t offsets[] = {0, 16 * MIB}, sizes[] = {4 * MIB, 4 * MIB};
    static void *taken[4096];
    struct page_report report = {.stir = stirred};
    struct page_allocator *pages;
    size_t count = 0, low, sum;

    (void)state;
    regions(2, offsets, sizes);
    assert_int_equal(mem_init(&info, 1), 0);
    pages = mem_pages_of(0);
    assert_int_equal(pages->range_count, 2);
    assert_int_equal(page_report_begin(&report, pages), 0);
    sum = report_all(&report, &low);
    assert_int_equal(low, sum); /* the second one was never used */
    pages->watch = NULL;
    page_free(pages, report.known);

    while ((taken[count] = page_alloc(pages, 1, 0)) != NULL)
        count++;
    report = (struct page_report){.stir = stirred};
    stirs = 0;
    assert_int_equal(page_report_begin(&report, pages), -ENOMEM);
    assert_null(pages->watch);
    assert_int_equal(stirs, 0);
    for (size_t i = 0; i < count; i++)
        page_free(pages, taken[i]);
    assert_int_equal(page_report_begin(&report, pages), 0);
    assert_int_equal(stirs, 1);
    sum = report_all(&report, &low);
    assert_in_range(sum, count - 64, count);
    assert_in_range(low, count / 2 - 64, count / 2 + 64);
    assert_int_equal(report_all(&report, &low), 0);

    report.stirred = false;
    taken[0] = page_alloc(pages, 16, 4);
    page_free(pages, taken[0]);
    assert_int_equal(stirs, 2);
    assert_int_equal(report_all(&report, &low), 16);
    pages_check(pages);
    pages->watch = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_of_several_ranges),
        cmocka_unit_test(test_pages_never_used_are_not_joined),
        cmocka_unit_test(test_pages_check_sees_what_is_wrong),
        cmocka_unit_test(test_mem_divides_evenly),
        cmocka_unit_test(test_mem_holes_are_never_handed_out),
        cmocka_unit_test(test_mem_too_little),
        cmocka_unit_test(test_mem_goes_to_its_node),
        cmocka_unit_test(test_mem_of_nodes_without_cpus_is_dealt_to_all),
        cmocka_unit_test(test_mem_ranges_in_a_row_are_one),
        cmocka_unit_test(test_mem_without_use_of_nodes),
        cmocka_unit_test(test_mem_of_uneven_nodes),
        cmocka_unit_test(test_mem_borders),
        cmocka_unit_test(test_mem_borders_of_small_shares),
        cmocka_unit_test(test_mem_borders_of_gigabytes),
        cmocka_unit_test(test_mem_neighbours_are_one),
        cmocka_unit_test(test_mem_shares_of_several_regions),
        cmocka_unit_test(test_mem_random_nodes),
        cmocka_unit_test(test_page_alloc_aligns_and_trims),
        cmocka_unit_test(test_page_alloc_exhausts_and_coalesces),
        cmocka_unit_test(test_page_alloc_random),
        cmocka_unit_test(test_page_array_is_made_lazily),
        cmocka_unit_test(test_page_shrink_gives_back_the_rest),
        cmocka_unit_test(test_mem_shares_of_gigabytes),
        cmocka_unit_test(test_mem_in_crumbs),
        cmocka_unit_test(test_mem_in_many_pieces),
        cmocka_unit_test(test_page_alloc_large),
        cmocka_unit_test(test_page_alloc_large_in_a_later_piece),
        cmocka_unit_test(test_page_alloc_over_several_blocks),
        cmocka_unit_test(test_page_alloc_last_page),
        cmocka_unit_test(test_page_alloc_around_the_largest_block),
        cmocka_unit_test(test_page_alloc_more_than_a_block),
        cmocka_unit_test(test_page_alloc_large_random),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
