/*
 * Writing: what reaches the device and in how many requests; what fails; what
 * is changed or dropped while it is under way; and a file against an array.
 */
#include "kernel/cache/cache_internal.h"
#include "kernel/lib/poison.h"
#include "tests/unit/cache/toy_file.h"

enum { DISK_BYTES = 4 << 20, FILE_MAX = 60 * PAGE_BYTES };

static struct toy_file file;
static struct mapping *pages = &file.pages;
static uint8_t data[FILE_MAX];

static int setup(void **state)
{
    (void)state;
    if (toy_setup_disk(16 << 20, DISK_BYTES) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7 + i / 4096 + 1);
    toy_create(&file, 2, &toy_ops);
    return 0;
}

static void file_drop(void)
{
    toy_check(pages);
    mapping_destroy(pages);
    assert_int_equal(file.reserved, 0);
}

static int teardown(void **state)
{
    (void)state;
    file_drop();
    machine_detach();
    return 0;
}

static int flush_all(void)
{
    return mapping_write(pages, 0, UINT64_MAX);
}

/* The disk has the bytes of the file. */
static void disk_compare(uint64_t at, const uint8_t *want, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (toy_on_disk(&file, at + i) != want[i])
            fail_msg("byte %lu", (unsigned long)(at + i));
    }
}

/* ---- What is written ----------------------------------------------------- */

static void test_write_in_runs(void **state)
{
    (void)state;
    assert_int_equal(toy_write(pages, 0, data, 30 * PAGE_BYTES), 0);
    assert_int_equal(toy_disk.requests, 0);
    assert_int_equal(file.maps[MAP_READ], 0); /* behind the end is nothing */
    assert_int_equal(file.reserved, 30 * 4);
    toy_check(pages);
    assert_int_equal(flush_all(), 0);
    toy_check(pages);
    assert_int_equal(toy_disk.requests, 1);
    assert_int_equal(file.maps[MAP_WRITE], 1);
    assert_int_equal(pages->dirty_count, 0);
    assert_int_equal(file.reserved, 0);
    disk_compare(0, data, 30 * PAGE_BYTES);
    /* Nothing twice. */
    assert_int_equal(flush_all(), 0);
    assert_int_equal(toy_disk.requests, 1);
}

/* Parts of pages by their units, in the order of the file. */
static void test_write_parts(void **state)
{
    static const struct {
        uint64_t at;
        size_t size;
    } parts[] = {{30000, 1}, {100, 50}, {5000, 3000}, {2048, 1024}};

    (void)state;
    assert_int_equal(toy_write(pages, 0, data, 40000), 0);
    assert_int_equal(flush_all(), 0);
    toy_disk.requests = 0;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        memset(data + parts[i].at, 0xee, parts[i].size);
        assert_int_equal(
            toy_write(pages, parts[i].at, data + parts[i].at, parts[i].size),
            0);
    }
    assert_int_equal(flush_all(), 0);
    assert_int_equal(toy_disk.requests, 4);
    for (unsigned i = 1; i < 4; i++)
        assert_true(toy_disk.given[i].sector > toy_disk.given[i - 1].sector);
    assert_int_equal(toy_disk.given[0].sectors, 2);
    assert_int_equal(toy_disk.given[2].sectors, 8); /* 4096 .. 8192 */
    disk_compare(0, data, 40000);
}

/* Requests have at most a MiB; only what is asked for is written. */
static void test_write_long_and_ranges(void **state)
{
    static uint8_t zeros[300 * PAGE_BYTES];

    (void)state;
    file_drop();
    toy_create(&file, 8, &toy_ops);
    assert_int_equal(toy_write(pages, 0, zeros, sizeof(zeros)), 0);
    assert_int_equal(mapping_write(pages, 299, 299), 0);
    assert_int_equal(toy_disk.requests, 1);
    assert_int_equal(pages->dirty_count, 299);
    assert_int_equal(flush_all(), 0);
    /* Of 256 pages and of 43; the disk takes 32 at once. */
    assert_int_equal(toy_disk.requests, 1 + 256 / 32 + 2);
    assert_int_equal(toy_disk.given[8].sectors, 256);
    assert_int_equal(toy_disk.given[10].sectors, 43 * 8 - 256);
    assert_int_equal(file.maps[MAP_WRITE], 3);
}

