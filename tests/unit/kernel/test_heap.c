#include "kernel/exchange.h"
#include "kernel/heap.h"
#include "kernel/lib/poison.h"
#include "kernel/percpu.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include <stdlib.h>
#include <string.h>
#include <torc/message.h>
#include <torc/thread.h>

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

static void test_mem_alloc_every_size(void **state)
{
    size_t blocks = stats().block_count;

    (void)state;
    for (size_t size = 1; size < 40000; size += size < 9000 ? 1 : 997) {
        char *ptr = mem_alloc(size);

        assert_non_null(ptr);
        assert_int_equal((uintptr_t)ptr % 16, 0);
        memset(ptr, 0xa5, size);
        assert_true(mem_usable_size(ptr) >= size);
        assert_true(mem_usable_size(ptr) <= size + size / 4 + 4096);
        mem_free(ptr);
    }
    assert_int_equal(stats().block_count, blocks);
}

/* The smallest class that holds a size, the long way round. */
static size_t class_bytes(size_t size)
{
    size_t doubling = 128;
    size_t bytes = 0;

    while (bytes < size && bytes < 128)
        bytes += 16;
    while (bytes < size) {
        if (bytes == 2 * doubling)
            doubling = bytes;
        bytes += doubling / 4;
    }
    return bytes;
}

static void test_mem_blocks_are_of_the_smallest_class(void **state)
{
    size_t bytes = 0;
    unsigned class = 0;

    (void)state;
    for (size_t size = 1; size <= MEM_SMALL_MAX; size++) {
        void *ptr = mem_alloc(size);

        if (class_bytes(size) != bytes)
            class = bytes == 0 ? 0 : class + 1;
        bytes = class_bytes(size);
        assert_int_equal(mem_class_of(size), class);
        assert_int_equal(mem_usable_size(ptr), bytes);
        mem_free(ptr);
    }
    assert_int_equal(class, MEM_CLASS_COUNT - 1);
}

/* Of a constant size the compiler knows the class. */
static void check_constant(size_t class, char *ptr, size_t bytes)
{
    if (class < MEM_CLASS_COUNT)
        assert_int_equal(class, mem_class_of(bytes));
    assert_non_null(ptr);
    assert_int_equal(mem_usable_size(ptr), bytes);
    mem_free(ptr);
}

static void test_mem_constant_sizes(void **state)
{
    (void)state;
    check_constant(mem_class_of(1), mem_alloc(1), 16);
    check_constant(mem_class_of(16), mem_alloc(16), 16);
    check_constant(mem_class_of(17), mem_alloc(17), 32);
    check_constant(mem_class_of(64), mem_alloc(64), 64);
    check_constant(mem_class_of(128), mem_alloc(128), 128);
    check_constant(mem_class_of(129), mem_alloc(129), 160);
    check_constant(mem_class_of(320), mem_alloc(320), 320);
    check_constant(mem_class_of(321), mem_alloc(321), 384);
    check_constant(mem_class_of(7169), mem_alloc(7169), 8192);
    check_constant(mem_class_of(8192), mem_alloc(8192), 8192);
    check_constant(MEM_NO_CLASS, mem_alloc(8193), 3 * 4096);
}

static void test_mem_last_in_first_out(void **state)
{
    void *first = mem_alloc(64);
    void *second = mem_alloc(50);

    (void)state;
    mem_free(first);
    mem_free(second);
    assert_ptr_equal(mem_alloc(64), second);
    assert_ptr_equal(mem_alloc(49), first);
    mem_free(first);
    mem_free(second);
    mem_free(NULL);
    assert_int_equal(stats().failed, 0);
    assert_null(mem_alloc(SIZE_MAX));
    assert_int_equal(stats().failed, 1);
}

static void test_mem_blocks_do_not_overlap(void **state)
{
    static struct {
        unsigned char *ptr;
        size_t size;
    } live[256];
    size_t blocks = stats().block_count;

    (void)state;
    srand(7);
    memset(live, 0, sizeof(live));
    for (int i = 0; i < 50000; i++) {
        unsigned at = (unsigned)rand() % 256;

        if (live[at].ptr != NULL) {
            for (size_t k = 0; k < live[at].size; k++)
                assert_int_equal(live[at].ptr[k], (unsigned char)at);
            mem_free(live[at].ptr);
            live[at].ptr = NULL;
        } else {
            live[at].size = 1 + (size_t)rand() % (i % 10 == 0 ? 20000 : 300);
            live[at].ptr = mem_alloc(live[at].size);
            assert_non_null(live[at].ptr);
            memset(live[at].ptr, (int)at, live[at].size);
        }
    }
    for (unsigned at = 0; at < 256; at++)
        mem_free(live[at].ptr);
    assert_int_equal(stats().block_count, blocks);
}

