/*
 * The flusher by a clock that the test sets; writers that wait for it; and
 * memory that the cache gives back.
 */
#include "kernel/cache/cache_internal.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/unit/cache/toy_file.h"

enum { DISK_BYTES = 4 << 20 };

static struct toy_file file, other;
static uint8_t data[64 * PAGE_BYTES];
static uint64_t now;

static int setup(void **state)
{
    (void)state;
    if (toy_setup_disk(16 << 20, DISK_BYTES) != 0)
        return -1;
    toy_create(&file, 8, &toy_ops);
    toy_create(&other, 8, &toy_flush_ops);
    other.next_place = 200;
    memset(data, 5, sizeof(data));
    now = 1000 * NS_PER_S;
    clock_set(now);
    return page_cache_start_flusher();
}

static int teardown(void **state)
{
    (void)state;
    toy_check(&file.pages);
    mapping_destroy(&file.pages);
    mapping_destroy(&other.pages);
    page_cache_check();
    clock_set(0);
    machine_detach();
    return 0;
}

/* Let time go by, and all who are ready run. */
static void pass(uint64_t ns)
{
    now += ns;
    clock_set(now);
    timer_run(now);
    for (unsigned i = 0; i < 8; i++)
        thread_yield();
    toy_check(&file.pages);
}

static uint64_t dirty_pages(void)
{
    struct page_cache_stats stats;

    page_cache_get_stats(&stats);
    return stats.dirty;
}

static uint64_t dirty_limit(void)
{
    struct page_cache_stats stats;

    page_cache_get_stats(&stats);
    return stats.dirty_limit;
}

static void test_flush_after_five_seconds(void **state)
{
    (void)state;
    pass(0);
    assert_int_equal(toy_write(&file.pages, 0, data, 100), 0);
    pass(4 * NS_PER_S);
    assert_int_equal(toy_disk.requests, 0);
    assert_int_equal(toy_write(&file.pages, 5000, data, 100), 0);
    assert_int_equal(toy_write(&other.pages, 0, data, 100), 0);
    pass(NS_PER_S - 1);
    assert_int_equal(toy_disk.requests, 0);
    pass(1);
    assert_int_equal(file.pages.dirty_count, 0);
    assert_int_equal(other.pages.dirty_count, 1); /* not that long */
    pass(4 * NS_PER_S);
    assert_int_equal(dirty_pages(), 0);
    assert_int_equal(other.flushes, 1); /* by its own function */
    /* Nothing more to do, ever. */
    toy_disk.requests = 0;
    pass(1000 * NS_PER_S);
    assert_int_equal(toy_disk.requests, 0);
    assert_int_equal(timer_next(), TIME_NEVER);
}

static void test_flush_when_much_is_dirty(void **state)
{
    uint64_t half = dirty_limit() / FLUSH_SHARE;

    (void)state;
    pass(0);
    assert_in_range(half, 200, 600);
    for (uint64_t i = 0; i < half - 1; i++)
        assert_int_equal(toy_write(&file.pages, i * PAGE_BYTES, data, 1), 0);
    pass(0);
    assert_int_equal(dirty_pages(), half - 1);
    assert_int_equal(toy_write(&other.pages, 0, data, 1), 0);
    pass(0);
    assert_int_equal(file.pages.dirty_count, 0);
    assert_int_equal(other.pages.dirty_count, 1); /* that is not much */
}

/* What cannot be written is tried again, in time. */
static void test_flush_that_fails(void **state)
{
    uint64_t half = dirty_limit() / FLUSH_SHARE;

    (void)state;
    toy_disk.fail_from = 1;
    for (uint64_t i = 0; i < half; i++)
        assert_int_equal(toy_write(&file.pages, i * PAGE_BYTES, data, 1), 0);
    pass(0);
    assert_true(toy_disk.failures > 0);
    assert_int_equal(dirty_pages(), half);
    toy_disk.failures = 0;
    pass(5 * NS_PER_S - 1);
    assert_int_equal(toy_disk.failures, 0);
    /* Others are not kept from being written meanwhile. */
    toy_disk.fail_from = 0;
    assert_int_equal(toy_write(&other.pages, 0, data, 1), 0);
    pass(0);
    assert_int_equal(other.pages.dirty_count, 0);
    assert_int_equal(file.pages.dirty_count, half);
    pass(1);
    assert_int_equal(dirty_pages(), 0);
    assert_int_equal(file.pages.flush_status, 0);
}