/* A device is written as it lies, in sectors. */
static void test_write_device(void **state)
{
    struct mapping device;
    struct mapping_ref ref;

    (void)state;
    assert_int_equal(mapping_init_device(&device, &toy_open), 0);
    assert_int_equal(mapping_ref(&device, 5 * PAGE_BYTES + 1000, &ref), 0);
    assert_int_equal(mapping_modify(&ref, 10, 20), 0);
    memset(ref.data + 10, 0xcc, 20);
    mapping_dirty(&ref, 10, 20);
    mapping_unref(&ref);
    toy_check(&device);
    toy_disk.requests = 0;
    assert_int_equal(mapping_write(&device, 0, UINT64_MAX), 0);
    assert_int_equal(toy_disk.requests, 1);
    assert_int_equal(toy_disk.given[0].sectors, 2); /* 1010 .. 1030 */
    assert_int_equal(toy_disk.given[0].flags & BLOCK_META, BLOCK_META);
    assert_int_equal(toy_data[5 * PAGE_BYTES + 1009],
                     toy_byte(5 * PAGE_BYTES + 1009));
    assert_int_equal(toy_data[5 * PAGE_BYTES + 1010], 0xcc);
    assert_int_equal(toy_data[5 * PAGE_BYTES + 1029], 0xcc);
    /* A freed block is not written, nor is its page gone. */
    assert_int_equal(mapping_ref(&device, 5 * PAGE_BYTES, &ref), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(mapping_modify(&ref, i * 1024, 1024), 0);
        memset(ref.data + i * 1024, 0xdd, 1024);
        mapping_dirty(&ref, i * 1024, 1024);
    }
    mapping_forget(&device, 5 * PAGE_BYTES, 1024);
    mapping_forget(&device, 5 * PAGE_BYTES + 512, 512);
    mapping_forget(&device, 7 * PAGE_BYTES - 1024, 3072); /* over pages */
    mapping_unref(&ref);
    toy_check(&device);
    assert_int_equal(mapping_write(&device, 0, UINT64_MAX), 0);
    assert_int_equal(toy_data[5 * PAGE_BYTES], toy_byte(5 * PAGE_BYTES));
    assert_int_equal(toy_data[5 * PAGE_BYTES + 1024], 0xdd);
    mapping_destroy(&device);
}

/* What is behind the end on the device is not what was there before. */
static void test_end_is_zeros_on_the_device(void **state)
{
    struct page *page;

    (void)state;
    assert_int_equal(toy_write(pages, 0, data, 5000), 0);
    assert_int_equal(flush_all(), 0);
    assert_int_equal(mapping_truncate(pages, 4500), 0);
    assert_int_equal(flush_all(), 0);
    mapping_destroy(pages);
    /* Grown without a write, by who reads it anew. */
    assert_int_equal(mapping_init(pages, &toy_ops, &toy_open, 2, 5000), 0);
    assert_int_equal(page_get(pages, 1, 0, &page), 0);
    assert_memory_equal(page->buf->base, data + 4096, 404);
    for (unsigned i = 404; i < 904; i++)
        assert_int_equal(page->buf->base[i], 0);
    page_put(page);
    /* Whoever made the volume left something behind the end. */
    assert_int_equal(mapping_truncate(pages, 4608), 0);
    assert_int_equal(flush_all(), 0);
    toy_data[file.place[4] * 1024 + 600] = 0xbb;
    mapping_destroy(pages);
    assert_int_equal(mapping_init(pages, &toy_ops, &toy_open, 2, 4608), 0);
    assert_int_equal(mapping_truncate(pages, 9000), 0);
    assert_int_equal(flush_all(), 0);
    assert_int_equal(toy_on_disk(&file, 4096 + 600), 0);
    assert_int_equal(page_get(pages, 1, 0, &page), 0);
    assert_int_equal(page->buf->base[600], 0);
    page_put(page);
    /* In a hole nothing is allocated for it. */
    assert_int_equal(mapping_truncate(pages, 8300), 0);
    assert_int_equal(mapping_truncate(pages, 8900), 0);
    assert_int_equal(pages->dirty_count, 0);
}

/* ---- What fails ---------------------------------------------------------- */

