/*
 * Runs of pages: what a reader copies at once, and whole pages that are
 * overwritten, or replaced by a buffer.
 */
#include "kernel/cache/cache_internal.h"
#include "kernel/cache/run.h"
#include "tests/unit/cache/toy_file.h"

enum { PAGES = 150, FILE_BYTES = PAGES * PAGE_BYTES - 77 };

static struct toy_file file;
static struct mapping memory; /* without a device */
static uint8_t bytes[PAGES * PAGE_BYTES];

static int setup(void **state)
{
    (void)state;
    if (toy_setup_disk(16 << 20, 4 << 20) != 0)
        return -1;
    toy_create_full(&file, 8, 0, FILE_BYTES);
    return mapping_init(&memory, NULL, NULL, PAGE_SECTORS, 0);
}

static int teardown(void **state)
{
    (void)state;
    toy_check(&file.pages);
    toy_check(&memory);
    mapping_destroy(&file.pages);
    mapping_destroy(&memory);
    assert_int_equal(file.reserved, 0);
    machine_detach();
    return 0;
}

/* ---- Copies -------------------------------------------------------------- */

static void pages_load(uint64_t first, uint64_t end)
{
    struct page *page;

    for (; first < end; first++) {
        assert_int_equal(page_get(&file.pages, first, 0, &page), 0);
        page_put(page);
    }
}

/* What is copied is the file, and nothing more. */
static size_t copy(uint64_t at, size_t size, struct readahead *readahead)
{
    size_t got;

    memset(bytes, 0xee, sizeof(bytes));
    got = page_copy_now(&file.pages, at, bytes, size, readahead);
    assert_true(got <= size);
    for (size_t i = 0; i < got; i++)
        assert_int_equal(bytes[i], toy_on_disk(&file, at + i));
    if (got < sizeof(bytes))
        assert_int_equal(bytes[got], 0xee);
    toy_check(&file.pages);
    return got;
}

static void test_copy_wherever_it_begins(void **state)
{
    static const struct {
        const char *name;
        uint64_t at;
        size_t size;
    } rows[] = {
        {"a byte", 0, 1},
        {"the last byte", FILE_BYTES - 1, 1},
        {"a page", PAGE_BYTES, PAGE_BYTES},
        {"over an edge", PAGE_BYTES - 1, 2},
        {"more than a run", 100, 40 * PAGE_BYTES},
        {"over a node of the tree", 60 * PAGE_BYTES + 5, 9 * PAGE_BYTES},
        {"all", 0, FILE_BYTES},
        {"all but the ends", 1, FILE_BYTES - 2},
    };

    (void)state;
    pages_load(0, PAGES);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct readahead readahead = {.next = rows[i].at / PAGE_BYTES};

        if (copy(rows[i].at, rows[i].size, &readahead) != rows[i].size)
            fail_msg("%s", rows[i].name);
        assert_int_equal(readahead.next,
                         (rows[i].at + rows[i].size - 1) / PAGE_BYTES + 1);
    }
}

static void test_copy_ends_where_a_page_is_missing(void **state)
{
    struct readahead readahead = {.next = 0};

    (void)state;
    assert_int_equal(copy(0, 100, &readahead), 0); /* there is none at all */
    pages_load(0, 1);
    assert_int_equal(copy(0, FILE_BYTES, &readahead), PAGE_BYTES);
    pages_load(2, 5);
    pages_load(64, 66);
    assert_int_equal(copy(50, FILE_BYTES - 50, &readahead), PAGE_BYTES - 50);
    assert_int_equal(copy(PAGE_BYTES, 10, &readahead), 0);
    assert_int_equal(copy(3 * PAGE_BYTES, FILE_BYTES / 2, &readahead),
                     2 * PAGE_BYTES);
    assert_int_equal(copy(64 * PAGE_BYTES, FILE_BYTES / 2, &readahead),
                     2 * PAGE_BYTES);
    assert_int_equal(copy(100 * PAGE_BYTES, 10, &readahead), 0);
}

/* A page that is not valid as a whole is none. */
static void test_copy_ends_before_half_a_page(void **state)
{
    struct readahead readahead = {.next = 0};
    struct toy_file half;

    (void)state;
    toy_create_full(&half, 1, 0, 3 * PAGE_BYTES);
    assert_int_equal(toy_write(&half.pages, 512, bytes, 1024), 0);
    assert_int_equal(half.pages.page_count, 1);
    assert_int_equal(page_copy_now(&half.pages, 512, bytes, 100, &readahead),
                     0);
    mapping_destroy(&half.pages);
}

