/*
 * The cache: what is read once, what is replaced, what happens to readers that
 * share a read, and to reads that fail.
 */
#include "kernel/file/cache.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/poison.h"
#include "kernel/thread/thread.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <string.h>

#if SANITIZE_ADDRESS
int __asan_address_is_poisoned(void const volatile *at);
#endif

enum {
    CHUNK = 16 * 1024,
    DISK = 100 * CHUNK + 3 * BLOCK_SECTOR_SIZE, /* the last chunk is short */
};

static struct ramblk disk;
static uint8_t data[DISK];
static struct block_open disk_open;
static struct cache *cache;

static int setup(void **state)
{
    (void)state;
    machine_attach(4 << 20);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 13 + i / 512);
    ramblk_init(&disk, data, sizeof(data));
    if (block_open(&disk.block, BLOCK_EXCLUSIVE, &disk_open) != 0)
        return -1;
    return cache_create(&disk_open, &cache);
}

static int teardown(void **state)
{
    (void)state;
    cache_check(cache);
    cache_destroy(cache);
    machine_detach();
    return 0;
}

/* How many requests it takes to hold the byte at `offset` for a moment. */
static unsigned requests_for(uint64_t offset)
{
    unsigned before = disk.requests;
    struct cache_ref ref;

    assert_int_equal(cache_get(cache, offset, &ref), 0);
    assert_int_equal(*ref.data, data[offset]);
    cache_check(cache);
    cache_put(cache, &ref);
    assert_null(ref.chunk);
    return disk.requests - before;
}

static void test_cache_reads_a_chunk_once(void **state)
{
    static const struct {
        const char *name;
        uint64_t offset;
        unsigned requests;
        size_t size; /* to the end of the chunk */
    } rows[] = {
        {"first byte", 0, 1, CHUNK},
        {"last byte of the chunk", CHUNK - 1, 0, 1},
        {"first of the next", CHUNK, 1, CHUNK},
        {"short chunk", 100 * CHUNK, 1, 1536},
        {"last byte of the disk", DISK - 1, 0, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cache_ref ref;

        ROW(rows[i].name, requests_for(rows[i].offset) == rows[i].requests);
        assert_int_equal(cache_get(cache, rows[i].offset, &ref), 0);
        ROW(rows[i].name, ref.size == rows[i].size);
        ROW(rows[i].name,
            memcmp(ref.data, data + rows[i].offset, ref.size) == 0);
        cache_put(cache, &ref);
    }
}

static void test_cache_past_the_end(void **state)
{
    static const uint64_t offsets[] = {DISK, DISK + 1, UINT64_MAX};
    struct cache_ref ref;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(offsets); i++)
        assert_int_equal(cache_get(cache, offsets[i], &ref), -EINVAL);
    assert_int_equal(disk.requests, 0);
}