static void test_error_is_told_once(void **state)
{
    uint32_t first = mapping_error_seen(pages), second = first, third;

    (void)state;
    assert_int_equal(mapping_error(pages, &first), 0);
    assert_int_equal(toy_write(pages, 0, data, 8192), 0);
    toy_disk.fail_from = 1;
    assert_int_equal(flush_all(), -EIO);
    toy_check(pages);
    assert_int_equal(pages->dirty_count, 2);
    third = mapping_error_seen(pages); /* opened after it, before it is told */
    assert_int_equal(mapping_error(pages, &first), -EIO);
    assert_int_equal(mapping_error(pages, &first), 0);
    assert_int_equal(mapping_error(pages, &second), -EIO);
    assert_int_equal(mapping_error(pages, &second), 0);
    assert_int_equal(mapping_error(pages, &third), -EIO);
    assert_int_equal(mapping_error(pages, &third), 0);
    third = mapping_error_seen(pages);
    assert_int_equal(mapping_error(pages, &third), 0);
    /* It is written when the device can again. */
    toy_disk.fail_from = 0;
    assert_int_equal(flush_all(), 0);
    disk_compare(0, data, 8192);
    assert_int_equal(mapping_error(pages, &first), 0);
}

/* The rest of the file is written. */
static void test_bad_sector_while_writing(void **state)
{
    (void)state;
    file.spread = 3;
    assert_int_equal(toy_write(pages, 0, data, 10 * PAGE_BYTES), 0);
    toy_disk.bad_sector = 10;
    assert_int_equal(flush_all(), -EIO);
    assert_in_range(pages->dirty_count, 1, 2);
    toy_disk.bad_sector = 0;
    assert_int_equal(flush_all(), 0);
    disk_compare(0, data, 10 * PAGE_BYTES);
}

static void test_file_system_that_fails(void **state)
{
    uint32_t seen = mapping_error_seen(pages);

    (void)state;
    file.fail_map[MAP_RESERVE] = -EUCLEAN;
    assert_int_equal(toy_write(pages, 0, data, 5000), -EUCLEAN);
    file.fail_map[MAP_RESERVE] = 0;
    assert_int_equal(toy_write(pages, 0, data, 5000), 0);
    file.fail_map[MAP_WRITE] = -ENOSPC;
    assert_int_equal(flush_all(), -ENOSPC);
    toy_check(pages);
    assert_int_equal(file.reserved, 5);
    assert_int_equal(mapping_error(pages, &seen), -ENOSPC);
    file.fail_map[MAP_WRITE] = 0;
    assert_int_equal(flush_all(), 0);
    disk_compare(0, data, 5000);
    /* Parts of a unit are read, which fails. */
    mapping_destroy(pages);
    assert_int_equal(mapping_init(pages, &toy_ops, &toy_open, 2, 5000), 0);
    file.fail_map[MAP_READ] = -EUCLEAN;
    assert_int_equal(toy_write(pages, 10, data, 10), -EUCLEAN);
    assert_int_equal(mapping_truncate(pages, 100), -EUCLEAN);
    file.fail_map[MAP_READ] = 0;
    toy_disk.fail_from = 1;
    assert_int_equal(toy_write(pages, 10, data, 10), -EIO);
    assert_int_equal(mapping_truncate(pages, 100), -EIO);
    toy_disk.fail_from = 0;
    assert_int_equal(pages->size_bytes, 5000);
    assert_int_equal(toy_write(pages, 10, data + 10, 10), 0);
    assert_int_equal(flush_all(), 0);
    disk_compare(0, data, 5000);
}

static void test_disk_is_full(void **state)
{
    (void)state;
    file.room = 7;
    assert_int_equal(toy_write(pages, 0, data, 10000), -ENOSPC);
    assert_int_equal(pages->size_bytes, 4096);
    assert_int_equal(file.reserved, 4);
    /* What is there may be changed. */
    assert_int_equal(flush_all(), 0);
    assert_int_equal(toy_write(pages, 100, data + 100, 3000), 0);
    /* Room that is not needed after all is given back. */
    assert_int_equal(toy_write(pages, 4096, data, 3 * 1024), 0);
    assert_int_equal(file.room, 0);
    assert_int_equal(mapping_truncate(pages, 4096), 0);
    assert_int_equal(file.room, 3);
}

