/*
 * Reading: what is read once, and how; threads that want the same page; reads
 * that fail; what lies behind the end.
 */
#include "kernel/cache/cache_internal.h"
#include "kernel/lib/poison.h"
#include "tests/unit/cache/toy_file.h"

#if SANITIZE_ADDRESS
int __asan_address_is_poisoned(void const volatile *at);
#endif

enum { DISK = 100 * PAGE_BYTES + 3 * BLOCK_SECTOR_SIZE };

static struct mapping device;
static struct toy_file file;

static int setup(void **state)
{
    (void)state;
    if (toy_setup_disk(16 << 20, DISK) != 0)
        return -1;
    return mapping_init_device(&device, &toy_open);
}

static int teardown(void **state)
{
    (void)state;
    toy_check(&device);
    mapping_destroy(&device);
    machine_detach();
    return 0;
}

/* ---- The pages of a device ----------------------------------------------- */

/* How many requests it takes to hold the byte at `offset` for a moment. */
static unsigned requests_for(uint64_t offset)
{
    unsigned before = toy_disk.requests;
    struct mapping_ref ref;

    assert_int_equal(mapping_ref(&device, offset, &ref), 0);
    assert_int_equal(*ref.data, toy_data[offset]);
    toy_check(&device);
    mapping_unref(&ref);
    assert_null(ref.page);
    return toy_disk.requests - before;
}

static void test_ref_reads_a_run_once(void **state)
{
    static const struct {
        const char *name;
        uint64_t offset;
        unsigned requests;
        size_t size; /* to the end of the page */
    } rows[] = {
        {"first byte", 0, 1, PAGE_BYTES},
        {"last byte of the page", PAGE_BYTES - 1, 0, 1},
        {"last byte that was read with it", 4 * PAGE_BYTES - 1, 0, 1},
        {"first that was not", 4 * PAGE_BYTES, 1, PAGE_BYTES},
        {"up to the end", 99 * PAGE_BYTES, 1, PAGE_BYTES},
        {"not what is there", 97 * PAGE_BYTES, 1, PAGE_BYTES},
        {"short page", 100 * PAGE_BYTES, 0, 1536},
        {"last byte of the disk", DISK - 1, 0, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mapping_ref ref;

        ROW(rows[i].name, requests_for(rows[i].offset) == rows[i].requests);
        assert_int_equal(mapping_ref(&device, rows[i].offset, &ref), 0);
        ROW(rows[i].name, ref.size == rows[i].size);
        ROW(rows[i].name,
            memcmp(ref.data, toy_data + rows[i].offset, ref.size) == 0);
        mapping_unref(&ref);
    }
    /* Nothing twice: pages 0 to 7 and 97 to the end. */
    assert_int_equal(toy_disk.sectors_read, 11 * PAGE_SECTORS + 3);
}

static void test_ref_past_the_end(void **state)
{
    static const uint64_t offsets[] = {DISK, DISK + 1, 101 * PAGE_BYTES,
                                       UINT64_MAX};
    struct mapping_ref ref;
    struct page *page;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(offsets); i++)
        assert_int_equal(mapping_ref(&device, offsets[i], &ref), -EINVAL);
    assert_int_equal(page_get(&device, 101, 0, &page), -EINVAL);
    assert_int_equal(page_get(&device, UINT64_MAX, 0, &page), -EINVAL);
    assert_int_equal(toy_disk.requests, 0);
}