/* The file system's own part of a flush may fail, too. */
static void test_flush_function_that_fails(void **state)
{
    (void)state;
    other.flush_status = -ENOSPC;
    assert_int_equal(toy_write(&other.pages, 0, data, 1), 0);
    pass(5 * NS_PER_S);
    assert_int_equal(other.flushes, 1);
    assert_int_equal(other.pages.flush_status, -ENOSPC);
    other.flush_status = 0;
}

static int destroy_thread(void *arg)
{
    mapping_destroy(arg);
    return 0;
}

/* ---- Small files --------------------------------------------------------- */

enum { SMALL = 13 };

static struct toy_file small[SMALL];

/* Files with so many dirty pages each. */
static void small_begin(unsigned count, unsigned pages)
{
    pass(0);
    for (unsigned i = 0; i < count; i++) {
        toy_create(&small[i], 8, &toy_ops);
        small[i].next_place = 300 + 60 * i;
        assert_int_equal(
            toy_write(&small[i].pages, 0, data, pages * PAGE_BYTES), 0);
    }
    toy_disk.deferred = true;
    toy_disk.requests = 0;
}

static void small_end(unsigned count)
{
    while (ramblk_complete(&toy_disk) > 0)
        pass(0);
    toy_disk.deferred = false;
    assert_int_equal(dirty_pages(), 0);
    for (unsigned i = 0; i < count; i++) {
        assert_null(small[i].pages.flush);
        assert_int_equal(toy_on_disk(&small[i], 0), 5);
        mapping_destroy(&small[i].pages);
    }
}

/* The disk gets them together, up to a dozen. */
static void test_small_files_at_the_same_time(void **state)
{
    (void)state;
    small_begin(SMALL, 1);
    pass(5 * NS_PER_S);
    assert_int_equal(toy_disk.requests, SMALL - 1);
    assert_non_null(small[0].pages.flush);
    assert_null(small[SMALL - 1].pages.flush);
    assert_int_equal(small[SMALL - 1].pages.dirty_count, 1);
    small_end(SMALL);
}

/* Nor more than so many pages. */
static void test_large_files_one_by_one(void **state)
{
    static const struct {
        unsigned pages, files;
    } rows[] = {{32, 8}, {51, 6}, {52, 5}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        small_begin(9, rows[i].pages);
        pass(5 * NS_PER_S);
        for (unsigned k = 0; k < 9; k++)
            assert_int_equal(small[k].pages.flush != NULL, k < rows[i].files);
        small_end(9);
    }
}

/* What has more to do than to write its pages, a device and what is not due
 * come by themselves. */
static void test_others_come_later(void **state)
{
    struct mapping device;

    (void)state;
    assert_int_equal(mapping_init_device(&device, &toy_open), 0);
    for (unsigned i = 0; i < 3; i++) {
        small_begin(1, 1);
        if (i == 0)
            assert_int_equal(toy_write(&other.pages, 0, data, 1), 0);
        if (i == 1)
            assert_int_equal(toy_write(&device, 0, data, BLOCK_SECTOR_SIZE), 0);
        if (i == 2)
            pass(1);
        if (i == 2)
            assert_int_equal(toy_write(&file.pages, 0, data, 1), 0);
        pass(5 * NS_PER_S - (i == 2));
        assert_int_equal(toy_disk.requests, 1);
        pass(1);
        small_end(1);
        assert_int_equal(toy_disk.requests, 2);
    }
    mapping_destroy(&device);
}

/* Each has its own error. */
static void test_one_of_several_fails(void **state)
{
    (void)state;
    small_begin(2, 1);
    toy_disk.deferred = false;
    toy_disk.fail_at = 1;
    pass(5 * NS_PER_S);
    assert_int_equal(small[0].pages.flush_status, -EIO);
    assert_int_equal(small[0].pages.dirty_count, 1);
    assert_int_equal(small[1].pages.flush_status, 0);
    assert_int_equal(small[1].pages.dirty_count, 0);
    pass(5 * NS_PER_S);
    assert_int_equal(small[0].pages.flush_status, 0);
    small_end(2);
}

