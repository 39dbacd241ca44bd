#include "kernel/cpu/exchange.h"
#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/poison.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <torc/message.h>
#include <torc/page_run.h>
#include <torc/thread.h>
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

/* Inline, and as calls, of which files that are compiled for size make use. */
static void test_mem_alloc_every_size(void **state)
{
    size_t blocks = stats().block_count;

    (void)state;
    for (size_t size = 1; size < 40000; size += size < 9000 ? 1 : 997) {
        bool calls = size % 3 == 0;
        char *ptr = calls ? mem_alloc_call(size) : mem_alloc(size);

        assert_non_null(ptr);
        assert_int_equal((uintptr_t)ptr % 16, 0);
        memset(ptr, 0xa5, size);
        assert_true(mem_usable_size(ptr) >= size);
        assert_true(mem_usable_size(ptr) <= size + size / 4 + 4096);
        if (calls)
            mem_free_call(ptr);
        else
            mem_free(ptr);
    }
    assert_int_equal(stats().block_count, blocks);
}

/* How many pages the first block of a size takes. */
static size_t pages_taken(size_t size, size_t align)
{
    size_t before, after;

    mem_trim();
    before = stats().free_bytes;
    mem_free(mem_alloc_aligned(size, align));
    after = stats().free_bytes;
    mem_trim();
    assert_int_equal(stats().free_bytes, before);
    return (before - after) / 4096;
}

/* A slab has room for eight blocks or more; of whole pages none are kept. */
static void test_mem_slabs_of_each_class(void **state)
{
    static const struct {
        const char *name;
        size_t size, pages;
    } rows[] = {
        {"the smallest class", 16, 1},
        {"the last one of a page", 512, 1},
        {"the first one of four pages", 640, 4},
        {"the last one of four pages", 2048, 4},
        {"the first one of sixteen", 2560, 16},
        {"the largest class", 8192, 16},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t objects = rows[i].pages * 4096 / rows[i].size;
        size_t kept;

        ROW(rows[i].name, pages_taken(rows[i].size, 1) == rows[i].pages);
        kept = stats().kept_bytes;
        mem_free(mem_alloc(rows[i].size));
        ROW(rows[i].name, stats().kept_bytes - kept == objects * rows[i].size);
    }
    assert_int_equal(pages_taken(8193, 1), 0);
    assert_int_equal(pages_taken(1, 4096), 16); /* the class of 4096 bytes */
    assert_int_equal(pages_taken(1, 8192), 0);
}