static void test_mem_empty_slabs_go_home(void **state)
{
    static void *taken[20000];
    size_t before = stats().free_bytes;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        taken[i] = mem_alloc(64);
        assert_non_null(taken[i]);
    }
    assert_true(stats().free_bytes < before - 1000000);
    for (int i = 0; i < 20000; i++)
        mem_free(taken[i]);
    mem_trim();
    assert_true(stats().free_bytes + 64 * 1024 >= before);
}

static void test_mem_exhaustion_returns_null(void **state)
{
    static void *taken[4096];
    int count = 0;

    (void)state;
    while (count < 4096 && (taken[count] = mem_alloc(64 * 1024)) != NULL)
        count++;
    assert_in_range(count, 100, 256);
    assert_null(mem_alloc(64 * 1024));
    assert_null(dma_alloc(64 * 1024));
    while (count > 0)
        mem_free(taken[--count]);
    assert_non_null(taken[0] = mem_alloc(4 << 20));
    mem_free(taken[0]);
    assert_null(mem_alloc(SIZE_MAX));
    assert_null(mem_alloc(SIZE_MAX / 2 + 1));
}

static void test_mem_resize_keeps_contents(void **state)
{
    char *ptr = mem_resize(NULL, 10);

    (void)state;
    assert_non_null(ptr);
    memcpy(ptr, "0123456789", 10);
    for (size_t size = 10; size < 100000; size = size * 3 / 2) {
        ptr = mem_resize(ptr, size);
        assert_non_null(ptr);
        assert_memory_equal(ptr, "0123456789", 10);
    }
    assert_null(mem_resize(ptr, 1 << 30));
    assert_memory_equal(ptr, "0123456789", 10);
    ptr = mem_resize(ptr, 4);
    assert_memory_equal(ptr, "0123", 4);
    mem_free(ptr);
}

static void test_mem_zeroed_and_dma(void **state)
{
    unsigned char *dirty = mem_alloc(5000);
    unsigned char *ptr;

    (void)state;
    memset(dirty, 0xff, 5000);
    mem_free(dirty);
    ptr = mem_alloc_zeroed(5000);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(ptr[i], 0);
    mem_free(ptr);
    ptr = dma_alloc(5000);
    assert_int_equal((uintptr_t)ptr % 4096, 0);
    for (int i = 0; i < 8192; i++)
        assert_int_equal(ptr[i], 0);
    dma_free(ptr, 5000);
    mem_free(NULL);
    dma_free(NULL, 1);
}

static void test_mem_failure_on_request(void **state)
{
    void *ptr;

    (void)state;
    heap_fail(2);
    ptr = mem_alloc(8);
    assert_non_null(ptr);
    assert_false(heap_failed());
    assert_null(mem_alloc(8));
    assert_true(heap_failed());
    mem_free(ptr);
    ptr = mem_alloc(8);
    assert_non_null(ptr);
    mem_free(ptr);
}

#if SANITIZE_ADDRESS
int __asan_address_is_poisoned(void const volatile *addr);

static void test_mem_sanitizer_sees_freed_and_beyond(void **state)
{
    char *ptr = mem_alloc(20);

    (void)state;
    assert_false(__asan_address_is_poisoned(ptr + 19));
    assert_true(__asan_address_is_poisoned(ptr + 20));
    mem_free(ptr);
    assert_true(__asan_address_is_poisoned(ptr));
}
#endif

/* A block made on one CPU and freed on another goes home. */
static int foreign_free(void *arg)
{
    size_t blocks = stats().block_count;

    (void)arg;
    for (int i = 0; i < 100; i++) {
        void *ptr = mem_alloc(16 + (size_t)i * 200);

        if (ptr == NULL || remote_call(1, free_block, ptr) != 0)
            return 1;
    }
    for (int i = 0; i < 100 && stats().block_count != blocks; i++)
        thread_yield();
    return stats().block_count == blocks ? 0 : 2;
}

static void test_mem_foreign_free_goes_home(void **state)
{
    (void)state;
    assert_int_equal(machine_run(2, 8 << 20, foreign_free, NULL), 0);
}