static int map_and_end_the_first(struct mapping *mapping, uint64_t sector,
                                 uint32_t sectors, enum map_mode mode,
                                 struct extent *out)
{
    if (mode == MAP_WRITE) {
        mapping_destroy(&small[0].pages);
        memset(&small[0].pages, 0xff, sizeof(small[0].pages));
    }
    return toy_map(mapping, sector, sectors, mode, out);
}

/* To find room for one may end another that is written already. */
static void test_one_ends_another(void **state)
{
    static const struct mapping_ops ops = {.map = map_and_end_the_first};

    (void)state;
    small_begin(2, 1);
    toy_disk.deferred = false;
    small[1].pages.ops = &ops;
    pass(5 * NS_PER_S);
    assert_int_equal(dirty_pages(), 0);
    assert_int_equal(toy_on_disk(&small[1], 0), 5);
    assert_null(small[1].pages.flush);
    mapping_destroy(&small[1].pages);
}

/* Who ends one waits until it is written. All is due while a writer waits, also
 * what is on its way: it does not begin again. */
static void test_destroy_waits_for_one_of_several(void **state)
{
    thread_id thread;

    (void)state;
    small_begin(2, 1);
    file.pages.cache->throttled++;
    pass(5 * NS_PER_S);
    assert_int_equal(toy_disk.requests, 2);
    assert_false(mapping_is_idle(&small[1].pages));
    assert_int_equal(
        thread_create(NULL, destroy_thread, &small[1].pages, &thread), 0);
    pass(0);
    assert_true(ramblk_complete_one(&toy_disk, 0));
    pass(0);
    assert_null(small[0].pages.flush);
    assert_non_null(small[1].pages.flush);
    file.pages.cache->throttled--;
    small_end(1);
    assert_int_equal(thread_join(thread, NULL), 0);
}

/* ---- Other work ---------------------------------------------------------- */

static struct flush_work works[2];
static unsigned runs[2];
static bool work_waits;

static void work_runs(struct flush_work *work)
{
    runs[work - works]++;
    while (work_waits)
        thread_yield();
}

/* Each at its own time, which a second call does not change. */
static void test_work_is_done_when_it_is_due(void **state)
{
    (void)state;
    memset(runs, 0, sizeof(runs));
    works[0].run = works[1].run = work_runs;
    pass(0);
    flush_work_queue(&works[0], 3 * NS_PER_S);
    flush_work_queue(&works[1], 2 * NS_PER_S);
    pass(NS_PER_S);
    flush_work_queue(&works[1], 5 * NS_PER_S);
    pass(NS_PER_S - 1);
    assert_int_equal(runs[1], 0);
    pass(1);
    assert_int_equal(runs[1], 1);
    assert_int_equal(runs[0], 0);
    pass(NS_PER_S - 1);
    assert_int_equal(runs[0], 0);
    pass(1);
    assert_int_equal(runs[0], 1);
    pass(100 * NS_PER_S);
    assert_int_equal(runs[0] + runs[1], 2);
    flush_work_queue(&works[0], 0);
    pass(0);
    assert_int_equal(runs[0], 2);
    assert_int_equal(timer_next(), TIME_NEVER);
}

static int cancel_thread(void *arg)
{
    flush_work_cancel(arg);
    return (int)runs[0];
}

static void test_work_is_cancelled(void **state)
{
    thread_id thread;
    int value;

    (void)state;
    memset(runs, 0, sizeof(runs));
    works[0].run = work_runs;
    flush_work_queue(&works[0], NS_PER_S);
    flush_work_cancel(&works[0]);
    pass(10 * NS_PER_S);
    assert_int_equal(runs[0], 0);
    work_waits = true;
    flush_work_queue(&works[0], 0);
    pass(0);
    assert_int_equal(thread_create(NULL, cancel_thread, &works[0], &thread), 0);
    pass(0);
    assert_true(works[0].is_running); /* it is waited for */
    work_waits = false;
    assert_int_equal(thread_join(thread, &value), 0);
    assert_int_equal(value, 1);
    assert_false(works[0].is_running);
}

/* ---- A mapping that ends ------------------------------------------------- */

