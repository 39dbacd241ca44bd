/* mem_cache_set(): what it refuses; the hosted machine can do no more. */
#include "kernel/cpu/percpu.h"
#include "kernel/memory/mem.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdint.h>
#include <torc/errno.h>
#include <torc/memory.h>

static int setup(void **state)
{
    (void)state;
    machine_attach(4 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    machine_detach();
    return 0;
}

static void test_cache_set_refuses_nonsense(void **state)
{
    char *pages = dma_alloc(3 * PAGE_SIZE);
    static _Alignas(4096) char own[PAGE_SIZE];
    const struct {
        const char *name;
        void *ptr;
        size_t size;
        int mode;
    } rows[] = {
        {"in a page", pages + 64, PAGE_SIZE, MEM_UNCACHED},
        {"half a page", pages, PAGE_SIZE / 2, MEM_UNCACHED},
        {"nothing", pages, 0, MEM_UNCACHED},
        {"no such mode", pages, PAGE_SIZE, 3},
        {"negative mode", pages, PAGE_SIZE, -1},
        {"not memory", own, PAGE_SIZE, MEM_UNCACHED},
        {"null", NULL, PAGE_SIZE, MEM_UNCACHED},
        {"wraps", (void *)-(uintptr_t)PAGE_SIZE, 2 * PAGE_SIZE, MEM_CACHED},
    };

    (void)state;
    assert_non_null(pages);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ROW(rows[i].name,
            mem_cache_set(rows[i].ptr, rows[i].size,
                          (enum mem_cache)rows[i].mode) == -EINVAL);
    /* It begins here and ends outside. */
    assert_int_equal(
        mem_cache_set(pages, SIZE_MAX - (PAGE_SIZE - 1), MEM_CACHED), -EXDEV);
    dma_free(pages, 3 * PAGE_SIZE);
}

static void test_cache_set_hosted(void **state)
{
    char *pages = dma_alloc(2 * PAGE_SIZE);

    (void)state;
    assert_non_null(pages);
    assert_int_equal(mem_cache_set(pages, 2 * PAGE_SIZE, MEM_UNCACHED),
                     -ENOTSUP);
    assert_int_equal(mem_cache_set(pages, PAGE_SIZE, MEM_WRITE_COMBINING),
                     -ENOTSUP);
    assert_int_equal(mem_cache_set(pages, 2 * PAGE_SIZE, MEM_CACHED), 0);
    pages[PAGE_SIZE] = 1;
    dma_free(pages, 2 * PAGE_SIZE);
}

/* From the first page of a piece of the share to its last, and no further. */
static void test_cache_set_to_the_edges(void **state)
{
    const struct page_range *range = &mem_pages_of(0)->range[0];
    uintptr_t base = range->base;
    size_t bytes = range->page_count * PAGE_SIZE;
    const struct {
        const char *name;
        uintptr_t from;
        size_t size;
        int want;
    } rows[] = {
        {"all", base, bytes, 0},
        {"one page more", base, bytes + PAGE_SIZE, -EXDEV},
        {"first page", base, PAGE_SIZE, 0},
        {"the page before", base - PAGE_SIZE, PAGE_SIZE, -EINVAL},
        {"from the page before", base - PAGE_SIZE, 2 * PAGE_SIZE, -EINVAL},
        {"last page", base + bytes - PAGE_SIZE, PAGE_SIZE, 0},
        {"one behind it", base + bytes - PAGE_SIZE, 2 * PAGE_SIZE, -EXDEV},
        {"all but the first", base + PAGE_SIZE, bytes - PAGE_SIZE, 0},
        {"and one behind", base + PAGE_SIZE, bytes, -EXDEV},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ROW(rows[i].name, mem_cache_set((void *)rows[i].from, rows[i].size,
                                        MEM_CACHED) == rows[i].want);
}

/* A share may have several pieces: here the last two pages are one. */
static void test_cache_set_in_a_second_piece(void **state)
{
    struct page_allocator *pages = mem_pages_of(0);
    struct page_range *whole = pages->range;
    struct page_range pieces[2] = {whole[0], whole[0]};
    char *second;

    (void)state;
    assert_int_equal(pages->range_count, 1);
    pieces[0].page_count -= 2;
    pieces[1].page_count = 2;
    pieces[1].base += pieces[0].page_count * PAGE_SIZE;
    second = (char *)pieces[1].base;
    pages->range = pieces;
    assert_int_equal(mem_cache_set(second, PAGE_SIZE, MEM_CACHED), -EXDEV);
    pages->range_count = 2;
    assert_int_equal(mem_cache_set(second, 2 * PAGE_SIZE, MEM_CACHED), 0);
    pages->range = whole;
    pages->range_count = 1;
}

static int foreign(void *arg)
{
    void *theirs = page_alloc(mem_pages_of(1), 1, 0);

    (void)arg;
    return mem_cache_set(theirs, PAGE_SIZE, MEM_UNCACHED) == -EXDEV ? 0 : 1;
}

static void test_cache_set_refuses_foreign_pages(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 4 << 20, foreign, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cache_set_refuses_nonsense, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_cache_set_hosted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cache_set_to_the_edges, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_cache_set_in_a_second_piece, setup,
                                        teardown),
        cmocka_unit_test(test_cache_set_refuses_foreign_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
