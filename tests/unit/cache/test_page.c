/*
 * Pages without a device, as a file system in memory has them: changes, sizes,
 * holes, limits, slices that are lent.
 */
#include "tests/unit/cache/toy_file.h"

static struct mapping pages;

static int setup(void **state)
{
    (void)state;
    machine_attach(8 << 20);
    page_cache_boot();
    return mapping_init(&pages, NULL, NULL, PAGE_SECTORS, 0);
}

static int teardown(void **state)
{
    (void)state;
    toy_check(&pages);
    mapping_destroy(&pages);
    machine_detach();
    return 0;
}

/* The bytes of the mapping; -1: the page cannot be had. */
static int byte_at(struct mapping *mapping, uint64_t at)
{
    struct page *page;
    int byte;

    if (page_get(mapping, at / PAGE_BYTES, 0, &page) != 0)
        return -1;
    byte = page->buf->base[at % PAGE_BYTES];
    page_put(page);
    return byte;
}

static void test_memory_grows_by_writes(void **state)
{
    static uint8_t data[3 * PAGE_BYTES];
    struct page *page;

    (void)state;
    memset(data, 7, sizeof(data));
    assert_int_equal(page_get(&pages, 0, 0, &page), -EINVAL);
    assert_int_equal(toy_write(&pages, 10, data, 20), 0);
    assert_int_equal(pages.size_bytes, 30);
    assert_int_equal(pages.tree.height, 0);
    assert_int_equal(byte_at(&pages, 9), 0);
    assert_int_equal(byte_at(&pages, 10), 7);
    assert_int_equal(toy_write(&pages, 5000, data, sizeof(data)), 0);
    assert_int_equal(pages.size_bytes, 5000 + sizeof(data));
    assert_int_equal(byte_at(&pages, 30), 0);
    assert_int_equal(byte_at(&pages, 4999), 0);
    assert_int_equal(byte_at(&pages, 5000 + sizeof(data) - 1), 7);
    assert_int_equal(pages.page_count, 5);
    assert_int_equal(page_take(&pages, INT64_MAX / PAGE_BYTES + 1, &page),
                     -EFBIG);
    assert_int_equal(mapping_truncate(&pages, UINT64_MAX), -EFBIG);
}

/* A hole costs nothing once its page is given back; content stays. */
static void test_memory_keeps_content_only(void **state)
{
    struct page *page;

    (void)state;
    assert_int_equal(toy_write(&pages, 100 * PAGE_BYTES, "x", 1), 0);
    assert_int_equal(byte_at(&pages, 0), 0);
    assert_int_equal(byte_at(&pages, 50 * PAGE_BYTES), 0);
    assert_int_equal(pages.page_count, 3);
    page = mapping_next_dirty(&pages, 0);
    assert_int_equal(page->index, 100);
    page_put(page);
    assert_null(mapping_next_dirty(&pages, 101));
    mem_trim();
    mem_trim();
    assert_int_equal(pages.page_count, 1);
    assert_int_equal(byte_at(&pages, 100 * PAGE_BYTES), 'x');
    assert_int_equal(mapping_write(&pages, 0, UINT64_MAX), 0);
    assert_int_equal(pages.dirty_count, 1);
}

static void test_truncate_leaves_zeros(void **state)
{
    static const uint64_t sizes[] = {0, 1, 511, 512, 513, 4095, 4096, 4097};
    static uint8_t data[3 * PAGE_BYTES];

    (void)state;
    memset(data, 9, sizeof(data));
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        assert_int_equal(toy_write(&pages, 0, data, sizeof(data)), 0);
        assert_int_equal(mapping_truncate(&pages, sizes[i]), 0);
        toy_check(&pages);
        assert_int_equal(pages.page_count, (sizes[i] + 4095) / PAGE_BYTES);
        assert_int_equal(mapping_truncate(&pages, 3 * PAGE_BYTES), 0);
        for (uint64_t at = 0; at < 3 * PAGE_BYTES; at++) {
            if (byte_at(&pages, at) != (at < sizes[i] ? 9 : 0))
                fail_msg("size %lu byte %lu", (unsigned long)sizes[i],
                         (unsigned long)at);
        }
        assert_int_equal(mapping_truncate(&pages, 0), 0);
        assert_int_equal(pages.page_count, 0);
    }
}