static void test_destroy_waits_for_the_flusher(void **state)
{
    thread_id thread;

    (void)state;
    assert_int_equal(toy_write(&file.pages, 0, data, 5 * PAGE_BYTES), 0);
    file.waits = true;
    now += 5 * NS_PER_S;
    clock_set(now);
    timer_run(now);
    for (unsigned i = 0; i < 4 && file.maps[MAP_WRITE] == 0; i++)
        thread_yield();
    assert_int_equal(file.maps[MAP_WRITE], 1); /* the flusher is in map() */
    assert_int_equal(thread_create(NULL, destroy_thread, &file.pages, &thread),
                     0);
    for (unsigned i = 0; i < 6; i++)
        thread_yield();
    assert_int_equal(thread_join(thread, NULL), 0);
    file.waits = false;
    assert_int_equal(file.reserved, 0);
    assert_int_equal(dirty_pages(), 0);
    assert_int_equal(mapping_init(&file.pages, &toy_ops, &toy_open, 8, 0), 0);
}

static int flush_and_end(struct mapping *mapping)
{
    int status = mapping_write(mapping, 0, UINT64_MAX);

    mapping_destroy(mapping);
    memset(mapping, 0xff, sizeof(*mapping)); /* its memory is another's */
    return status;
}

static void test_flush_may_end_the_mapping(void **state)
{
    static const struct mapping_ops ops = {.map = toy_map,
                                           .flush = flush_and_end};

    (void)state;
    mapping_destroy(&other.pages);
    toy_create(&other, 8, &ops);
    assert_int_equal(toy_write(&other.pages, 0, data, 100), 0);
    pass(5 * NS_PER_S);
    assert_int_equal(dirty_pages(), 0);
    toy_create(&other, 8, &toy_ops);
}

/* ---- Writers that wait --------------------------------------------------- */

static int throttle_status;
static bool is_through;

static int throttle_thread(void *arg)
{
    throttle_status = mapping_throttle(arg);
    is_through = true;
    return 0;
}

static thread_id throttle_begin(struct mapping *mapping)
{
    thread_id thread;

    is_through = false;
    assert_int_equal(thread_create(NULL, throttle_thread, mapping, &thread), 0);
    thread_yield();
    return thread;
}

/* Up to the limit, while the flusher waits for the disk. */
static void make_dirty(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(toy_write(&file.pages, i * PAGE_BYTES, data, 1), 0);
}

static void test_writers_wait_for_the_flusher(void **state)
{
    thread_id thread;

    (void)state;
    toy_disk.deferred = true;
    make_dirty(dirty_limit() - 1);
    assert_int_equal(mapping_throttle(&file.pages), 0);
    make_dirty(dirty_limit());
    thread = throttle_begin(&file.pages);
    pass(0);
    assert_false(is_through);
    while (ramblk_complete(&toy_disk) > 0)
        pass(0);
    assert_true(is_through);
    assert_int_equal(thread_join(thread, NULL), 0);
    assert_int_equal(throttle_status, 0);
    toy_disk.deferred = false;
    /* Without a device nothing is waited for. */
    {
        struct mapping memory;

        assert_int_equal(mapping_init(&memory, NULL, NULL, 8, 0), 0);
        assert_int_equal(mapping_throttle(&memory), 0);
        mapping_destroy(&memory);
    }
}

/* A disk that is gone: its writers are told, others are not stopped. */
static void test_writers_of_a_disk_that_is_gone(void **state)
{
    thread_id thread;

    (void)state;
    toy_disk.fail_from = 1;
    make_dirty(dirty_limit());
    thread = throttle_begin(&file.pages);
    pass(0);
    assert_true(is_through);
    assert_int_equal(thread_join(thread, NULL), 0);
    assert_int_equal(throttle_status, -EIO);
    assert_int_equal(mapping_throttle(&file.pages), -EIO);
    assert_int_equal(mapping_throttle(&other.pages), 0);
    assert_int_equal(toy_write(&other.pages, 0, data, 1), 0);
    assert_int_equal(mapping_throttle(&other.pages), 0);
    toy_disk.fail_from = 0;
    pass(5 * NS_PER_S);
    assert_int_equal(dirty_pages(), 0);
    assert_int_equal(mapping_throttle(&file.pages), 0);
}