/* Buffers that do not lie side by side. */
static void test_copy_of_scattered_pages(void **state)
{
    struct readahead readahead = {.next = 0};
    struct page *page;

    (void)state;
    for (uint64_t i = PAGES; i-- > 0;) {
        if (i % 3 != 0)
            pages_load(i, i + 1);
    }
    pages_load(0, PAGES);
    assert_int_equal(copy(0, FILE_BYTES, &readahead), FILE_BYTES);
    page = page_find(&file.pages, 7);
    assert_non_null(page);
    assert_true(page->used);
    assert_int_equal(page->pins, 1);
    page_put(page);
}

/* Where more is to be read ahead it is left to page_read(). */
static void test_copy_ends_at_the_mark(void **state)
{
    struct readahead readahead = {
        .next = 3, .end = 20, .mark = 10, .window = 16};

    (void)state;
    pages_load(0, 20);
    assert_int_equal(copy(3 * PAGE_BYTES, FILE_BYTES / 2, &readahead),
                     7 * PAGE_BYTES);
    assert_int_equal(readahead.next, 10);
    assert_int_equal(copy(10 * PAGE_BYTES, 10, &readahead), 0);
    assert_int_equal(readahead.window, 16);
    readahead.next = 11; /* page_read() has had it */
    assert_int_equal(copy(11 * PAGE_BYTES, FILE_BYTES / 2, &readahead),
                     9 * PAGE_BYTES);
    assert_int_equal(readahead.mark, 10);

    /* Elsewhere: the reads are not sequential. */
    assert_int_equal(copy(2 * PAGE_BYTES, 10, &readahead), 10);
    assert_int_equal(readahead.window, 0);
    assert_int_equal(readahead.next, 3);
}

/* ---- Runs that are overwritten ------------------------------------------- */

/* Pages from `index` on hold bytes of that value. */
static void expect(struct mapping *mapping, uint64_t index, unsigned count,
                   uint8_t value)
{
    for (; count > 0; count--, index++) {
        struct page *page;

        assert_int_equal(page_get(mapping, index, 0, &page), 0);
        for (unsigned i = 0; i < page_length(page); i++)
            assert_int_equal(page->buf->base[i], value);
        page_put(page);
    }
}

/* What is there, and what it is overwritten with. */
enum { OLD = 2, NEW = 3 };

static void pages_fill(struct mapping *mapping, uint64_t first, uint64_t end)
{
    memset(bytes, OLD, sizeof(bytes));
    for (; first < end; first++)
        assert_int_equal(
            page_overwrite(mapping, first * PAGE_BYTES, bytes, PAGE_BYTES), 0);
}

/* Overwrite from page `index` on, run by run. Returns how many pages: these,
 * and no more, are new and dirty. */
static unsigned overwrite(struct mapping *mapping, uint64_t index, size_t size)
{
    const size_t max = size / PAGE_BYTES;
    size_t done = 0, got;

    memset(bytes, NEW, sizeof(bytes));
    do {
        got = page_overwrite_now(mapping, index * PAGE_BYTES + done, bytes,
                                 size - done);
        assert_int_equal(got % PAGE_BYTES, 0);
        done += got;
    } while (got > 0 && done < size);
    done /= PAGE_BYTES;
    assert_true(done <= max);
    for (unsigned i = 0; i < max; i++) {
        struct page *page = page_find(mapping, index + i);

        if (i < done)
            assert_int_equal(page->dirty, 0xff);
        if (page == NULL)
            continue;
        assert_int_equal(page->pins, 1);
        assert_int_equal(page->buf->base[0] == NEW, i < done);
        assert_int_equal(page->buf->base[page_length(page) - 1] == NEW,
                         i < done);
        page_put(page);
    }
    toy_check(mapping);
    return (unsigned)done;
}

static void test_overwrite_of_a_run(void **state)
{
    (void)state;
    pages_fill(&memory, 0, PAGES);
    assert_int_equal(overwrite(&memory, 3, 4 * PAGE_BYTES + 5), 4);
    assert_int_equal(overwrite(&memory, 10, PAGE_BYTES), 1);
    assert_int_equal(overwrite(&memory, 12, PAGE_BYTES - 1), 0);
    /* Where it does not begin a page. */
    assert_int_equal(
        page_overwrite_now(&memory, PAGE_BYTES + 1, bytes, 4 * PAGE_BYTES), 0);
    expect(&memory, 1, 2, OLD);
    assert_int_equal(overwrite(&memory, 20, 100 * PAGE_BYTES), 100);
    expect(&memory, 14, 6, OLD);
    expect(&memory, 120, PAGES - 120, OLD);
}