/* When nothing is quick, one empty slab of a class stays, and the others go. */
static void test_mem_one_empty_slab_stays(void **state)
{
    enum { OBJECTS = 3 * 64 };
    void *live[OBJECTS];
    size_t before;

    (void)state;
    mem_trim();
    before = stats().free_bytes;
    heap_fail(UINT64_MAX);
    for (int i = 0; i < OBJECTS; i++)
        live[i] = mem_alloc(64);
    assert_int_equal(stats().free_bytes, before - 3 * 4096);
    for (int i = 0; i < OBJECTS; i++)
        mem_free(live[i]);
    assert_int_equal(stats().free_bytes, before - 4096);
    mem_free(mem_alloc(64));
    assert_int_equal(stats().free_bytes, before - 4096);
    heap_all_check(heap_self());
    mem_trim();
    assert_int_equal(stats().free_bytes, before);
    heap_fail(0);
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
    static void *taken[4096], *dma[64];
    size_t dma_count = 0;
    int count = 0;

    (void)state;
    while (count < 4096 && (taken[count] = mem_alloc(64 * 1024)) != NULL)
        count++;
    assert_in_range(count, 100, 256);
    assert_null(mem_alloc(64 * 1024));
    assert_null(dma_alloc(64 * 1024));
    while (dma_count < COUNT_OF(dma) &&
           (dma[dma_count] = dma_alloc(4096)) != NULL)
        dma_count++;
    assert_int_equal(stats().free_bytes, 0);
    while (dma_count > 0)
        dma_free(dma[--dma_count], 4096);
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

/* A block moves when it must, or when half of it would be lost. */
static void test_mem_resize_moves(void **state)
{
    static const struct {
        size_t from, to;
        bool moves;
        size_t usable;
    } rows[] = {
        {1024, 1024, false, 1024},
        {1024, 513, false, 1024},
        {1024, 512, true, 512},
        {1000, 1025, true, 1280},
        {1000, 1024, false, 1024},
        {1, 16, false, 16},
        {1, 17, true, 32},
        {100 * 4096, 100 * 4096, false, 100 * 4096},
        {100 * 4096, 51 * 4096, false, 100 * 4096},
        {100 * 4096, 50 * 4096, false, 50 * 4096},
        {100 * 4096, 8193, false, 3 * 4096},
        {100 * 4096, 8192, true, 8192},
        {100 * 4096, 100 * 4096 + 1, true, 101 * 4096},
        {100 * 4096 - 1, 100 * 4096, false, 100 * 4096},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t both = rows[i].from < rows[i].to ? rows[i].from : rows[i].to;
        unsigned char *block = mem_alloc(rows[i].from);
        uintptr_t before = (uintptr_t)block;

        memset(block, 1 + (int)i, rows[i].from);
        block = mem_resize(block, rows[i].to);
        assert_int_equal((uintptr_t)block != before, rows[i].moves);
        assert_int_equal(mem_usable_size(block), rows[i].usable);
        for (size_t at = 0; at < both; at += both < 4096 ? 1 : 1021)
            assert_int_equal(block[at], 1 + i);
        assert_int_equal(block[both - 1], 1 + i);
        mem_free(block);
    }
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

/* Sizes no machine has: NULL, nothing changes, and the failure is counted. */
static void test_mem_impossible_sizes_return_null(void **state)
{
    static const size_t size[] = {
        SIZE_MAX,          SIZE_MAX - 1,
        SIZE_MAX - 4000,   SIZE_MAX - 4094,
        SIZE_MAX - 4095,   SIZE_MAX - 4096,
        SIZE_MAX / 2 + 1,  SIZE_MAX / 2,
        SIZE_MAX / 4 + 1,  SIZE_MAX / 4,
        SIZE_MAX / 8,      (size_t)1 << 52,
        ((size_t)1 << 44), UINT32_MAX,
        (size_t)1 << 31,   ((size_t)1 << 30) + 1,
    };
    char *block = mem_alloc(100);
    struct mem_stats before = stats();

    (void)state;
    memset(block, 7, 100);
    for (unsigned i = 0; i < COUNT_OF(size); i++) {
        uint64_t failed = stats().failed;

        assert_null(mem_alloc(size[i]));
        assert_null(mem_alloc_zeroed(size[i]));
        assert_null(mem_alloc_aligned(size[i], 16));
        assert_null(mem_alloc_aligned(size[i], 8192));
        assert_null(mem_resize(block, size[i]));
        assert_null(dma_alloc(size[i]));
        assert_int_equal(stats().failed, failed + 6);
    }
    for (size_t align = (size_t)1 << 31; align != 0; align <<= 1)
        assert_null(mem_alloc_aligned(1, align));
    assert_int_equal(stats().free_bytes, before.free_bytes);
    assert_int_equal(stats().block_count, before.block_count);
    assert_int_equal(block[99], 7);
    mem_free(block);
}

/* Without memory a block that shrinks stays where it is, one that grows too. */
static void test_mem_resize_without_memory(void **state)
{
    char *ptr = mem_alloc(1000);

    (void)state;
    memset(ptr, 9, 1000);
    heap_fail(1);
    assert_ptr_equal(mem_resize(ptr, 100), ptr);
    assert_true(heap_failed());
    heap_fail(1);
    assert_null(mem_resize(ptr, 5000));
    assert_true(heap_failed());
    heap_fail(0);
    assert_int_equal(ptr[999], 9);
    mem_free(ptr);
}

/* Of a heap that was just made: what a difference of two would hide. */
static void test_mem_fresh_heap_is_empty(void **state)
{
    struct mem_stats first = stats();

    (void)state;
    assert_in_range(first.block_count, 1, 8); /* threads, the packet pool */
    assert_int_equal(first.failed, 0);
    assert_int_equal(first.sent_home, 0);
    assert_int_equal(first.came_home, 0);
    assert_in_range(first.total_bytes, 15 << 20, 16 << 20);
    assert_in_range(first.free_bytes, 15 << 20, first.total_bytes);
    mem_free(mem_alloc(2000)); /* a slab of its own class, and its pages */
    mem_trim();
    heap_all_check(heap_self());
    assert_int_equal(stats().block_count, first.block_count);
    assert_int_equal(stats().kept_bytes, 0);
}

/* The quick way is for blocks of the largest range, and for nobody while a
 * failure is asked for. */
static void test_mem_quick_range(void **state)
{
    static uint8_t classes[4][16];
    struct page_range ranges[] = {
        {.base = 0x100000, .page_count = 5, .classes = classes[0]},
        {.base = 0x200000, .page_count = 9, .classes = classes[1]},
        {.base = 0x300000, .page_count = 9, .classes = classes[2]},
        {.base = 0x400000, .page_count = 7, .classes = classes[3]},
    };
    struct page_allocator made_up = {.range = ranges, .range_count = 4};
    struct heap *heap = heap_self();
    struct page_allocator *pages = heap->pages;

    (void)state;
    mem_trim();
    heap->pages = &made_up;
    heap_fail(0);
    heap->pages = pages;
    assert_int_equal(heap->quick.base, ranges[1].base);
    assert_int_equal(heap->quick.span, 9 * 4096);
    assert_ptr_equal(heap->quick.classes, classes[1]);
    heap_fail(7);
    assert_int_equal(heap->quick.span, 0);
    heap_fail(0);
    assert_int_equal(heap->quick.base, pages->range[0].base);
}

/* What mem_free() remembers of the block allocated last is forgotten with its
 * slab: the pages may be anything by then. */
static void test_mem_latest_is_forgotten(void **state)
{
    struct mem_stats first;
    void *block, *run;

    (void)state;
    mem_trim();
    first = stats();
    mem_free(mem_alloc(2000));
    block = mem_alloc(2000);               /* by the quick way: remembered */
    heap_free_all(heap_self(), &block, 1); /* as if freed elsewhere */
    mem_trim();
    run = mem_alloc(4 * PAGE_SIZE);
    assert_ptr_equal(run, block);
    heap_all_check(heap_self());
    mem_free(run);
    heap_all_check(heap_self());
    assert_int_equal(stats().free_bytes, first.free_bytes);
    assert_int_equal(stats().kept_bytes, 0);
}

static void test_mem_failure_on_request(void **state)
{
    void *ptr;

    (void)state;
    heap_fail(2);
    ptr = mem_alloc(8);
    assert_non_null(ptr);
    assert_false(heap_failed());
    assert_int_equal(stats().failed, 0);
    assert_null(mem_alloc(8));
    assert_true(heap_failed());
    assert_int_equal(stats().failed, 1);
    mem_free(ptr);
    ptr = mem_alloc(8);
    assert_non_null(ptr);
    mem_free(ptr);
    heap_fail(1);
    assert_null(mem_alloc(100000));
    assert_int_equal(stats().failed, 2);
}

static char output[8192];

static int double_free(void *arg)
{
    char *ptr = mem_alloc(100);

    (void)arg;
    mem_free(ptr);
    mem_free(ptr);
    return 0;
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
    (void)stats(); /* has looked at it */
    assert_true(__asan_address_is_poisoned(ptr));
    heap_fail(10); /* nothing is quick */
    ptr = mem_alloc(20);
    mem_free(ptr);
    assert_true(__asan_address_is_poisoned(ptr));
    assert_true(__asan_address_is_poisoned(ptr + 16));
    heap_fail(0);
}

static void test_mem_sanitizer_sees_second_free(void **state)
{
    (void)state;
    assert_int_not_equal(machine_run_output(1, 8 << 20, "", double_free, NULL,
                                            output, sizeof(output)),
                         0);
    assert_non_null(strstr(output, "use-after-poison"));
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
    assert_int_equal(stats().free_bytes, 0); /* to the last page */
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

static void *given[64];
static unsigned given_left;

/* A page at a time. */
static bool give_a_page(void)
{
    if (given_left == 0)
        return false;
    mem_free(given[--given_left]);
    return true;
}

/* A reclaimer that has given a part is asked again, and not once more than it
 * must be. */
static void test_mem_asks_a_reclaimer_again(void **state)
{
    static struct heap_reclaimer reclaimer = {.run = give_a_page};
    static void *live[8192];
    size_t count = 0;
    void *ptr;

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(given); i++)
        given[i] = mem_alloc_aligned(4096, 4096);
    while ((live[count] = mem_alloc(16384)) != NULL)
        count++;
    while ((live[count] = mem_alloc(4096)) != NULL)
        count++;
    heap_add_reclaimer(&reclaimer);
    given_left = COUNT_OF(given);
    ptr = mem_alloc(4096);
    assert_non_null(ptr);
    assert_int_equal(given_left, COUNT_OF(given) - 1);
    mem_free(ptr);
    ptr = mem_alloc(5 * 4096); /* in one piece */
    assert_non_null(ptr);
    assert_in_range(given_left, COUNT_OF(given) - 24, COUNT_OF(given) - 5);
    mem_free(ptr);
    assert_null(mem_alloc(100 * 4096)); /* it gives all it has */
    assert_int_equal(given_left, 0);
    while (count > 0)
        mem_free(live[--count]);
}

static void *far[8];
static unsigned far_left, far_calls;

static bool get_from_afar(void)
{
    far_calls++;
    if (far_left == 0)
        return false;
    mem_free(far[--far_left]);
    return true;
}

/* The last resort is called when nothing else is left, until it has no more;
 * not to give memory back. */
static void test_mem_has_a_last_resort(void **state)
{
    static void *live[8192];
    size_t count = 0;

    (void)state;
    for (far_left = 0; far_left < COUNT_OF(far); far_left++)
        far[far_left] = mem_alloc(4 * 4096);
    while ((live[count] = mem_alloc(4 * 4096)) != NULL)
        count++;
    heap_set_last_resort(get_from_afar);
    mem_trim();
    mem_free(live[--count]);
    live[count++] = mem_alloc(4 * 4096);
    assert_int_equal(far_calls, 0);
    live[count++] = mem_alloc(4 * 4096);
    assert_int_equal(far_calls, 1);
    assert_null(mem_alloc(400 * 4096));
    assert_int_equal(far_left, 0);
    assert_int_equal(far_calls, COUNT_OF(far) + 1);
    heap_set_last_resort(NULL);
    assert_null(mem_alloc(400 * 4096));
    assert_int_equal(far_calls, COUNT_OF(far) + 1);
    while (count > 0)
        mem_free(live[--count]);
}

static void *kept_object;

/* No page becomes free, and it has no more. */
static bool give_an_object(void)
{
    mem_free(kept_object);
    kept_object = NULL;
    return false;
}

/* An object that a reclaimer has freed is taken, though its page stays in use;
 * and what can never be had makes nobody give anything. */
static void test_mem_takes_an_object_before_the_last_resort(void **state)
{
    static struct heap_reclaimer reclaimer = {.run = give_an_object};
    static void *live[8192];
    size_t count = 0;
    void *object;

    (void)state;
    heap_add_reclaimer(&reclaimer);
    far_left = far_calls = 0;
    while ((live[count] = mem_alloc(4 * 4096)) != NULL)
        count++;
    while ((live[count] = mem_alloc(1024)) != NULL)
        count++;
    heap_set_last_resort(get_from_afar);
    kept_object = live[--count];
    object = mem_alloc(1024);
    assert_non_null(object);
    assert_null(kept_object);
    assert_int_equal(far_calls, 0);
    kept_object = object;
    assert_null(mem_alloc((size_t)1 << 40));
    assert_ptr_equal(kept_object, object);
    assert_int_equal(far_calls, 0);
    heap_set_last_resort(NULL);
    while (count > 0)
        mem_free(live[--count]);
    mem_trim();
    assert_null(kept_object);
}

static void test_dma_fails_where_a_page_is_mapped_already(void **state)
{
    char *ptr = dma_alloc(4096);
    size_t before;

    (void)state;
    assert_non_null(ptr);
    dma_free(ptr, 4096);
    mem_trim(); /* the next run begins as this one */
    assert_int_equal(hal_dma_map(ptr, 4096), 0);
    before = stats().free_bytes;
    assert_null(dma_alloc(4096)); /* the same page again */
    assert_int_equal(stats().free_bytes, before);
    hal_dma_unmap(ptr, 4096);
    ptr = dma_alloc(4096);
    assert_int_equal(stats().free_bytes, before - 4096);
    dma_free(ptr, 4096);
    assert_int_equal(stats().free_bytes, before);
    dma_free(NULL, 4096);
}

static void test_dma_pages_follow_each_other(void **state)
{
    size_t before = stats().free_bytes;
    char *pages[40];
    unsigned next = 0;

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        void *other = mem_alloc(2000); /* a slab of its own now and then */

        pages[i] = dma_alloc_undefined(4096);
        assert_non_null(pages[i]);
        mem_free(other);
        next += i > 0 && pages[i] == pages[i - 1] + 4096;
    }
    assert_true(next >= 38);
    for (unsigned i = 0; i < 40; i++)
        dma_free(pages[i], 4096);
    mem_trim();
    assert_int_equal(stats().free_bytes, before);
}

/* What is kept for the next page does not keep others from it. */
static void test_dma_kept_pages_are_given_back(void **state)
{
    size_t before = mem_free_bytes(), left;
    void *page, *all;

    (void)state;
    page = dma_alloc_undefined(4096);
    assert_non_null(page);
    left = heap_self()->pages->free_pages;
    assert_true(mem_free_bytes() > left * 4096); /* the rest counts as free */
    assert_int_equal(mem_free_bytes(), before - 4096);
    all = mem_alloc((left + 1) * 4096);
    mem_free(all);
    assert_int_equal(heap_self()->pages->free_pages * 4096, before - 4096);
    dma_free(page, 4096);
}

static void test_dma_fails_one_by_one(void **state)
{
    void *page = dma_alloc_undefined(4096); /* others are kept behind it */

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        heap_fail(1);
        assert_null(i == 0 ? dma_alloc_undefined(4096) : page_run_alloc(4));
        assert_true(heap_failed());
        heap_fail(0);
    }
    dma_free(page, 4096);
}