static void test_cache_read_across_chunks(void **state)
{
    static uint8_t buf[3 * CHUNK];
    static const struct {
        const char *name;
        uint64_t offset;
        size_t size;
        int status;
    } rows[] = {
        {"nothing", 5, 0, 0},
        {"one byte", 5, 1, 0},
        {"to the end of a chunk", 100, CHUNK - 100, 0},
        {"over an edge", CHUNK - 1, 2, 0},
        {"over two edges", CHUNK - 1, CHUNK + 2, 0},
        {"to the end of the disk", DISK - 2000, 2000, 0},
        {"past it", DISK - 2000, 2001, -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memset(buf, 0xaa, sizeof(buf));
        ROW(rows[i].name, cache_read(cache, rows[i].offset, buf,
                                     rows[i].size) == rows[i].status);
        if (rows[i].status != 0)
            continue;
        ROW(rows[i].name,
            memcmp(buf, data + rows[i].offset, rows[i].size) == 0);
        ROW(rows[i].name, buf[rows[i].size] == 0xaa);
    }
}

/* ---- Replacing ----------------------------------------------------------- */

/* A cache of eight chunks, the least there is. */
static void make_small(void)
{
    static void *filler[1000];

    cache_destroy(cache);
    for (unsigned i = 0;
         i < COUNT_OF(filler) && stats().free_bytes > 400 * 1024; i++)
        filler[i] = dma_alloc(16 * 1024);
    assert_int_equal(cache_create(&disk_open, &cache), 0);
}

static void test_cache_replaces_the_least_recently_used(void **state)
{
    (void)state;
    make_small();
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(requests_for(i * CHUNK), 1);
    assert_int_equal(requests_for(0), 0); /* used again: 1 is the oldest now */
    assert_int_equal(requests_for(8 * CHUNK), 1);
    assert_int_equal(requests_for(0), 0);
    for (unsigned i = 2; i < 9; i++)
        assert_int_equal(requests_for(i * CHUNK), 0);
    assert_int_equal(requests_for(1 * CHUNK), 1);
    assert_int_equal(requests_for(0), 1); /* the oldest made room for 1 */
}

static void test_cache_does_not_replace_what_is_held(void **state)
{
    struct cache_ref refs[9];

    (void)state;
    make_small();
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(cache_get(cache, i * CHUNK + i, &refs[i]), 0);
    assert_int_equal(cache_get(cache, 8 * CHUNK, &refs[8]), -ENOMEM);
    cache_check(cache);
    /* What is there can be had, twice even. */
    assert_int_equal(cache_get(cache, 3 * CHUNK + 7, &refs[8]), 0);
    cache_put(cache, &refs[3]);
    assert_int_equal(*refs[8].data, data[3 * CHUNK + 7]);
    cache_put(cache, &refs[8]);
    assert_int_equal(cache_get(cache, 8 * CHUNK, &refs[3]), 0);
    for (unsigned i = 0; i < 8; i++) {
        unsigned at = i == 3 ? 8 : i;

        assert_int_equal(*refs[i].data, data[at * CHUNK + (i == 3 ? 0 : i)]);
        cache_put(cache, &refs[i]);
    }
}

/* Short of memory for a new chunk, an old one is used; without one it fails. */
static void test_cache_out_of_memory(void **state)
{
    struct cache_ref ref;
    struct mem_stats before;

    (void)state;
    before = stats();
    for (uint64_t n = 1; n <= 3; n++) {
        heap_fail(n);
        assert_int_equal(cache_get(cache, 0, &ref), -ENOMEM);
        assert_true(heap_failed());
        assert_int_equal(stats().block_count, before.block_count);
    }
    heap_fail(0);
    assert_int_equal(requests_for(0), 1);
    for (uint64_t n = 1; n <= 3; n++) {
        heap_fail(n);
        assert_int_equal(requests_for(n * CHUNK), 1);
        assert_true(heap_failed());
        assert_int_equal(requests_for((n - 1) * CHUNK), 1); /* gave way */
        heap_fail(0);
        cache_destroy(cache);
        assert_int_equal(cache_create(&disk_open, &cache), 0);
        assert_int_equal(requests_for(n * CHUNK), 1);
    }
    heap_fail(1);
    {
        struct cache *other;

        assert_int_equal(cache_create(&disk_open, &other), -ENOMEM);
    }
}

/* ---- Failing, and sharing ------------------------------------------------ */

static void test_cache_failed_read_is_not_kept(void **state)
{
    struct mem_stats before;
    struct cache_ref ref;

    (void)state;
    before = stats();
    disk.fail_at = 1;
    assert_int_equal(cache_get(cache, 5, &ref), -EIO);
    cache_check(cache);
    assert_int_equal(stats().block_count, before.block_count);
    assert_int_equal(requests_for(5), 1);
}

enum { READERS = 4 };

static int statuses[READERS];
static uint8_t seen[READERS];

static int reader(void *arg)
{
    uintptr_t me = (uintptr_t)arg;
    struct cache_ref ref;

    statuses[me] = cache_get(cache, 1000, &ref);
    if (statuses[me] == 0) {
        seen[me] = *ref.data;
        thread_yield();
        cache_put(cache, &ref);
    }
    return 0;
}

static void test_cache_readers_share_a_read(void **state)
{
    (void)state;
    for (unsigned fails = 0; fails < 2; fails++) {
        thread_id threads[READERS];

        disk.deferred = true;
        disk.requests = 0;
        disk.fail_at = fails == 0 ? 1 : 0;
        for (uintptr_t i = 0; i < READERS; i++)
            assert_int_equal(
                thread_create(NULL, reader, (void *)i, &threads[i]), 0);
        thread_yield();
        cache_check(cache);
        assert_int_equal(ramblk_complete(&disk), 1);
        for (unsigned i = 0; i < READERS; i++) {
            assert_int_equal(thread_join(threads[i], NULL), 0);
            assert_int_equal(statuses[i], fails == 0 ? -EIO : 0);
            if (fails != 0)
                assert_int_equal(seen[i], data[1000]);
        }
        assert_int_equal(disk.requests, 1);
        disk.deferred = false;
        cache_check(cache);
    }
    assert_int_equal(requests_for(1000), 0);
}

static int read_twice(void *arg)
{
    (void)reader(arg);
    return reader((void *)((uintptr_t)arg + 1));
}

/* Who asks again is not told of the failure that others still learn of. */
static void test_cache_reads_again_at_once(void **state)
{
    thread_id threads[2];

    (void)state;
    disk.deferred = true;
    disk.fail_at = 1;
    assert_int_equal(thread_create(NULL, read_twice, (void *)0, &threads[0]),
                     0);
    assert_int_equal(thread_create(NULL, reader, (void *)2, &threads[1]), 0);
    thread_yield();
    disk.deferred = false;
    assert_int_equal(ramblk_complete(&disk), 1);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(thread_join(threads[i], NULL), 0);
    assert_int_equal(statuses[0], -EIO);
    assert_int_equal(statuses[1], 0);
    assert_int_equal(statuses[2], -EIO);
    assert_int_equal(seen[1], data[1000]);
    assert_int_equal(requests_for(1000), 0);
}

/* How many chunks there are at most: the first ones that are read again. */
static unsigned chunks_kept(unsigned chunk_size)
{
    unsigned all = sizeof(data) / chunk_size;
    unsigned kept = 0;

    for (unsigned i = 0; i < all; i++)
        (void)requests_for(i * chunk_size);
    while (kept < all && requests_for((all - 1 - kept) * chunk_size) == 0)
        kept++;
    return kept;
}

/* Take memory until so much is free. */
static void leave_free(size_t bytes)
{
    while (stats().free_bytes > bytes)
        assert_non_null(
            dma_alloc(stats().free_bytes - bytes >= 1 << 20 ? 1 << 20 : 4096));
    assert_int_equal(stats().free_bytes, bytes);
}

/* A cache takes a quarter of what is free when it is made, and eight chunks at
 * least. */
static void test_cache_share_of_memory(void **state)
{
    static const struct {
        const char *name;
        size_t free;
        unsigned chunks;
    } rows[] = {
        {"24 chunks", 24 * 4 * CHUNK, 24},
        {"a page less", 24 * 4 * CHUNK - 4096, 23},
        {"nine chunks", 9 * 4 * CHUNK, 9},
        {"eight chunks", 8 * 4 * CHUNK, 8},
        {"the least", 7 * 4 * CHUNK, 8},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        (void)teardown(state);
        (void)setup(state);
        cache_destroy(cache);
        leave_free(rows[i].free);
        assert_int_equal(cache_create(&disk_open, &cache), 0);
        assert_int_equal(stats().free_bytes, rows[i].free);
        ROW(rows[i].name, chunks_kept(CHUNK) == rows[i].chunks);
    }
}

static void test_cache_size_of_chunks(void **state)
{
    (void)state;
    cache_destroy(cache);
    machine_detach();
    machine_attach(64 << 20);
    ramblk_init(&disk, data, sizeof(data));
    assert_int_equal(block_open(&disk.block, BLOCK_EXCLUSIVE, &disk_open), 0);
    assert_int_equal(cache_create(&disk_open, &cache), 0);
    assert_int_equal(requests_for(0), 1);
    assert_int_equal(requests_for(64 * 1024 - 1), 0);
    assert_int_equal(requests_for(64 * 1024), 1);
    /* From 32 MiB on; a page less are too few. */
    cache_destroy(cache);
    leave_free(32 << 20);
    assert_int_equal(cache_create(&disk_open, &cache), 0);
    assert_int_equal(requests_for(0), 1);
    assert_int_equal(requests_for(CHUNK), 0);
    cache_destroy(cache);
    leave_free((32 << 20) - 4096);
    assert_int_equal(cache_create(&disk_open, &cache), 0);
    assert_int_equal(requests_for(0), 1);
    assert_int_equal(requests_for(CHUNK), 1);
}

/* A chunk that nobody holds may be replaced at any time: looking at it is a bug
 * that the sanitizer shows. */
static void test_cache_poisons_what_is_not_held(void **state)
{
    (void)state;
#if SANITIZE_ADDRESS
    struct cache_ref first, second;
    const uint8_t *at;

    assert_int_equal(cache_get(cache, 0, &first), 0);
    assert_int_equal(cache_get(cache, 10, &second), 0);
    at = first.data;
    cache_put(cache, &first);
    assert_false(__asan_address_is_poisoned(at));
    cache_put(cache, &second);
    assert_true(__asan_address_is_poisoned(at));
    assert_true(__asan_address_is_poisoned(at + CHUNK - 1));
    assert_int_equal(cache_get(cache, 10, &second), 0);
    assert_false(__asan_address_is_poisoned(at));
    assert_false(__asan_address_is_poisoned(at + CHUNK - 1));
    cache_put(cache, &second);
    /* Of a short chunk what lies behind its data, too. */
    assert_int_equal(cache_get(cache, 100 * CHUNK, &first), 0);
    assert_false(__asan_address_is_poisoned(first.data + 1535));
    assert_true(__asan_address_is_poisoned(first.data + 1536));
    cache_put(cache, &first);
#endif
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_cache_reads_a_chunk_once),
        ATTACHED(test_cache_past_the_end),
        ATTACHED(test_cache_read_across_chunks),
        ATTACHED(test_cache_replaces_the_least_recently_used),
        ATTACHED(test_cache_does_not_replace_what_is_held),
        ATTACHED(test_cache_out_of_memory),
        ATTACHED(test_cache_failed_read_is_not_kept),
        ATTACHED(test_cache_readers_share_a_read),
        ATTACHED(test_cache_reads_again_at_once),
        ATTACHED(test_cache_share_of_memory),
        ATTACHED(test_cache_size_of_chunks),
        ATTACHED(test_cache_poisons_what_is_not_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