/* What is behind the end grows the file: that is left to page_overwrite(). */
static void test_overwrite_ends_at_the_end(void **state)
{
    (void)state;
    pages_fill(&memory, 0, 8);
    assert_int_equal(mapping_truncate(&memory, 7 * PAGE_BYTES + 9), 0);
    assert_int_equal(overwrite(&memory, 5, 10 * PAGE_BYTES), 2);
    assert_int_equal(overwrite(&memory, 7, PAGE_BYTES), 0);
    assert_int_equal(overwrite(&memory, 8, PAGE_BYTES), 0);
    assert_int_equal(overwrite(&memory, 1000, PAGE_BYTES), 0);
    assert_int_equal(memory.size_bytes, 7 * PAGE_BYTES + 9);
}

/* Pages that are not in memory, have no room yet, or whose buffer somebody else
 * has, too. */
static void test_overwrite_ends_before_what_needs_more(void **state)
{
    struct page *page;
    struct buf *lent;

    (void)state;
    assert_int_equal(overwrite(&file.pages, 0, PAGE_BYTES), 0);
    pages_load(0, 8); /* nobody has asked for room yet */
    assert_int_equal(page_overwrite_now(&file.pages, 0, bytes, 4 * PAGE_BYTES),
                     0);
    pages_fill(&file.pages, 0, 12);
    page = page_find(&file.pages, 5);
    lent = page->buf;
    buf_get(lent);
    page_put(page);
    assert_int_equal(overwrite(&file.pages, 2, 10 * PAGE_BYTES), 3);
    assert_int_equal(overwrite(&file.pages, 5, 10 * PAGE_BYTES), 0);
    assert_int_equal(lent->base[0], OLD);
    buf_put(lent);
    assert_int_equal(overwrite(&file.pages, 5, 10 * PAGE_BYTES), 7);

    /* What was written is dirty again. */
    assert_int_equal(mapping_write(&file.pages, 0, UINT64_MAX), 0);
    assert_int_equal(file.pages.dirty_count, 0);
    assert_int_equal(overwrite(&file.pages, 1, 3 * PAGE_BYTES), 3);
    assert_int_equal(file.pages.dirty_count, 3);
    assert_int_equal(mapping_write(&file.pages, 0, UINT64_MAX), 0);
    assert_int_equal(toy_on_disk(&file, 3 * PAGE_BYTES + 7), NEW);
}

/* ---- Whole pages --------------------------------------------------------- */

static struct buf *buf_new(uint8_t value)
{
    struct buf *buf = buf_alloc_undefined(PAGE_BYTES);

    assert_non_null(buf);
    memset(buf->base, value, PAGE_BYTES);
    return buf;
}

static void test_overwrite_and_give(void **state)
{
    struct mapping *const both[] = {&file.pages, &memory};
    struct page *page;

    (void)state;
    memset(bytes, 3, sizeof(bytes));
    for (unsigned i = 0; i < COUNT_OF(both); i++) {
        unsigned requests = toy_disk.requests;
        struct buf *buf = buf_new(4);

        /* What is overwritten as a whole is not read. */
        assert_int_equal(
            page_overwrite(both[i], 9 * PAGE_BYTES, bytes, PAGE_BYTES), 0);
        assert_int_equal(page_give(both[i], 10, buf), 0);
        assert_int_equal(toy_disk.requests, requests);
        expect(both[i], 9, 1, 3);
        expect(both[i], 10, 1, 4);
        page = page_find(both[i], 10);
        assert_ptr_equal(page->buf, buf);
        page_put(page);

        /* What is there gets another buffer; who has the old one keeps it. */
        buf_get(buf);
        assert_int_equal(page_give(both[i], 10, buf_new(5)), 0);
        expect(both[i], 10, 1, 5);
        assert_int_equal(buf->base[0], 4);
        assert_int_equal(buf->refs, 1);
        buf_put(buf);
        page = page_find(both[i], 10);
        buf = page->buf;
        buf_get(buf);
        page_put(page);
        assert_int_equal(
            page_overwrite(both[i], 10 * PAGE_BYTES, bytes, PAGE_BYTES), 0);
        expect(both[i], 10, 1, 3);
        assert_int_equal(buf->base[0], 5);
        assert_int_equal(buf->refs, 1);
        assert_int_equal(page_give(both[i], 10, buf), 0);
        assert_int_equal(page_overwrite(both[i], 10 * PAGE_BYTES + 7, bytes, 1),
                         0);
        page = page_find(both[i], 10);
        assert_int_equal(page->buf->base[6], 5);
        assert_int_equal(page->buf->base[7], 3);
        page_put(page);
        assert_int_equal(mapping_write(both[i], 0, UINT64_MAX), 0);
        toy_check(both[i]);
    }
    assert_int_equal(toy_on_disk(&file, 9 * PAGE_BYTES), 3);
    assert_int_equal(toy_on_disk(&file, 10 * PAGE_BYTES), 5);
    assert_int_equal(memory.size_bytes, 11 * PAGE_BYTES);
}