static void test_page_run_is_taken_apart(void **state)
{
    size_t before = mem_free_bytes();
    char *run = page_run_alloc(3), *begin = run, *first, *second;
    void *rest = run;

    (void)state;
    assert_non_null(run);
    assert_int_equal(mem_free_bytes(), before - 3 * 4096);
    first = page_run_take(&rest);
    second = page_run_take(&rest);
    assert_ptr_equal(first, begin);
    assert_ptr_equal(second, begin + 4096);
    assert_ptr_equal(rest, begin + 2 * 4096);
    dma_free(first, 4096); /* each by itself */
    assert_int_equal(mem_free_bytes(), before - 2 * 4096);
    page_run_free(rest);
    dma_free(second, 4096);
    assert_int_equal(mem_free_bytes(), before);

    rest = page_run_alloc(1);
    assert_int_equal(hal_dma_map(rest, 4096), 0);
    begin = rest;
    assert_null(page_run_take(&rest)); /* it cannot be mapped */
    assert_ptr_equal(rest, begin);
    hal_dma_unmap(rest, 4096);
    first = page_run_take(&rest);
    assert_ptr_equal(first, begin);
    assert_null(rest);
    page_run_free(rest);
    dma_free(first, 4096);
    assert_null(page_run_alloc(1 << 30));
    assert_int_equal(mem_free_bytes(), before);
}