/* Whichever allocation fails, nothing is lost. */
static void test_write_without_memory(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        int status;

        assert_int_equal(toy_write(pages, 0, data, 20 * PAGE_BYTES), 0);
        heap_fail(n);
        status = flush_all();
        toy_check(pages);
        if (!heap_failed())
            break;
        assert_int_equal(status, -ENOMEM);
        assert_int_equal(pages->dirty_count, 20);
        assert_int_equal(pages->error_serial, 0);
    }
    /* With a flusher there is a request for this. */
    heap_fail(0);
    assert_int_equal(page_cache_start_flusher(), 0);
    thread_yield();
    assert_int_equal(toy_write(pages, 0, data, 40 * PAGE_BYTES), 0);
    toy_disk.requests = 0;
    heap_fail(1);
    assert_int_equal(flush_all(), 0);
    assert_true(heap_failed());
    heap_fail(0);
    assert_int_equal(toy_disk.requests, 2); /* 16 pages, and the rest */
    disk_compare(0, data, 40 * PAGE_BYTES);
}

/* What was allocated for a request that could not be made has its blocks, and
 * no reservation to be given back. */
static void test_allocated_but_not_written(void **state)
{
    (void)state;
    assert_int_equal(toy_write(pages, 0, data, 20 * PAGE_BYTES), 0);
    heap_fail(1);
    assert_int_equal(flush_all(), -ENOMEM);
    assert_true(heap_failed());
    heap_fail(0);
    assert_int_equal(file.reserved, 0);
    assert_int_equal(mapping_truncate(pages, 4096), 0);
    assert_int_equal(file.reserved, 0);
    assert_int_equal(file.maps[MAP_RELEASE], 0);
}

/* The same behind a request that is shorter than what was allocated. */
static void test_allocated_and_written_in_part(void **state)
{
    (void)state;
    assert_int_equal(page_cache_start_flusher(), 0);
    thread_yield();
    assert_int_equal(toy_write(pages, 0, data, 40 * PAGE_BYTES), 0);
    file.fail_map_from[MAP_WRITE] = 2;
    heap_fail(1);
    assert_int_equal(flush_all(), -EIO);
    heap_fail(0);
    file.fail_map_from[MAP_WRITE] = 0;
    assert_int_equal(toy_disk.requests, 1);
    assert_int_equal(pages->dirty_count, 24);
    assert_int_equal(mapping_truncate(pages, 0), 0);
    assert_int_equal(file.maps[MAP_RELEASE], 0);
}

/* ---- While it is under way ----------------------------------------------- */

static int flush_status;

static int flush_thread(void *arg)
{
    (void)arg;
    flush_status = flush_all();
    return 0;
}

static thread_id flush_begin(void)
{
    thread_id thread;

    toy_disk.deferred = true;
    assert_int_equal(thread_create(NULL, flush_thread, NULL, &thread), 0);
    thread_yield();
    toy_check(pages);
    return thread;
}

static void flush_end(thread_id thread, int status)
{
    while (ramblk_complete(&toy_disk) > 0)
        thread_yield();
    toy_disk.deferred = false;
    assert_int_equal(thread_join(thread, NULL), 0);
    assert_int_equal(flush_status, status);
    toy_check(pages);
}

/* The device gets what was there when the write began; the change is written by
 * the next one. */
static void test_change_while_it_is_written(void **state)
{
    thread_id thread;

    (void)state;
    assert_int_equal(toy_write(pages, 0, data, 4096), 0);
    thread = flush_begin();
    assert_int_equal(toy_write(pages, 0, "new", 3), 0);
    assert_int_equal(toy_write(pages, 3, "er", 2), 0);
    flush_end(thread, 0);
    disk_compare(0, data, 4096);
    assert_int_equal(pages->dirty_count, 1);
    assert_int_equal(flush_all(), 0);
    assert_memory_equal(toy_data + file.place[0] * 1024, "newer", 5);
}

static void test_write_waits_for_another(void **state)
{
    thread_id first, second;

    (void)state;
    assert_int_equal(toy_write(pages, 0, data, 8192), 0);
    first = flush_begin();
    assert_int_equal(toy_write(pages, 0, "new", 3), 0);
    second = flush_begin();
    assert_int_equal(toy_disk.requests, 1); /* not two of one page */
    assert_int_equal(ramblk_complete(&toy_disk), 1);
    assert_int_equal(thread_join(first, NULL), 0);
    flush_end(second, 0);
    assert_int_equal(toy_disk.requests, 2);
    assert_memory_equal(toy_data + file.place[0] * 1024, "new", 3);
}

/* Runs that end within a page do not wait for each other; what another call has
 * under way there is waited for. */