static void test_forget_makes_a_hole(void **state)
{
    static uint8_t data[5 * PAGE_BYTES];

    (void)state;
    memset(data, 9, sizeof(data));
    assert_int_equal(toy_write(&pages, 0, data, sizeof(data)), 0);
    mapping_forget(&pages, PAGE_BYTES, 2 * PAGE_BYTES);
    toy_check(&pages);
    assert_int_equal(pages.page_count, 3);
    assert_int_equal(byte_at(&pages, PAGE_BYTES - 1), 9);
    assert_int_equal(byte_at(&pages, PAGE_BYTES), 0);
    assert_int_equal(byte_at(&pages, 3 * PAGE_BYTES - 1), 0);
    assert_int_equal(byte_at(&pages, 3 * PAGE_BYTES), 9);
    assert_int_equal(pages.size_bytes, sizeof(data));
}

/* Who holds a page that is dropped keeps it. */
static void test_pin_outlives_the_mapping(void **state)
{
    struct page *page;

    (void)state;
    assert_int_equal(toy_write(&pages, 0, "abc", 3), 0);
    assert_int_equal(page_get(&pages, 0, 0, &page), 0);
    page_pin(page);
    page_put(page);
    assert_int_equal(mapping_truncate(&pages, 0), 0);
    page_check(page);
    assert_null(page->mapping);
    assert_int_equal(page->buf->base[2], 'c');
    assert_int_equal(page_modify(page, 0, 1), -ENOENT);
    page_put(page);
}

/* What the network has does not change under it. */
static void test_change_of_lent_bytes(void **state)
{
    struct page *page;
    struct buf *lent;

    (void)state;
    assert_int_equal(toy_write(&pages, 0, "old", 3), 0);
    assert_int_equal(page_get(&pages, 0, 0, &page), 0);
    lent = page->buf;
    buf_get(lent);
    assert_int_equal(toy_write(&pages, 0, "new", 3), 0);
    assert_ptr_not_equal(page->buf, lent);
    assert_memory_equal(lent->base, "old", 3);
    assert_memory_equal(page->buf->base, "new", 3);
    /* And once only: the page has a buffer of its own. */
    buf_get(lent);
    assert_int_equal(toy_write(&pages, 1, "E", 1), 0);
    assert_memory_equal(page->buf->base, "nEw", 3);
    /* Truncating is a change, too. */
    buf_put(lent);
    buf_put(lent);
    lent = page->buf;
    buf_get(lent);
    assert_int_equal(mapping_truncate(&pages, 1), 0);
    assert_memory_equal(lent->base, "nEw", 3);
    assert_int_equal(mapping_truncate(&pages, 3), 0);
    assert_int_equal(byte_at(&pages, 1), 0);
    buf_put(lent);
    page_put(page);
}

static void test_change_without_memory(void **state)
{
    struct page *page;
    struct buf *lent;

    (void)state;
    assert_int_equal(toy_write(&pages, 0, "old", 3), 0);
    assert_int_equal(page_get(&pages, 0, 0, &page), 0);
    lent = page->buf;
    buf_get(lent);
    for (uint64_t n = 1; n <= 2; n++) {
        heap_fail(n);
        assert_int_equal(toy_write(&pages, 0, "new", 3), -ENOMEM);
        heap_fail(n);
        assert_int_equal(mapping_truncate(&pages, 1), -ENOMEM);
        assert_int_equal(pages.size_bytes, 3);
    }
    for (uint64_t n = 1; n <= 5; n++) {
        heap_fail(n);
        assert_int_equal(toy_write(&pages, 100 * PAGE_BYTES, "x", 1), -ENOMEM);
        toy_check(&pages);
        assert_int_equal(pages.page_count, 1);
    }
    heap_fail(0);
    assert_memory_equal(page->buf->base, "old", 3);
    buf_put(lent);
    page_put(page);
    heap_fail(1);
    assert_int_equal(toy_write(&pages, 0, "new", 3), 0); /* it needs none */
    heap_fail(0);
}