static void test_copy_across_pages(void **state)
{
    static uint8_t buf[3 * PAGE_BYTES];
    static const struct {
        const char *name;
        uint64_t offset;
        size_t size;
        int status;
    } rows[] = {
        {"nothing", 5, 0, 0},
        {"one byte", 5, 1, 0},
        {"to the end of a page", 100, PAGE_BYTES - 100, 0},
        {"over an edge", PAGE_BYTES - 1, 2, 0},
        {"over two edges", PAGE_BYTES - 1, PAGE_BYTES + 2, 0},
        {"to the end of the disk", DISK - 2000, 2000, 0},
        {"past it", DISK - 2000, 2001, -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memset(buf, 0xaa, sizeof(buf));
        ROW(rows[i].name, mapping_copy(&device, rows[i].offset, buf,
                                       rows[i].size) == rows[i].status);
        if (rows[i].status != 0)
            continue;
        ROW(rows[i].name,
            memcmp(buf, toy_data + rows[i].offset, rows[i].size) == 0);
        ROW(rows[i].name, buf[rows[i].size] == 0xaa);
    }
}

/* ---- Failing, and sharing ------------------------------------------------ */

/* The page is missed by one request more, and nothing is left of it. */
static void test_read_that_fails_is_not_kept(void **state)
{
    struct mem_stats before;
    struct mapping_ref ref;

    (void)state;
    assert_int_equal(requests_for(50 * PAGE_BYTES), 1); /* a tree */
    before = stats();
    toy_disk.fail_from = 1;
    assert_int_equal(mapping_ref(&device, 5, &ref), -EIO);
    toy_check(&device);
    assert_int_equal(stats().block_count, before.block_count);
    toy_disk.fail_from = 0;
    assert_int_equal(requests_for(5), 1);
}

/* A bad sector among those read ahead spoils only what was read ahead; and a
 * page that is wanted is told by itself that it is bad. */
static void test_bad_sector_is_of_its_page(void **state)
{
    struct mapping_ref ref;

    (void)state;
    toy_disk.bad_sector = 2 * PAGE_SECTORS + 2;
    assert_int_equal(mapping_ref(&device, 0, &ref), 0);
    mapping_unref(&ref);
    toy_check(&device);
    assert_int_equal(mapping_ref(&device, 2 * PAGE_BYTES, &ref), -EIO);
    assert_int_equal(mapping_ref(&device, 3 * PAGE_BYTES, &ref), 0);
    mapping_unref(&ref);
    toy_disk.bad_sector = 0;
    (void)requests_for(2 * PAGE_BYTES);
}

enum { READERS = 4 };

static int statuses[READERS];
static uint8_t seen[READERS];

static int reader(void *arg)
{
    uintptr_t me = (uintptr_t)arg;
    struct mapping_ref ref;

    statuses[me] = mapping_ref(&device, DISK - 1536 + 1000, &ref);
    if (statuses[me] == 0) {
        seen[me] = *ref.data;
        thread_yield();
        mapping_unref(&ref);
    }
    return 0;
}

static void test_readers_share_a_read(void **state)
{
    (void)state;
    for (unsigned fails = 0; fails < 2; fails++) {
        thread_id threads[READERS];

        toy_disk.deferred = true;
        toy_disk.requests = 0;
        toy_disk.fail_at = fails == 0 ? 1 : 0;
        for (uintptr_t i = 0; i < READERS; i++)
            assert_int_equal(
                thread_create(NULL, reader, (void *)i, &threads[i]), 0);
        thread_yield();
        toy_check(&device);
        assert_int_equal(ramblk_complete(&toy_disk), 1);
        for (unsigned i = 0; i < READERS; i++) {
            assert_int_equal(thread_join(threads[i], NULL), 0);
            assert_int_equal(statuses[i], fails == 0 ? -EIO : 0);
            if (fails != 0)
                assert_int_equal(seen[i], toy_data[DISK - 1536 + 1000]);
        }
        assert_int_equal(toy_disk.requests, 1);
        toy_disk.deferred = false;
        toy_check(&device);
    }
    assert_int_equal(requests_for(DISK - 536), 0);
}

static int ahead_statuses[2];

/* Waits for a page that another one reads ahead, which fails. */
static int want_ahead(void *arg)
{
    struct page *page;

    ahead_statuses[0] = page_get(&device, 3, 0, &page);
    if (ahead_statuses[0] == 0)
        page_put(page);
    return arg != NULL;
}

static void test_error_of_a_read_ahead_is_nobodys(void **state)
{
    struct page *page;
    thread_id thread;

    (void)state;
    for (unsigned stays = 0; stays < 2; stays++) {
        toy_disk.deferred = true;
        page_read_ahead(&device, 2, 4);
        toy_check(&device);
        assert_null(page_find(&device, 3));
        assert_int_equal(thread_create(NULL, want_ahead, NULL, &thread), 0);
        thread_yield();
        toy_disk.deferred = false;
        toy_disk.fail_from = stays;
        assert_true(ramblk_complete_one(&toy_disk, -EIO));
        assert_int_equal(thread_join(thread, NULL), 0);
        assert_int_equal(ahead_statuses[0], stays ? -EIO : 0);
        toy_disk.fail_from = 0;
        toy_check(&device);
        mapping_forget(&device, 0, DISK);
    }
    /* Without somebody who waits nothing is left of it. */
    toy_disk.fail_from = 1;
    page_read_ahead(&device, 2, 4);
    toy_disk.fail_from = 0;
    assert_int_equal(device.page_count, 0);
    assert_int_equal(page_get(&device, 3, 0, &page), 0);
    page_put(page);
}

/* Each allocation of a read may fail: an error, or it is read without those
 * ahead; and nothing is left behind. */
static void test_read_without_memory(void **state)
{
    struct mem_stats before;

    (void)state;
    (void)requests_for(0);
    mapping_forget(&device, 0, DISK);
    before = stats();
    for (uint64_t n = 1;; n++) {
        struct mapping_ref ref;
        int status;

        heap_fail(n);
        status = mapping_ref(&device, 5 * PAGE_BYTES, &ref);
        if (status == 0) {
            assert_memory_equal(ref.data, toy_data + 5 * PAGE_BYTES, ref.size);
            mapping_unref(&ref);
        } else {
            assert_int_equal(status, -ENOMEM);
            assert_null(page_find(&device, 5));
        }
        toy_check(&device);
        mapping_forget(&device, 0, DISK);
        assert_int_equal(stats().block_count, before.block_count);
        if (!heap_failed())
            break;
        assert_true(n < 200);
    }
    heap_fail(0);
}

/* ---- Files --------------------------------------------------------------- */

/* Read bytes of the file page by page and compare them with the disk. */
static void file_compare(uint64_t from, uint64_t end)
{
    struct readahead readahead = {.next = 0};

    for (uint64_t at = from; at < end;) {
        uint32_t in_page = (uint32_t)(at % PAGE_BYTES);
        struct page *page;

        assert_int_equal(
            page_read(&file.pages, at / PAGE_BYTES, &readahead, &page), 0);
        for (; in_page < PAGE_BYTES && at < end; in_page++, at++) {
            if (page->buf->base[in_page] != toy_on_disk(&file, at))
                fail_msg("byte %lu", (unsigned long)at);
        }
        page_put(page);
        toy_check(&file.pages);
    }
}

static void file_end(void)
{
    toy_check(&file.pages);
    mapping_destroy(&file.pages);
    assert_int_equal(file.reserved, 0);
}

static void test_file_in_runs(void **state)
{
    static const unsigned units[] = {1, 2, 4, 8};
    static const unsigned runs[] = {0, 1, 3, 64};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        for (size_t j = 0; j < COUNT_OF(runs); j++) {
            toy_create_full(&file, units[i], runs[j], 17 * PAGE_BYTES + 1234);
            if (toy_disk.data[0] == 0 ||
                file.next_place * units[i] * 512 > DISK)
                toy_create_full(&file, units[i], runs[j], 9 * PAGE_BYTES + 1);
            for (unsigned hole = 3; hole < 60; hole += 7)
                file.place[hole] = 0;
            file_compare(0, file.pages.size_bytes);
            file_compare(5000, file.pages.size_bytes);
            file_end();
        }
    }
}