static void test_parts_are_written_together(void **state)
{
    thread_id first, second;

    (void)state;
    for (uint64_t i = 0; i < 5; i += 2)
        assert_int_equal(toy_write(pages, i * PAGE_BYTES, data, 1024), 0);
    first = flush_begin();
    assert_int_equal(toy_disk.requests, 3);
    assert_int_equal(toy_write(pages, PAGE_BYTES, data, 1024), 0);
    second = flush_begin();
    assert_int_equal(toy_disk.requests, 3);
    while (toy_disk.requests == 3) {
        assert_true(ramblk_complete_one(&toy_disk, 0));
        thread_yield();
    }
    flush_end(first, 0);
    assert_int_equal(thread_join(second, NULL), 0);
    assert_int_equal(toy_disk.requests, 4);
    assert_int_equal(pages->dirty_count, 0);
}

/* Two parts of one page are: it has one request at a time. */
static void test_parts_of_one_page(void **state)
{
    thread_id thread;

    (void)state;
    assert_int_equal(toy_write(pages, 0, data, 1024), 0);
    assert_int_equal(toy_write(pages, 2048, data + 2048, 1024), 0);
    thread = flush_begin();
    assert_int_equal(toy_disk.requests, 1);
    flush_end(thread, 0);
    assert_int_equal(toy_disk.requests, 2);
    assert_int_equal(pages->dirty_count, 0);
    assert_memory_equal(toy_data + file.place[2] * 1024, data + 2048, 1024);
}

static int truncate_thread(void *arg)
{
    return mapping_truncate(pages, (uintptr_t)arg);
}

static void test_truncate_while_it_is_written(void **state)
{
    static const uint64_t sizes[] = {0, 100, 1024, 5000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        thread_id thread, truncating;
        int status;

        assert_int_equal(toy_write(pages, 0, data, 20000), 0);
        thread = flush_begin();
        assert_int_equal(thread_create(NULL, truncate_thread,
                                       (void *)(uintptr_t)sizes[i],
                                       &truncating),
                         0);
        thread_yield();
        toy_check(pages);
        assert_true(pages->page_count > 0);
        flush_end(thread, 0);
        assert_int_equal(thread_join(truncating, &status), 0);
        assert_int_equal(status, 0);
        assert_int_equal(pages->size_bytes, sizes[i]);
        assert_int_equal(flush_all(), 0);
        disk_compare(0, data, sizes[i]);
        for (uint64_t unit = (sizes[i] + 1023) / 1024; unit < 20; unit++)
            file.place[unit] = 0;
        assert_int_equal(mapping_truncate(pages, 0), 0);
        memset(file.place, 0, sizeof(file.place));
    }
}

/* While the file system waits, too. */
static void test_truncate_while_it_is_mapped(void **state)
{
    thread_id thread, truncating;

    (void)state;
    assert_int_equal(toy_write(pages, 0, data, 20000), 0);
    file.waits = true;
    assert_int_equal(thread_create(NULL, flush_thread, NULL, &thread), 0);
    assert_int_equal(
        thread_create(NULL, truncate_thread, (void *)1000, &truncating), 0);
    for (unsigned i = 0; i < 4; i++) {
        thread_yield();
        toy_check(pages);
    }
    assert_int_equal(thread_join(thread, NULL), 0);
    assert_int_equal(thread_join(truncating, NULL), 0);
    file.waits = false;
    assert_int_equal(flush_all(), 0);
    disk_compare(0, data, 1000);
}

static int write_status;

static int write_thread(void *arg)
{
    write_status = toy_write(pages, (uintptr_t)arg, data, 100);
    return 0;
}

/* A page that is dropped while room is asked for: the room is given back. */
static void test_truncate_while_room_is_asked_for(void **state)
{
    thread_id thread;

    (void)state;
    assert_int_equal(mapping_truncate(pages, 20000), 0);
    file.waits = true;
    assert_int_equal(thread_create(NULL, write_thread, (void *)8192, &thread),
                     0);
    thread_yield(); /* where is the rest of the unit? */
    thread_yield(); /* is there room? */
    assert_int_equal(file.maps[MAP_RESERVE], 1);
    file.waits = false;
    assert_int_equal(mapping_truncate(pages, 0), 0);
    assert_int_equal(pages->page_count, 0);
    assert_int_equal(thread_join(thread, NULL), 0);
    assert_int_equal(write_status, -ENOENT);
    assert_int_equal(file.reserved, 0);
    assert_int_equal(pages->size_bytes, 0);
}