static void test_boot_without_pages(void **state)
{
    struct page_allocator *pages = mem_pages_of(0);

    (void)state;
    while (page_alloc(pages, 1, 0) != NULL)
        ;
    assert_int_equal(exchange_init(1), -ENOMEM);
    assert_null(percpu_create(0, HEAP_CPU_BLOCK_SIZE)); /* forgets the CPUs */
}

/* ---- memcheck=1 ---------------------------------------------------------- */

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
    mem_free(ptr);
    return 0;
}

/* The block's memory is not used again at once: the stale free is seen. */
static int free_again_after_others(void *arg)
{
    char *ptr = mem_alloc(100);

    (void)arg;
    mem_free(ptr);
    for (int i = 1; i < QUARANTINE_BLOCKS; i++)
        mem_free(mem_alloc(100));
    mem_free(ptr);
    return 0;
}

static int write_to_freed(void *arg)
{
    char *ptr = mem_alloc(100);

    (void)arg;
    mem_free(ptr);
    poke(ptr + 99, 1);
    for (int i = 0; i < QUARANTINE_BLOCKS; i++)
        mem_free(mem_alloc(100));
    return 0;
}

static int write_beyond_freed(void *arg)
{
    char *ptr = mem_alloc(100);

    (void)arg;
    mem_free(ptr);
    poke(ptr + 100, 1);
    mem_trim();
    return 0;
}