/* What is behind the end in the last sectors is not of the file. */
static void test_file_ends_in_a_sector(void **state)
{
    struct page *page;

    (void)state;
    for (unsigned unit = 1; unit <= 8; unit *= 2) {
        toy_create_full(&file, unit, 0, 2 * PAGE_BYTES + 700);
        assert_int_equal(page_get(&file.pages, 2, 0, &page), 0);
        for (unsigned i = 0; i < 700; i++)
            assert_int_equal(page->buf->base[i],
                             toy_on_disk(&file, 2 * PAGE_BYTES + i));
        unpoison(page->buf->base, PAGE_BYTES);
        for (unsigned i = 700; i < PAGE_BYTES; i++)
            assert_int_equal(page->buf->base[i], 0);
        page_put(page);
        assert_int_equal(page_get(&file.pages, 3, 0, &page), -EINVAL);
        file_end();
    }
}

static void test_file_that_cannot_be_mapped(void **state)
{
    struct page *page;

    (void)state;
    toy_create_full(&file, 2, 0, 5 * PAGE_BYTES);
    file.fail_map[MAP_READ] = -EUCLEAN;
    assert_int_equal(page_get(&file.pages, 1, 3, &page), -EUCLEAN);
    assert_int_equal(file.pages.page_count, 0);
    file.fail_map[MAP_READ] = 0;
    file_compare(0, 5 * PAGE_BYTES);
    file_end();
}