/* A change waits for a read that is under way. */
static void test_change_while_it_is_read(void **state)
{
    thread_id thread;

    (void)state;
    assert_int_equal(toy_write(pages, 0, data, 8192), 0);
    assert_int_equal(flush_all(), 0);
    mapping_destroy(pages);
    assert_int_equal(mapping_init(pages, &toy_ops, &toy_open, 2, 8192), 0);
    toy_disk.deferred = true;
    page_read_ahead(pages, 0, 2);
    assert_int_equal(thread_create(NULL, write_thread, (void *)4096, &thread),
                     0);
    thread_yield();
    toy_check(pages);
    assert_int_equal(pages->dirty_count, 0);
    assert_int_equal(ramblk_complete(&toy_disk), 1);
    toy_disk.deferred = false;
    assert_int_equal(thread_join(thread, NULL), 0);
    assert_int_equal(write_status, 0);
    memcpy(data + 4096, data, 100);
    assert_int_equal(flush_all(), 0);
    disk_compare(0, data, 8192);
}

static void test_truncate_without_memory(void **state)
{
    (void)state;
    assert_int_equal(toy_write(pages, 0, data, 8192), 0);
    assert_int_equal(flush_all(), 0);
    mapping_destroy(pages);
    assert_int_equal(mapping_init(pages, &toy_ops, &toy_open, 2, 8192), 0);
    for (uint64_t n = 1; n <= 3; n++) {
        heap_fail(n);
        assert_int_equal(mapping_truncate(pages, 5000), -ENOMEM);
        toy_check(pages);
        assert_int_equal(pages->size_bytes, 8192);
    }
    heap_fail(0);
    assert_int_equal(mapping_truncate(pages, 5000), 0);
}

static int flush_third_page(void *arg)
{
    (void)arg;
    return mapping_write(pages, 2, 2);
}

/* The spare request is one: the second writer waits for it. */
static void test_two_writers_without_memory(void **state)
{
    thread_id threads[2];
    int status;

    (void)state;
    assert_int_equal(page_cache_start_flusher(), 0);
    thread_yield();
    assert_int_equal(toy_write(pages, 0, data, 4096), 0);
    toy_disk.deferred = true;
    assert_int_equal(thread_create(NULL, flush_thread, NULL, &threads[0]), 0);
    heap_fail(1);
    thread_yield();
    heap_fail(0);
    assert_int_equal(toy_disk.requests, 1);
    assert_null(pages->cache->spare);
    assert_int_equal(toy_write(pages, 8192, data, 4096), 0);
    assert_int_equal(thread_create(NULL, flush_third_page, NULL, &threads[1]),
                     0);
    heap_fail(1);
    thread_yield();
    assert_true(heap_failed());
    heap_fail(0);
    flush_end(threads[0], 0);
    assert_int_equal(thread_join(threads[1], &status), 0);
    assert_int_equal(status, 0);
    assert_non_null(pages->cache->spare);
    assert_int_equal(pages->dirty_count, 0);
    disk_compare(8192, data, 4096);
}

static void test_read_of_a_page_that_is_dirty_in_part(void **state)
{
    struct page *page;

    (void)state;
    assert_int_equal(toy_write(pages, 0, data, 4096), 0);
    assert_int_equal(flush_all(), 0);
    mapping_destroy(pages);
    assert_int_equal(mapping_init(pages, &toy_ops, &toy_open, 2, 4096), 0);
    memset(data + 1024, 0x77, 1024);
    assert_int_equal(toy_write(pages, 1024, data + 1024, 1024), 0);
    assert_int_equal(toy_disk.sectors_read, 0); /* it covers its unit */
    assert_null(page_find(pages, 0));
    toy_disk.fail_from = 1;
    assert_int_equal(page_get(pages, 0, 0, &page), -EIO);
    toy_disk.fail_from = 0;
    toy_check(pages);
    assert_int_equal(pages->dirty_count, 1); /* nothing is lost */
    assert_int_equal(page_get(pages, 0, 0, &page), 0);
    assert_memory_equal(page->buf->base, data, 4096);
    assert_int_equal(toy_disk.sectors_read, 6);
    page_put(page);
}

/* ---- Against an array ---------------------------------------------------- */

enum { STEPS = 3000 };

static uint8_t want[FILE_MAX];
static uint64_t want_size;