/* Behind the end the file grows. */
static void test_give_behind_the_end(void **state)
{
    (void)state;
    assert_int_equal(page_give(&file.pages, PAGES + 2, buf_new(9)), 0);
    assert_int_equal(file.pages.size_bytes, (PAGES + 3) * PAGE_BYTES);
    assert_int_equal(mapping_write(&file.pages, 0, UINT64_MAX), 0);
    assert_int_equal(toy_on_disk(&file, (PAGES + 2) * PAGE_BYTES), 9);
    expect(&file.pages, PAGES + 1, 1, 0);
}

/* Nothing is left of what could not be written, neither in a new page nor in
 * one that was there. */
static void failed(uint64_t index, int want)
{
    struct buf *buf = buf_new(6);

    buf_get(buf);
    assert_int_equal(page_give(&file.pages, index, buf), want);
    assert_int_equal(
        page_overwrite(&file.pages, index * PAGE_BYTES, bytes, PAGE_BYTES),
        want);
    toy_check(&file.pages);
    if (buf->refs > 1) /* a page that nobody wants has it still */
        assert_int_equal(mapping_truncate(&file.pages, FILE_BYTES), 0);
    buf_put(buf);
}

static void test_failure_leaves_nothing(void **state)
{
    const uint64_t hole = 20, behind = PAGES + 5;

    (void)state;
    memset(bytes, 3, sizeof(bytes));
    file.place[hole] = 0;
    file.room = 0;
    failed(hole, -ENOSPC);
    failed(behind, -ENOSPC);
    file.fail_map[MAP_RESERVE] = -EIO;
    failed(3, -EIO);
    file.fail_map[MAP_RESERVE] = 0;
    expect(&file.pages, hole, 1, 0);
    assert_int_equal(file.pages.size_bytes, FILE_BYTES);
    assert_int_equal(file.pages.dirty_count, 0);
    /* The end moves over it: the page may still be there. */
    failed(behind, -ENOSPC);
    assert_int_equal(mapping_truncate(&file.pages, (behind + 1) * PAGE_BYTES),
                     0);
    expect(&file.pages, behind, 1, 0);
}

static void test_whole_pages_without_memory(void **state)
{
    bool is_done = false;
    struct buf *lent;

    (void)state;
    memset(bytes, 3, sizeof(bytes));
    for (unsigned n = 1; !is_done; n++) {
        struct buf *buf = buf_new(6);
        int given, put;

        heap_fail(n);
        given = page_give(&memory, 2 * n, buf);
        put = page_overwrite(&memory, (2 * n + 1) * PAGE_BYTES, bytes,
                             PAGE_BYTES);
        is_done = !heap_failed();
        heap_fail(0);
        assert_true(is_done || given == -ENOMEM || put == -ENOMEM);
        assert_true(given == 0 || given == -ENOMEM);
        assert_true(put == 0 || put == -ENOMEM);
        if (given == 0)
            expect(&memory, 2 * n, 1, 6);
        if (put == 0)
            expect(&memory, 2 * n + 1, 1, 3);
        toy_check(&memory);
        assert_true(n < 50);
    }
    /* A page whose buffer somebody else has, too, keeps it. */
    lent = buf_new(6);
    buf_get(lent);
    assert_int_equal(page_give(&memory, 0, lent), 0);
    heap_fail(1);
    assert_int_equal(page_overwrite(&memory, 0, bytes, PAGE_BYTES), -ENOMEM);
    heap_fail(0);
    expect(&memory, 0, 1, 6);
    buf_put(lent);
    assert_int_equal(page_give(&memory, INT64_MAX / PAGE_BYTES + 1, buf_new(1)),
                     -EFBIG);
    assert_int_equal(
        page_overwrite(&memory, (uint64_t)INT64_MAX + 1, bytes, PAGE_BYTES),
        -EFBIG);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_copy_wherever_it_begins),
        ATTACHED(test_copy_ends_where_a_page_is_missing),
        ATTACHED(test_copy_ends_before_half_a_page),
        ATTACHED(test_copy_of_scattered_pages),
        ATTACHED(test_copy_ends_at_the_mark),
        ATTACHED(test_overwrite_of_a_run),
        ATTACHED(test_overwrite_ends_at_the_end),
        ATTACHED(test_overwrite_ends_before_what_needs_more),
        ATTACHED(test_overwrite_and_give),
        ATTACHED(test_give_behind_the_end),
        ATTACHED(test_failure_leaves_nothing),
        ATTACHED(test_whole_pages_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