/* A disk that is gone answers block_submit() itself, or each request. */
static void test_file_on_a_disk_that_is_gone(void **state)
{
    struct page *page;

    (void)state;
    toy_create_full(&file, 8, 0, 5 * PAGE_BYTES);
    file.place[2] = 1 << 20; /* nor is there such a place */
    assert_int_equal(page_get(&file.pages, 2, 0, &page), -EINVAL);
    file.place[2] = 3;
    toy_disk.fail_from = 1;
    assert_int_equal(page_get(&file.pages, 0, 4, &page), -EIO);
    toy_disk.fail_from = 0;
    toy_check(&file.pages);
    assert_int_equal(file.pages.page_count, 0);
    file_end();
}

/* ---- Reading ahead ------------------------------------------------------- */

enum { LONG = 90 };

/* Read pages from `first` on; how many requests it took. */
static unsigned read_pages(struct readahead *readahead, uint64_t first,
                           unsigned count)
{
    unsigned before = toy_disk.requests;

    for (uint64_t i = first; i < first + count; i++) {
        struct page *page;

        assert_int_equal(page_read(&file.pages, i, readahead, &page), 0);
        assert_int_equal(page->buf->base[5],
                         toy_on_disk(&file, i * PAGE_BYTES + 5));
        page_put(page);
        toy_check(&file.pages);
    }
    return toy_disk.requests - before;
}

static void test_ahead_window_doubles(void **state)
{
    struct readahead readahead = {.next = 0};

    (void)state;
    toy_create_full(&file, 8, 0, LONG * PAGE_BYTES);
    assert_int_equal(read_pages(&readahead, 0, 1), 1);
    assert_int_equal(file.pages.page_count, 4);
    assert_int_equal(read_pages(&readahead, 0, 1), 0); /* the same again */
    assert_int_equal(read_pages(&readahead, 1, 1), 0);
    assert_int_equal(read_pages(&readahead, 2, 1), 1); /* asked for early */
    assert_int_equal(file.pages.page_count, 12);
    assert_int_equal(read_pages(&readahead, 3, 1), 0);
    assert_int_equal(read_pages(&readahead, 4, 1), 1);
    assert_int_equal(file.pages.page_count, 28);
    assert_int_equal(read_pages(&readahead, 5, 8), 1);
    assert_int_equal(file.pages.page_count, 60);
    assert_int_equal(read_pages(&readahead, 13, LONG - 13), 1);
    assert_int_equal(file.pages.page_count, LONG);
    assert_int_equal(toy_disk.sectors_read, LONG * PAGE_SECTORS);
    file_end();
}

static void test_ahead_not_for_random_reads(void **state)
{
    struct readahead readahead = {.next = 0};
    static const uint64_t indexes[] = {50, 3, 70, 20, 10, 0, 60};

    (void)state;
    toy_create_full(&file, 8, 0, LONG * PAGE_BYTES);
    for (size_t i = 0; i < COUNT_OF(indexes); i++) {
        assert_int_equal(read_pages(&readahead, indexes[i], 1), 1);
        assert_int_equal(file.pages.page_count, i + 1);
    }
    /* It begins anew where reads follow each other. */
    assert_int_equal(read_pages(&readahead, 61, 1), 1);
    assert_int_equal(file.pages.page_count, COUNT_OF(indexes) + 4);
    file_end();
}