static void compare_piece(uint64_t at, uint64_t end)
{
    static struct readahead readahead;

    for (; at < end; at = (at / PAGE_BYTES + 1) * PAGE_BYTES) {
        struct page *page;
        uint64_t stop = (at / PAGE_BYTES + 1) * PAGE_BYTES;

        if (stop > end)
            stop = end;
        assert_int_equal(page_read(pages, at / PAGE_BYTES, &readahead, &page),
                         0);
        assert_memory_equal(page->buf->base + at % PAGE_BYTES, want + at,
                            stop - at);
        page_put(page);
    }
}

static void do_write(uint64_t at, uint64_t len)
{
    if (at > want_size)
        assert_int_equal(mapping_truncate(pages, at), 0);
    for (uint64_t i = 0; i < len; i++)
        want[at + i] = (uint8_t)rand();
    assert_int_equal(toy_write(pages, at, want + at, len), 0);
    if (at + len > want_size)
        want_size = at + len;
}

static void do_truncate(uint64_t size)
{
    uint64_t unit_bytes = file.unit * 512ULL;

    assert_int_equal(mapping_truncate(pages, size), 0);
    if (size < want_size)
        memset(want + size, 0, want_size - size);
    want_size = size;
    for (uint64_t unit = (size + unit_bytes - 1) / unit_bytes; unit < TOY_UNITS;
         unit++)
        file.place[unit] = 0;
}

/* All pages, as after a restart; what is on the disk must be the file. */
static void do_reopen(void)
{
    assert_int_equal(flush_all(), 0);
    assert_int_equal(file.reserved, 0);
    mapping_destroy(pages);
    assert_int_equal(
        mapping_init(pages, &toy_ops, &toy_open, file.unit, want_size), 0);
}

static void do_step(void)
{
    uint64_t at = (uint64_t)rand() % FILE_MAX;
    uint64_t len = (uint64_t)rand() % (rand() % 4 == 0 ? 20000 : 600) + 1;

    if (at + len > FILE_MAX)
        len = FILE_MAX - at;
    switch (rand() % 16) {
    case 0:
        do_truncate(at);
        break;
    case 1:
        assert_int_equal(
            mapping_write(pages, at / PAGE_BYTES, (at + len) / PAGE_BYTES), 0);
        break;
    case 2:
        mem_trim();
        break;
    case 3:
        if (rand() % 8 == 0)
            do_reopen();
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        compare_piece(at, at + len < want_size ? at + len : want_size);
        break;
    default:
        do_write(at, len);
    }
}

static void test_file_against_an_array(void **state)
{
    (void)state;
    srand(20260202);
    for (unsigned unit = 1; unit <= 8; unit *= 2) {
        file_drop();
        toy_create(&file, unit, &toy_ops);
        /* There is no place twice, and the disk is not written anew. */
        file.next_place = 8 * 512 / unit;
        file.spread = 5;
        memset(want, 0, sizeof(want));
        want_size = 0;
        for (unsigned step = 0; step < STEPS; step++) {
            if (file.next_place * unit > DISK_BYTES / 512 - 2000)
                break;
            do_step();
            toy_check(pages);
        }
        do_reopen();
        compare_piece(0, want_size);
        memset(file.place, 0, sizeof(file.place));
    }
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_write_in_runs),
        ATTACHED(test_write_parts),
        ATTACHED(test_write_long_and_ranges),
        ATTACHED(test_write_device),
        ATTACHED(test_end_is_zeros_on_the_device),
        ATTACHED(test_error_is_told_once),
        ATTACHED(test_bad_sector_while_writing),
        ATTACHED(test_file_system_that_fails),
        ATTACHED(test_disk_is_full),
        ATTACHED(test_write_without_memory),
        ATTACHED(test_allocated_but_not_written),
        ATTACHED(test_allocated_and_written_in_part),
        ATTACHED(test_change_while_it_is_written),
        ATTACHED(test_write_waits_for_another),
        ATTACHED(test_parts_are_written_together),
        ATTACHED(test_parts_of_one_page),
        ATTACHED(test_truncate_while_it_is_written),
        ATTACHED(test_truncate_while_it_is_mapped),
        ATTACHED(test_truncate_while_room_is_asked_for),
        ATTACHED(test_change_while_it_is_read),
        ATTACHED(test_truncate_without_memory),
        ATTACHED(test_two_writers_without_memory),
        ATTACHED(test_read_of_a_page_that_is_dirty_in_part),
        ATTACHED(test_file_against_an_array),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