/* A CPU whose cache cannot be made. */
static void test_mapping_without_memory(void **state)
{
    struct mapping other;

    (void)state;
    machine_detach();
    machine_attach(8 << 20);
    page_cache_check();
    mem_trim();
    heap_fail(1);
    assert_int_equal(mapping_init(&other, NULL, NULL, 1, 0), -ENOMEM);
    heap_fail(1);
    assert_int_equal(page_cache_start_flusher(), -ENOMEM);
    heap_fail(0);
    for (uint64_t n = 1;; n++) {
        int status;

        heap_fail(n);
        status = page_cache_start_flusher();
        if (!heap_failed())
            break;
        assert_int_equal(status, -ENOMEM);
    }
    heap_fail(0);
    assert_int_equal(page_cache_start_flusher(), 0);
    assert_int_equal(mapping_init(&pages, NULL, NULL, 8, 0), 0);
}

static void test_size_without_pages(void **state)
{
    struct page_cache_stats stats;

    (void)state;
    assert_int_equal(mapping_truncate(&pages, 5000), 0);
    assert_int_equal(mapping_truncate(&pages, 9000), 0);
    assert_int_equal(mapping_truncate(&pages, 100), 0);
    assert_int_equal(pages.page_count, 0);
    page_cache_get_stats(&stats);
    assert_int_equal(stats.pages, 0);
    assert_true(stats.dirty_limit > 0);
    machine_detach();
    machine_attach(8 << 20);
    page_cache_get_stats(&stats); /* a CPU without a cache */
    assert_int_equal(stats.dirty_limit, 0);
    mem_trim();
    assert_int_equal(mapping_init(&pages, NULL, NULL, 8, 0), 0);
}

/* ---- A limit ------------------------------------------------------------- */

/* A file system in memory counts pages by what is reserved. */
static void test_limit(void **state)
{
    static uint8_t data[10 * PAGE_BYTES];
    static struct toy_file file;

    (void)state;
    memset(&file, 0, sizeof(file));
    file.unit = PAGE_SECTORS;
    file.room = 5;
    assert_int_equal(mapping_init(&file.pages, &toy_ops, NULL, PAGE_SECTORS, 0),
                     0);
    assert_int_equal(toy_write(&file.pages, 0, data, sizeof(data)), -ENOSPC);
    assert_int_equal(file.pages.size_bytes, 5 * PAGE_BYTES);
    assert_int_equal(file.reserved, 5);
    assert_int_equal(toy_write(&file.pages, 0, data, 5 * PAGE_BYTES), 0);
    assert_int_equal(file.reserved, 5);
    assert_int_equal(mapping_truncate(&file.pages, 3 * PAGE_BYTES), 0);
    assert_int_equal(file.reserved, 3);
    mapping_forget(&file.pages, 0, PAGE_BYTES);
    assert_int_equal(file.reserved, 2);
    assert_int_equal(toy_write(&file.pages, 20 * PAGE_BYTES, data, 1), 0);
    assert_int_equal(file.room, 2);
    toy_check(&file.pages);
    mapping_destroy(&file.pages);
    assert_int_equal(file.reserved, 0);
    assert_int_equal(file.room, 5);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_memory_grows_by_writes),
        ATTACHED(test_memory_keeps_content_only),
        ATTACHED(test_truncate_leaves_zeros),
        ATTACHED(test_forget_makes_a_hole),
        ATTACHED(test_pin_outlives_the_mapping),
        ATTACHED(test_change_of_lent_bytes),
        ATTACHED(test_change_without_memory),
        ATTACHED(test_mapping_without_memory),
        ATTACHED(test_size_without_pages),
        ATTACHED(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
