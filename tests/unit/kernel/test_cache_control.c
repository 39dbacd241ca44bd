/* mem_cache_set(): what it refuses; the hosted machine can do no more. */
#include "kernel/mem.h"
#include "kernel/percpu.h"
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
        cmocka_unit_test(test_cache_set_refuses_foreign_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