static int fill_thread(void *arg)
{
    make_dirty(dirty_limit());
    return throttle_thread(arg);
}

/* Somebody else finds out that the disk is gone, before the flusher does. */
static void test_writer_waits_while_another_fails(void **state)
{
    thread_id thread;

    (void)state;
    pass(0);
    is_through = false;
    assert_int_equal(thread_create(NULL, fill_thread, &file.pages, &thread), 0);
    thread_yield();
    assert_int_equal(file.pages.dirty_count, dirty_limit());
    assert_false(is_through);
    toy_disk.fail_from = 1;
    assert_int_equal(mapping_write(&file.pages, 0, UINT64_MAX), -EIO);
    assert_false(is_through);
    pass(0);
    assert_true(is_through);
    assert_int_equal(throttle_status, -EIO);
    assert_int_equal(thread_join(thread, NULL), 0);
    toy_disk.fail_from = 0;
}

/* To be short of memory passes: nobody is told, and it is tried again soon, but
 * not at once. */
static void test_writer_waits_for_memory(void **state)
{
    thread_id thread;
    unsigned maps;

    (void)state;
    file.fail_map[MAP_WRITE] = -ENOMEM;
    make_dirty(dirty_limit());
    thread = throttle_begin(&file.pages);
    pass(0);
    assert_false(is_through);
    maps = file.maps[MAP_WRITE];
    assert_in_range(maps, 1, 4);
    pass(NS_PER_S / 10 - 1);
    assert_int_equal(file.maps[MAP_WRITE], maps);
    pass(1);
    assert_int_equal(file.maps[MAP_WRITE], 2 * maps);
    assert_int_equal(mapping_write(&file.pages, 0, 0), -ENOMEM);
    pass(0);
    assert_false(is_through);
    assert_int_equal(file.pages.flush_status, 0);
    file.fail_map[MAP_WRITE] = 0;
    pass(NS_PER_S / 10);
    assert_true(is_through);
    assert_int_equal(thread_join(thread, NULL), 0);
    assert_int_equal(throttle_status, 0);
    assert_int_equal(dirty_pages(), 0);
}

/* A disk that works again, as somebody's own write has shown: the flusher is
 * called for those who wait, and does not sleep until its next try. */
static void test_writer_calls_the_flusher(void **state)
{
    uint64_t limit = dirty_limit();
    thread_id thread;

    (void)state;
    toy_disk.fail_from = 1;
    for (uint64_t i = 0; i < limit; i++)
        assert_int_equal(toy_write(&file.pages, 2 * i * PAGE_BYTES, data, 1),
                         0);
    pass(0);
    assert_int_equal(mapping_throttle(&file.pages), -EIO);
    toy_disk.fail_from = 0;
    assert_int_equal(mapping_write(&file.pages, 0, 0), 0);
    assert_int_equal(toy_write(&file.pages, 0, data, 1), 0);
    pass(0);
    assert_int_equal(dirty_pages(), limit);
    thread = throttle_begin(&file.pages);
    pass(0);
    assert_true(is_through);
    assert_int_equal(thread_join(thread, NULL), 0);
    assert_int_equal(throttle_status, 0);
    assert_int_equal(dirty_pages(), 0);
}

/* ---- Memory that is given back ------------------------------------------- */

enum { READ_ONCE = 600 };

static uint64_t cached(void)
{
    struct page_cache_stats stats;

    page_cache_get_stats(&stats);
    return stats.pages;
}

static void read_page(struct mapping *mapping, uint64_t index)
{
    struct page *page;

    assert_int_equal(page_get(mapping, index, 0, &page), 0);
    page_put(page);
}

/* Pages that are pinned, dirty or often used stay; of the others the oldest go
 * first. */