/*
 * Two CPUs free a block at the same time: both look at it before either has
 * written, and send it home. Its memory is used again in between, or not.
 */
static void arrive_twice(bool used_again)
{
    struct heap *heap = heap_self();
    char *ptr = mem_alloc(100);
    uint64_t serial = check_send(ptr);
    char *again;

    check_arrived(heap, ptr, serial);
    if (used_again) {
        mem_trim();
        again = mem_alloc(100);
        if (again != ptr)
            return; /* not what is to be tested */
    }
    check_arrived(heap, ptr, serial);
}

static int arrive_twice_free(void *arg)
{
    (void)arg;
    arrive_twice(false);
    return 0;
}

static int arrive_twice_used(void *arg)
{
    (void)arg;
    arrive_twice(true);
    return 0;
}

/* Home frees it while it is on its way. */
static int arrive_after_free(void *arg)
{
    char *ptr = mem_alloc(100);
    uint64_t serial;

    (void)arg;
    serial = check_send(ptr);
    mem_free(mem_alloc(100));
    check_arrived(heap_self(), ptr, serial);
    check_arrived(heap_self(), ptr, 0); /* read when it was free */
    return 0;
}

/* The same with real CPUs, which free as nearly at once as they can. */
static struct {
    char *block;
    atomic_uint ready;
} race;