/* In what is in memory anyway nothing is asked for. */
static void test_ahead_not_for_what_is_there(void **state)
{
    struct readahead readahead = {.next = 0}, second = {.next = 0};

    (void)state;
    toy_create_full(&file, 8, 0, LONG * PAGE_BYTES);
    (void)read_pages(&readahead, 0, LONG);
    assert_int_equal(read_pages(&second, 0, LONG), 0);
    assert_int_equal(second.window, 0);
    file_end();
}

/* A window whose pages are gone again, or never came, is read at once. */
static void test_ahead_window_that_was_lost(void **state)
{
    struct readahead readahead = {.next = 0};

    (void)state;
    toy_create_full(&file, 8, 0, LONG * PAGE_BYTES);
    assert_int_equal(read_pages(&readahead, 0, 2), 1);
    toy_disk.fail_from = 1;
    assert_int_equal(read_pages(&readahead, 2, 2), 1);
    toy_disk.fail_from = 0;
    assert_int_equal(file.pages.page_count, 4);
    toy_disk.requests = 0;
    assert_int_equal(read_pages(&readahead, 4, 1), 1);
    assert_int_equal(file.pages.page_count, 12);
    file_end();
}

/* ---- What the sanitizer sees --------------------------------------------- */

/* A page without pins may be given back at any time, and nobody may look behind
 * the end. */
static void test_poison(void **state)
{
    (void)state;
#if SANITIZE_ADDRESS
    struct mapping_ref first, second;
    const uint8_t *at;

    assert_int_equal(mapping_ref(&device, 0, &first), 0);
    assert_int_equal(mapping_ref(&device, 10, &second), 0);
    at = first.data;
    mapping_unref(&first);
    assert_false(__asan_address_is_poisoned(at));
    mapping_unref(&second);
    assert_true(__asan_address_is_poisoned(at));
    assert_true(__asan_address_is_poisoned(at + PAGE_BYTES - 1));
    assert_int_equal(mapping_ref(&device, 10, &second), 0);
    assert_false(__asan_address_is_poisoned(at));
    assert_false(__asan_address_is_poisoned(at + PAGE_BYTES - 1));
    mapping_unref(&second);
    assert_int_equal(mapping_ref(&device, 100 * PAGE_BYTES, &first), 0);
    assert_false(__asan_address_is_poisoned(first.data + 1535));
    assert_true(__asan_address_is_poisoned(first.data + 1536));
    /* Slices that are lent outlive the pin. */
    at = first.data;
    struct buf *buf = first.page->buf;
    buf_get(buf);
    mapping_unref(&first);
    assert_false(__asan_address_is_poisoned(at));
    mapping_forget(&device, 0, DISK);
    assert_int_equal(at[7], toy_data[100 * PAGE_BYTES + 7]);
    buf_put(buf);
#endif
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_ref_reads_a_run_once),
        ATTACHED(test_ref_past_the_end),
        ATTACHED(test_copy_across_pages),
        ATTACHED(test_read_that_fails_is_not_kept),
        ATTACHED(test_bad_sector_is_of_its_page),
        ATTACHED(test_readers_share_a_read),
        ATTACHED(test_error_of_a_read_ahead_is_nobodys),
        ATTACHED(test_read_without_memory),
        ATTACHED(test_file_in_runs),
        ATTACHED(test_file_ends_in_a_sector),
        ATTACHED(test_file_that_cannot_be_mapped),
        ATTACHED(test_file_on_a_disk_that_is_gone),
        ATTACHED(test_ahead_window_doubles),
        ATTACHED(test_ahead_not_for_random_reads),
        ATTACHED(test_ahead_not_for_what_is_there),
        ATTACHED(test_ahead_window_that_was_lost),
        ATTACHED(test_poison),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