static void test_reclaim_chooses(void **state)
{
    static struct mapping device;
    struct page *pinned;

    (void)state;
    assert_int_equal(mapping_init_device(&device, &toy_open), 0);
    assert_int_equal(toy_write(&file.pages, 0, data, 3 * PAGE_BYTES), 0);
    assert_int_equal(page_get(&device, 0, 0, &pinned), 0);
    for (uint64_t i = 1; i <= READ_ONCE; i++)
        read_page(&device, i);
    for (uint64_t i = 20; i < 40; i++)
        read_page(&device, i); /* again */
    mem_trim();
    toy_check(&device);
    assert_int_equal(cached(), 3 + 1 + READ_ONCE - 37);
    for (uint64_t i = 1; i <= READ_ONCE; i++) {
        bool goes = i < 20 || (i >= 40 && i < 40 + 18);

        assert_int_equal(radix_find(&device.tree, i) == NULL, goes);
    }
    assert_int_equal(file.pages.page_count, 3);
    assert_ptr_equal(radix_find(&device.tree, 0), pinned);
    /* All but those in the end. */
    for (unsigned i = 0; i < 60; i++)
        mem_trim();
    assert_int_equal(cached(), 4);
    page_put(pinned);
    mem_trim();
    mem_trim();
    assert_int_equal(cached(), 3);
    mapping_destroy(&device);
}

/* The cache is what is left of memory: more is read than there is room for, and
 * whoever needs memory gets it. */
static void test_reclaim_under_pressure(void **state)
{
    static void *blocks[4096];
    static struct mapping device;
    size_t count = 0;
    uint64_t most;
    void *large;

    (void)state;
    assert_int_equal(mapping_init_device(&device, &toy_open), 0);
    while (mem_free_bytes() > DISK_BYTES / 2)
        assert_non_null(blocks[count++] = mem_alloc(16 * 1024));
    for (unsigned round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < DISK_BYTES / PAGE_BYTES; i++) {
            struct mapping_ref ref;

            assert_int_equal(mapping_ref(&device, i * PAGE_BYTES + 9, &ref), 0);
            assert_int_equal(*ref.data, toy_byte(i * PAGE_BYTES + 9));
            mapping_unref(&ref);
        }
        toy_check(&device);
    }
    most = cached();
    assert_in_range(most, DISK_BYTES / PAGE_BYTES / 4, DISK_BYTES / PAGE_BYTES);
    large = mem_alloc(1 << 20); /* in one piece */
    assert_non_null(large);
    toy_check(&device);
    assert_true(cached() < most);
    mem_free(large);
    /* With everything held or dirty there is an error, not a loss. */
    while ((blocks[count] = mem_alloc(4096)) != NULL)
        count++;
    while (dma_alloc(4096) != NULL)
        continue;
    assert_int_equal(cached(), 0);
    assert_int_equal(toy_write(&file.pages, 0, data, 1), -ENOMEM);
    while (count > 0)
        mem_free(blocks[--count]);
    mapping_destroy(&device);
}

/* A page whose room was reserved, and which was not changed after all. */
static void test_reclaim_gives_room_back(void **state)
{
    struct page *page;

    (void)state;
    assert_int_equal(page_take(&file.pages, 5, &page), 0);
    assert_int_equal(page_modify(page, 0, PAGE_BYTES), 0);
    page_put(page);
    assert_int_equal(file.reserved, 8 / 8);
    mem_trim();
    mem_trim();
    assert_int_equal(file.pages.page_count, 0);
    assert_int_equal(file.reserved, 0);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_flush_after_five_seconds),
        ATTACHED(test_flush_when_much_is_dirty),
        ATTACHED(test_flush_that_fails),
        ATTACHED(test_flush_function_that_fails),
        ATTACHED(test_small_files_at_the_same_time),
        ATTACHED(test_large_files_one_by_one),
        ATTACHED(test_others_come_later),
        ATTACHED(test_one_of_several_fails),
        ATTACHED(test_one_ends_another),
        ATTACHED(test_destroy_waits_for_one_of_several),
        ATTACHED(test_work_is_done_when_it_is_due),
        ATTACHED(test_work_is_cancelled),
        ATTACHED(test_destroy_waits_for_the_flusher),
        ATTACHED(test_flush_may_end_the_mapping),
        ATTACHED(test_writers_wait_for_the_flusher),
        ATTACHED(test_writers_of_a_disk_that_is_gone),
        ATTACHED(test_writer_waits_while_another_fails),
        ATTACHED(test_writer_waits_for_memory),
        ATTACHED(test_writer_calls_the_flusher),
        ATTACHED(test_reclaim_chooses),
        ATTACHED(test_reclaim_under_pressure),
        ATTACHED(test_reclaim_gives_room_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