static int free_in_race(void *arg)
{
    (void)arg;
    atomic_fetch_add(&race.ready, 1);
    while (atomic_load(&race.ready) < 2)
        ;
    mem_free(race.block);
    return 0;
}

static int race_to_free(void *arg)
{
    thread_id id[2];

    race.block = mem_alloc(100);
    for (unsigned i = 0; i < 2; i++) {
        const struct thread_attr attr = {.place = THREAD_ON_CPU,
                                         .cpu = *(unsigned *)arg + i};

        if (thread_create(&attr, free_in_race, NULL, &id[i]) != 0)
            return 1;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (thread_join(id[i], NULL) != 0)
            return 2;
    }
    thread_sleep(NS_PER_MS); /* both blocks come home */
    return 0;
}

/* A failure asked for and over does not end the checks. */
static int double_free_after_failure(void *arg)
{
    heap_fail(1);
    if (mem_alloc(100) != NULL)
        return 1;
    heap_fail(0);
    return double_free(arg);
}

static void test_memcheck_finds_racing_frees(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        unsigned first = i % 2; /* the home CPU and another, or two others */

        int status = machine_run_output(3, 8 << 20, "memcheck=1", race_to_free,
                                        &first, output, sizeof(output));

        if (status != 134 || strstr(output, "is freed a second time") == NULL)
            fail_msg("round %u: status %d: %s", i, status, output);
    }
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
    for (size_t align = 1; align <= 16; align *= 2) {
        char *block = mem_alloc_aligned(3, align);

        if (block == NULL || (uintptr_t)block % 16 != 0)
            return 6;
        mem_free(block);
    }
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
    for (size_t size = SIZE_MAX; size > SIZE_MAX - 200; size--) {
        uint64_t failed = stats().failed;

        if (mem_alloc(size) != NULL || stats().failed != failed + 1)
            return 7;
    }
    return remote_call(1, free_block, ptr);
}