static void test_mem_aligned(void **state)
{
    size_t blocks = stats().block_count;

    (void)state;
    for (size_t align = 1; align <= 2 << 20; align *= 2) {
        for (size_t size = 1; size < 20000; size = size * 3 + 1) {
            char *ptr = mem_alloc_aligned(size, align);

            assert_non_null(ptr);
            assert_int_equal((uintptr_t)ptr % align, 0);
            assert_true(mem_usable_size(ptr) >= size);
            memset(ptr, 1, size);
            mem_free(ptr);
        }
    }
    assert_int_equal(stats().block_count, blocks);
    assert_null(mem_alloc_aligned(1, SIZE_MAX / 2 + 1));
    assert_null(mem_alloc(SIZE_MAX / 2));
    assert_null(mem_alloc((size_t)1 << 40));
    assert_true(stats().failed >= 3);
}

static void test_mem_shrinks_in_place(void **state)
{
    char *ptr = mem_alloc(100 * 4096);
    size_t before;

    (void)state;
    assert_non_null(ptr);
    ptr[0] = 7;
    before = stats().free_bytes;
    assert_ptr_equal(mem_resize(ptr, 20 * 4096), ptr);
    assert_int_equal(ptr[0], 7);
    assert_int_equal(stats().free_bytes, before + 80 * 4096);
    assert_int_equal(mem_usable_size(ptr), 20 * 4096);
    mem_free(ptr);
}

/* What one class keeps, another can have. */
static void test_mem_trims_before_it_fails(void **state)
{
    static void *live[200000];
    size_t count = 0;
    char *large;

    (void)state;
    while ((live[count] = mem_alloc(100)) != NULL)
        count++;
    for (size_t i = 0; i < count; i++)
        mem_free(live[i]);
    assert_true(stats().kept_bytes > 8 << 20);
    large = mem_alloc(8000); /* a slab of another class */
    assert_non_null(large);
    mem_free(large);
    for (size_t i = 0; i < count; i++)
        live[i] = mem_alloc(100);
    assert_null(mem_alloc(8000));
    for (size_t i = 0; i < count; i++)
        mem_free(live[i]);
    large = mem_alloc(4 << 20); /* pages */
    assert_non_null(large);
    mem_free(large);
}

static void test_dma_fails_where_a_page_is_mapped_already(void **state)
{
    char *ptr = dma_alloc(4096);

    (void)state;
    assert_non_null(ptr);
    dma_free(ptr, 4096);
    assert_int_equal(hal_dma_map(ptr, 4096), 0);
    assert_null(dma_alloc(4096)); /* the same page again */
    hal_dma_unmap(ptr, 4096);
    dma_free(NULL, 4096);
}

static void test_boot_without_pages(void **state)
{
    struct page_allocator *pages = mem_pages_of(0);

    (void)state;
    while (page_alloc(pages, 1, 0) != NULL)
        ;
    assert_null(percpu_create(0));
    assert_int_equal(exchange_init(1), -ENOMEM);
}

/* ---- memcheck=1 ---------------------------------------------------------- */

static char output[8192];

static void expect_panic(const char *cmdline, int (*fn)(void *),
                         const char *text)
{
    assert_int_equal(machine_run_output(2, 8 << 20, cmdline, fn, NULL, output,
                                        sizeof(output)),
                     134);
    if (strstr(output, text) == NULL)
        fail_msg("no \"%s\" in: %s", text, output);
}

/* Behind the sanitizer's back: what it would stop at is what we look for. */
static void poke(char *at, char value)
{
    unpoison(at, 1);
    *(volatile char *)at = value;
}

static int overrun(void *arg)
{
    char *ptr = mem_alloc(21);

    (void)arg;
    poke(ptr + 21, 0);
    mem_free(ptr);
    return 0;
}

static int double_free(void *arg)
{
    char *ptr = mem_alloc(100);

    (void)arg;
    mem_free(ptr);
    unpoison(ptr - 32, 132);
    mem_free(ptr);
    return 0;
}

static int free_inside(void *arg)
{
    char *ptr = mem_alloc_zeroed(200);

    (void)arg;
    mem_free(ptr + 64);
    return 0;
}

static int foreign_double_free(void *arg)
{
    char *ptr = mem_alloc(100);

    (void)arg;
    if (remote_call(1, free_block, ptr) != 0)
        return 1;
    unpoison(ptr - 32, 132);
    mem_free(ptr);
    return 0;
}

static int foreign_resize(void *arg)
{
    return mem_resize(arg, 5000) == NULL;
}