static void test_memcheck_finds(void **state)
{
    (void)state;
    expect_panic("memcheck=1", overrun,
                 "was written past its end, at its byte 21");
    expect_panic("memcheck=1", double_free, "is freed a second time");
    expect_panic("memcheck=1", free_inside, "is no block");
    expect_panic("memcheck=1", foreign_double_free, "is freed a second time");
    expect_panic("memcheck=1", free_again_after_others,
                 "is freed a second time");
    expect_panic("memcheck=1", write_to_freed,
                 "was written after it was freed, at its byte 99");
    expect_panic("memcheck=1", write_beyond_freed,
                 "was written past its end, at its byte 100");
    expect_panic("memcheck=1", arrive_twice_free, "is freed a second time");
    expect_panic("memcheck=1", arrive_twice_used, "is freed a second time");
    expect_panic("memcheck=1", arrive_after_free, "is freed a second time");
    expect_panic("memcheck=1", double_free_after_failure,
                 "is freed a second time");
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
    static char nobodys[16];

    (void)arg;
    mem_free(nobodys);
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

static int free_within_a_page(void *arg)
{
    char *ptr = mem_alloc(100000);

    (void)arg;
    mem_free(ptr + 16);
    return 0;
}

static int free_behind_the_first_byte(void *arg)
{
    char *ptr = mem_alloc(100000);

    (void)arg;
    mem_free(ptr + 1);
    return 0;
}

/* The second of two pages, which have become one free block. */
static int free_page_twice(void *arg)
{
    struct page_allocator *pages = mem_pages_of(0);
    char *both = page_alloc(pages, 2, 1);
    char *second;

    (void)arg;
    page_shrink(pages, both, 1);
    second = page_alloc(pages, 1, 0);
    if (second != both + PAGE_SIZE)
        return 1;
    page_free(pages, both);
    page_free(pages, second);
    page_free(pages, second);
    return 0;
}

static int page_of_another(void *arg)
{
    const struct page_range *mine = &mem_pages_of(0)->range[0];
    const struct page_info *pages[] = {(struct page_info *)(uintptr_t)64,
                                       mem_pages_of(1)->range[0].pages,
                                       mine->pages + mine->page_count};

    (void)page_address(mem_pages_of(0), pages[*(unsigned *)arg]);
    return 0;
}

static void test_page_nonsense_is_told(void **state)
{
    (void)state;
    expect_panic("", free_within_pages, "is not the start of allocated pages");
    expect_panic("", free_within_a_page, "is not the start of allocated pages");
    expect_panic("", free_behind_the_first_byte,
                 "is not the start of allocated pages");
    expect_panic("", free_page_twice, "is not the start of allocated pages");
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(machine_run_output(2, 8 << 20, "", page_of_another, &i,
                                            output, sizeof(output)),
                         134);
        assert_non_null(strstr(output, "is not of cpu 0"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] =
    { cmocka_unit_test_setup_teardown(test_mem_alloc_every_size, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_mem_blocks_are_of_the_smallest_class,
                                      setup, teardown),
      cmocka_unit_test_setup_teardown(test_mem_constant_sizes, setup, teardown),
      cmocka_unit_test_setup_teardown(test_mem_slabs_of_each_class, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_mem_one_empty_slab_stays, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_mem_resize_moves, setup, teardown),
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
      cmocka_unit_test_setup_teardown(test_mem_impossible_sizes_return_null,
                                      setup, teardown),
      cmocka_unit_test_setup_teardown(test_mem_resize_without_memory, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_mem_fresh_heap_is_empty, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_mem_quick_range, setup, teardown),
      cmocka_unit_test_setup_teardown(test_mem_latest_is_forgotten, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_mem_failure_on_request, setup,
                                      teardown),
#if SANITIZE_ADDRESS
      cmocka_unit_test_setup_teardown(test_mem_sanitizer_sees_freed_and_beyond,
                                      setup, teardown),
      cmocka_unit_test(test_mem_sanitizer_sees_second_free),
#endif
      cmocka_unit_test(test_mem_foreign_free_goes_home),
      cmocka_unit_test_setup_teardown(test_mem_aligned, setup, teardown),
      cmocka_unit_test_setup_teardown(test_mem_shrinks_in_place, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(
          test_mem_takes_an_object_before_the_last_resort, setup, teardown),
      cmocka_unit_test_setup_teardown(test_mem_asks_a_reclaimer_again, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_mem_has_a_last_resort, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_mem_trims_before_it_fails, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(
          test_dma_fails_where_a_page_is_mapped_already, setup, teardown),
      cmocka_unit_test_setup_teardown(test_dma_pages_follow_each_other, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_dma_kept_pages_are_given_back, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_dma_fails_one_by_one, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_page_run_is_taken_apart, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(test_boot_without_pages, setup, teardown),
      cmocka_unit_test(test_memcheck_finds),
      cmocka_unit_test(test_memcheck_finds_racing_frees),
      cmocka_unit_test(test_memcheck_leaves_others_alone),
      cmocka_unit_test(test_mem_nonsense_is_told),
      cmocka_unit_test(test_page_nonsense_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