static int resize_elsewhere(void *arg)
{
    (void)arg;
    return remote_call(1, foreign_resize, mem_alloc(100));
}

static int well_behaved(void *arg)
{
    char *aligned = mem_alloc_aligned(100, 4096);
    char *ptr = mem_alloc(1);

    (void)arg;
    if (ptr == NULL || aligned == NULL || (uintptr_t)aligned % 4096 != 0)
        return 1;
    if (mem_usable_size(ptr) != 1 || mem_usable_size(aligned) != 100)
        return 2;
    ptr = mem_resize(ptr, 30000);
    if (ptr == NULL || mem_usable_size(ptr) != 30000)
        return 3;
    memset(ptr, 1, 30000);
    ptr = mem_resize(ptr, 10000);
    if (ptr == NULL || ptr[9999] != 1 || mem_usable_size(ptr) != 10000)
        return 4;
    mem_free(aligned);
    if (mem_alloc(SIZE_MAX / 2) != NULL || mem_alloc(1 << 30) != NULL)
        return 5;
    return remote_call(1, free_block, ptr);
}

static void test_memcheck_finds(void **state)
{
    (void)state;
    expect_panic("memcheck=1", overrun, "was written 1 bytes past its end");
    expect_panic("memcheck=1", double_free, "is freed a second time");
    expect_panic("memcheck=1", free_inside, "is no block");
    expect_panic("memcheck=1", foreign_double_free, "is freed a second time");
}

static void test_memcheck_leaves_others_alone(void **state)
{
    (void)state;
    assert_int_equal(machine_run_output(2, 8 << 20, "memcheck=1", well_behaved,
                                        NULL, output, sizeof(output)),
                     0);
}

static int free_nothing(void *arg)
{
    static int nobodys;

    (void)arg;
    mem_free(&nobodys);
    return 0;
}

static int alloc_nothing(void *arg)
{
    (void)arg;
    mem_free(mem_alloc(1));
    return mem_alloc(0) == NULL;
}

/* Without memcheck, what cannot be right is still told. */
static void test_mem_nonsense_is_told(void **state)
{
    (void)state;
    expect_panic("", resize_elsewhere, "is not memory of cpu 1");
    expect_panic("", free_nothing, "is not memory of any cpu");
    expect_panic("", alloc_nothing, "size > 0");
}

static int free_within_pages(void *arg)
{
    char *ptr = mem_alloc(100000);

    (void)arg;
    mem_free(ptr + 8192);
    return 0;
}

static int page_of_another(void *arg)
{
    (void)arg;
    (void)page_address(mem_pages_of(0), (struct page *)(uintptr_t)64);
    return 0;
}

static void test_page_nonsense_is_told(void **state)
{
    (void)state;
    expect_panic("", free_within_pages, "is not the start of allocated pages");
    expect_panic("", page_of_another, "is not of cpu 0");
}

int main(void)
{
    const struct CMUnitTest tests[] =
    { cmocka_unit_test_setup_teardown(test_mem_alloc_every_size, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_mem_blocks_are_of_the_smallest_class,
                                      setup, teardown),
      cmocka_unit_test_setup_teardown(test_mem_constant_sizes, setup, teardown),
      cmocka_unit_test_setup_teardown(test_mem_last_in_first_out, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_mem_blocks_do_not_overlap, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_mem_empty_slabs_go_home, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_mem_exhaustion_returns_null, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_mem_resize_keeps_contents, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_mem_zeroed_and_dma, setup, teardown),
      cmocka_unit_test_setup_teardown(test_mem_failure_on_request, setup,
                                      teardown),
#if SANITIZE_ADDRESS
      cmocka_unit_test_setup_teardown(test_mem_sanitizer_sees_freed_and_beyond,
                                      setup, teardown),
#endif
      cmocka_unit_test(test_mem_foreign_free_goes_home),
      cmocka_unit_test_setup_teardown(test_mem_aligned, setup, teardown),
      cmocka_unit_test_setup_teardown(test_mem_shrinks_in_place, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_mem_trims_before_it_fails, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(
          test_dma_fails_where_a_page_is_mapped_already, setup, teardown),
      cmocka_unit_test_setup_teardown(test_boot_without_pages, setup, teardown),
      cmocka_unit_test(test_memcheck_finds),
      cmocka_unit_test(test_memcheck_leaves_others_alone),
      cmocka_unit_test(test_mem_nonsense_is_told),
      cmocka_unit_test(test_page_nonsense_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
